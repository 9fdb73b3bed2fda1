"""The clustering wrapper, and the table of what is clusterable in which layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.clustering.assignment import pull
from optim.clustering.kmeans import INITIALIZATIONS, centroids
from optim.clustering.regularizers import see_clustered
from optim.errors import ConfigError, Problem, UnsupportedModelError
from optim.models.clone import plain_variable
from optim.models.integers import is_whole
from optim.models.kernels import Slot, built_slots, kernel_table, paths, with_depthwise
from optim.wrapping.call_arguments import CallArguments, in_construction
from optim.wrapping.kinds import Kind, known

__all__ = [
    "CLUSTERABLE",
    "ClusterWeights",
    "clustered_layers",
    "is_clusterable",
]

CLUSTERABLE: dict[type, tuple[str, ...]] = kernel_table()
"""Layer class -> the attributes (dotted if nested) that hold its clusterable kernels.

Holds for subclasses too; the most derived class wins, and an empty tuple leaves a class
alone. RNN layers, `Bidirectional` and `TimeDistributed` are as clusterable as what they hold.
"""

AGGREGATIONS = ("sum", "average")


def is_clusterable(layer: Any, depthwise: bool = False) -> bool:
    """Whether the layer has kernels that can be clustered; it need not be built."""
    return bool(paths(layer, with_depthwise(CLUSTERABLE, depthwise)))


def clustered_layers(model: Any) -> list[Any]:
    """Return the clustering wrappers of a model, those in nested models too, each once."""
    found = [x for x in model._flatten_layers() if isinstance(x, ClusterWeights)]
    return list({id(wrapper): wrapper for wrapper in found}.values())


@keras.utils.register_keras_serializable(package="optim")
class ClusterWeights(keras.layers.Wrapper):  # type: ignore[misc]  # Keras is untyped
    """Lets each kernel of a layer take a few values only, and trains those values.

    In every call each value of a kernel is replaced by the nearest of the kernel's
    centroids. The gradient goes to the centroids, summed or averaged over the values of
    each, and straight through to the kernel, so that values can change cluster: the
    same as tfmot's `ClusterWeights` does. Other than there,

    * the layer keeps its variables: they are put back after the call. tfmot leaves a
      tensor in the kernel's place, also in the original model, whose layers it shares;
    * `training` reaches the layer, and so do masks and positional arguments;
    * the zeros of `preserve_sparsity` are variables, and survive saving. tfmot works
      them out when the layer is built: when loading, from random values;
    * values find their centroid by binary search, not by a table of all distances with k
      floats and an int64 variable per value;
    * half-precision layers keep float32 kernels and centroids.

    Args:
        layer: the layer to cluster.
        number_of_clusters: how many values each kernel may have, zero included: at least
            2, with `preserve_sparsity` 3.
        initialization: where centroids start: a key of `clustering_kmeans.INITIALIZATIONS`.
        preserve_sparsity: keep what is zero at zero, and nothing else.
        gradient_aggregation: of a centroid's gradient: "sum" or "average".
        depthwise: cluster depthwise kernels too.
        initialized: leave the centroids to who makes the wrapper, as when loading.
        **kwargs: for the Keras layer.

    Raises:
        ConfigError: nothing in the layer can be clustered, or a bad option.
    """

    def __init__(
        self,
        layer: Any,
        number_of_clusters: int = 16,
        initialization: str = "kmeans++",
        preserve_sparsity: bool = False,
        gradient_aggregation: str = "sum",
        depthwise: bool = False,
        initialized: bool = False,
        **kwargs: Any,
    ) -> None:
        check_options(number_of_clusters, initialization, preserve_sparsity, gradient_aggregation)
        if not is_clusterable(layer, depthwise):
            raise ConfigError(f"{layer.name}: {type(layer).__name__} has no clusterable kernels")
        kwargs.setdefault("name", f"cluster_{layer.name}")
        kwargs.setdefault("dtype", layer.dtype_policy)
        kwargs.setdefault("activity_regularizer", layer.activity_regularizer)
        kwargs.setdefault("trainable", layer.trainable)
        super().__init__(layer, **kwargs)
        if not hasattr(self, "_batch_input_shape") and hasattr(layer, "_batch_input_shape"):
            self._batch_input_shape = layer._batch_input_shape  # lets a Sequential build itself
        self.number_of_clusters = int(number_of_clusters)
        self.initialization = initialization
        self.preserve_sparsity = preserve_sparsity
        self.gradient_aggregation = gradient_aggregation
        self.depthwise = depthwise
        self.supports_masking = layer.supports_masking
        self._initialized = initialized
        self._arguments = CallArguments(layer)

    _clusters: list[_Cluster]

    def slots(self) -> list[Slot]:
        """Return the places of the clustered kernels; the layer must be built."""
        return built_slots(self.layer, with_depthwise(CLUSTERABLE, self.depthwise), "cluster")

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        clusters = []
        for slot in self.slots():
            kernel = plain_variable(slot.value)
            name = slot.path.strip("_").replace(".", "_")
            free = self.number_of_clusters - self.preserve_sparsity
            centroids = self.add_weight(
                name=f"{name}_centroids",
                shape=(free,),
                dtype=kernel.dtype,
                initializer=keras.initializers.Constant(np.linspace(-0.1, 0.1, free)),
                trainable=True,
                experimental_autocast=False,
            )
            mask = None
            if self.preserve_sparsity:
                mask = self.add_weight(
                    name=f"{name}_mask",
                    shape=kernel.shape,
                    dtype="bool",
                    initializer="ones",
                    trainable=False,
                    experimental_autocast=False,
                )
            clusters.append(_Cluster(slot, kernel, centroids, mask))
        _set_untracked(self, "_clusters", clusters)
        average = self.gradient_aggregation == "average"
        seen = {id(one.kernel): partial(one.values, average) for one in clusters}
        for owner in {id(one.slot.owner): one.slot.owner for one in clusters}.values():
            see_clustered(owner, seen, self._swapped)
        if not self._initialized:
            self.built = True
            self.initialize()

    def initialize(self) -> None:
        """Set centroids, and the mask of zeros, from what the kernels are now.

        If the layer is not built yet, that will be done then.

        Raises:
            UnsupportedModelError: a kernel has values that are no finite numbers.
        """
        self._initialized = self.built
        if not self.built:
            return
        problems = [
            Problem(
                self.layer.name,
                f"has values in its {cluster.slot.path} that are no finite numbers",
                "leave it out (`skip`), or go back to weights from before its training diverged",
            )
            for cluster in self._clusters
            if not np.isfinite(cluster.kernel.numpy()).all()
        ]
        if problems:
            raise UnsupportedModelError(problems)
        for cluster in self._clusters:
            values = cluster.kernel.numpy()
            if cluster.mask is not None:
                cluster.mask.assign(values != 0)
                values = values[values != 0]
            count = int(cluster.centroids.shape[0])
            start = centroids(values, count, self.initialization)
            cluster.centroids.assign(start.astype(cluster.centroids.dtype.as_numpy_dtype))

    def clustered(self) -> list[tuple[Slot, Any]]:
        """Return each kernel as the layer is called with it, a tensor, with its place."""
        average = self.gradient_aggregation == "average"
        return [(cluster.slot, cluster.values(average)) for cluster in self._clusters]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args[:1], **self._arguments.named(args[1:], kwargs))

    def call(self, inputs: Any, **kwargs: Any) -> Any:
        kwargs = self._arguments.accepted(kwargs)
        if in_construction():
            return self.layer.call(inputs, **kwargs)
        with self._swapped():
            return self.layer.call(inputs, **kwargs)

    @contextmanager
    def _swapped(self) -> Iterator[None]:
        """Within it, the layer has clustered kernels."""
        originals = [(slot, slot.value) for slot in self.slots()]
        try:
            for slot, values in self.clustered():
                dtype = slot.owner.compute_dtype or values.dtype
                _set_untracked(slot.owner, slot.attribute, tf.cast(values, dtype))
            yield
        finally:
            for slot, variable in originals:
                _set_untracked(slot.owner, slot.attribute, variable)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def reset_states(self) -> None:
        """Forget the states of a stateful recurrent layer, as `Model.reset_states` asks for."""
        self.layer.reset_states()

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(inputs, mask)

    def get_config(self) -> dict[str, Any]:
        # The same form of the layer in `.h5` and `.keras`; the newer one loses the package of
        # a registered class when an `.h5` file is read.
        return {
            **keras.layers.Layer.get_config(self),
            "layer": keras.utils.legacy.serialize_keras_object(self.layer),
            "number_of_clusters": self.number_of_clusters,
            "initialization": self.initialization,
            "preserve_sparsity": self.preserve_sparsity,
            "gradient_aggregation": self.gradient_aggregation,
            "depthwise": self.depthwise,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ClusterWeights:
        config = dict(config)
        layer = keras.layers.deserialize(config.pop("layer"), use_legacy_format=True)
        return cls(layer, initialized=True, **config)


class _Cluster:
    """One kernel with its centroids."""

    def __init__(self, slot: Slot, kernel: Any, centroids: Any, mask: Any) -> None:
        self.slot = slot
        self.kernel = kernel
        self.centroids = centroids
        self.mask = mask

    def values(self, average: bool) -> Any:
        """The kernel with every value replaced by its centroid."""
        kernel = tf.convert_to_tensor(self.kernel)
        values = pull(kernel, tf.sort(self.centroids), average)
        if self.mask is None:
            return values
        return tf.where(tf.convert_to_tensor(self.mask), values, tf.zeros_like(values))


def _set_untracked(layer: Any, name: str, value: Any) -> None:
    """Set an attribute of a layer without Keras noticing: it tracks variables and lists."""
    before = getattr(layer, "_self_setattr_tracking", True)
    layer._self_setattr_tracking = False
    try:
        setattr(layer, name, value)
    finally:
        layer._self_setattr_tracking = before


def check_options(
    number_of_clusters: Any, initialization: Any, preserve_sparsity: Any, gradient_aggregation: Any
) -> None:
    """Refuse options that make no sense.

    Raises:
        ConfigError: saying which.
    """
    least = 3 if preserve_sparsity else 2
    if not is_whole(number_of_clusters):
        raise ConfigError(f"number_of_clusters={number_of_clusters!r} is not a whole number")
    if number_of_clusters < least:
        why = " with preserve_sparsity" if preserve_sparsity else ""
        raise ConfigError(f"number_of_clusters={number_of_clusters}: at least {least}{why}")
    if initialization not in INITIALIZATIONS:
        raise ConfigError(
            f"initialization={initialization!r}: choose one of {', '.join(INITIALIZATIONS)}"
        )
    if gradient_aggregation not in AGGREGATIONS:
        raise ConfigError(
            f"gradient_aggregation={gradient_aggregation!r}: choose one of "
            f"{', '.join(AGGREGATIONS)}"
        )


CLUSTERED = known(
    Kind((ClusterWeights,), "still has clustering wrappers", "optim.uncluster it first")
)
