"""Weight clustering of any model, nested ones included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optim._keras import check_layer, keras
from optim.clustering.kmeans import INITIALIZATIONS
from optim.clustering.wrapper import (
    CLUSTERABLE,
    CLUSTERED,
    ClusterWeights,
    check_options,
    is_clusterable,
)
from optim.errors import Problem, UnsupportedModelError
from optim.models.clone import is_network, walk
from optim.models.compile_state import tell_of_functions
from optim.models.kernels import hidden
from optim.models.layer_options import Overrides, Skip
from optim.models.references import held
from optim.models.shared_weights import tied
from optim.wrapping.strip import strip, strip_layer
from optim.wrapping.transform import Rules

__all__ = ["cluster_weights", "uncluster"]

_OPTIONS = (
    "number_of_clusters",
    "initialization",
    "preserve_sparsity",
    "gradient_aggregation",
    "depthwise",
)
_TFMOT_WORDS = {
    "cluster_centroids_init": "initialization",
    "cluster_gradient_aggregation": "gradient_aggregation",
}


def cluster_weights(
    to_cluster: Any,
    number_of_clusters: int = 16,
    initialization: Any = "kmeans++",
    *,
    skip: Any = (),
    overrides: Mapping[Any, Mapping[str, Any] | None] | None = None,
    preserve_sparsity: bool = False,
    gradient_aggregation: Any = "sum",
    depthwise: bool = False,
    **kwargs: Any,
) -> Any:
    """Prepare a model, a layer or a list of layers for training with clustered weights.

        clustered = cluster_weights(model, 16)
        clustered.compile(...)
        clustered.fit(data)  # no callback is needed
        small = uncluster(clustered)  # at most 16 different values in each kernel

    Layers with a clusterable kernel (`optim.clustering.wrapper.CLUSTERABLE`) are wrapped in
    `ClusterWeights`. Any other layer is passed through; with a warning, if there are layers
    with kernels inside. Nested models are clustered inside and stay nested. A file of 16
    values per kernel compresses to about 4 bits a value.

    Args:
        to_cluster: a Functional or Sequential model; a layer; or a list of layers.
        number_of_clusters: different values that each kernel may have.
        initialization: where the values start: `"kmeans++"` (k-means to its end), `"linear"`
            (evenly spaced), `"random"`, `"density"` (as dense as the values are), or a tfmot
            `CentroidInitialization`; `cluster_centroids_init` is tfmot's word for it.
        skip: layers to leave alone: a name or `fnmatch` pattern, matched with the layer's
            name and with its path; a layer class; a predicate; or a sequence of those.
        overrides: options for some layers: pattern, class or predicate -> dict of the
            other options here; None for no change. Precedence as in `prune_low_magnitude`.
        preserve_sparsity: keep the zeros of a pruned model; zero is then one of the values.
        gradient_aggregation: `"sum"` or `"average"` of the gradients of the values of a
            cluster, or a tfmot `GradientAggregation`.
        depthwise: cluster depthwise kernels too.
        **kwargs: for a layer or a list: more arguments for the wrapper layer.

    Returns:
        For a model, a new one (the original is not modified) with the original's compile
        state, as `prune_low_magnitude` carries it over. For a layer, the wrapper around
        that very layer, or the layer itself if it is passed through. For a list, a list
        of those.

    Raises:
        KerasModelError: not something of tf_keras.
        UnsupportedModelError: a subclassed model, layers that cannot be copied, a kernel that
            several layers share or that has values which are no numbers, layers that are
            clustered already with other options; or a model that still has pruning wrappers
            or is quantized.
        ConfigError: bad options, or a name that no layer has.
        TypeError: unknown options.
    """
    base = {
        "number_of_clusters": number_of_clusters,
        "initialization": initialization,
        "preserve_sparsity": preserve_sparsity,
        "gradient_aggregation": gradient_aggregation,
        "depthwise": depthwise,
    }
    given = {name: kwargs.pop(name) for name in _TFMOT_WORDS if name in kwargs}
    rules = _Rules(
        _plain({**base, **given}), Skip(skip), Overrides(overrides, (*_OPTIONS, *_TFMOT_WORDS))
    )
    return rules.apply(to_cluster, kwargs, initialized=True)


class _Rules(Rules):
    function = "cluster_weights"
    kind = CLUSTERED
    done, undo = "clustered", "uncluster"
    naming = (
        "name their kernels in optim.clustering.wrapper.CLUSTERABLE[class] = ('inner.kernel', ...)"
    )

    def __init__(self, base: dict[str, Any], skip: Skip, overrides: Overrides) -> None:
        super().__init__(skip, overrides)
        self.base = base
        self.wrappers: list[Any] = []
        for settings in ({}, *overrides.entries.values()):
            options = {**base, **_plain(settings or {})}
            check_options(*(options[name] for name in _OPTIONS[:4]))

    def check(self, model: Any) -> None:
        super().check(model)
        problems = list(self._shared(model))
        if problems:
            raise UnsupportedModelError(problems)

    def conflict(self, wrapper: Any, path: str) -> str | None:
        options = self._options(wrapper.layer, path)
        others = [name for name in _OPTIONS if getattr(wrapper, name) != options[name]]
        has = ", ".join(f"{name}={getattr(wrapper, name)!r}" for name in others)
        return f"with {has}" if has else None

    def _options(self, layer: Any, path: str) -> dict[str, Any]:
        return {**self.base, **_plain(self.overrides(layer, path))}

    def _shared(self, model: Any) -> Iterator[Problem]:
        """Yield the layers to cluster whose kernel is also that of another.

        Each would train values of its own for it, and none of them would be the kernel's.
        """
        ties = tied(model)
        holders = {
            id(part): holder.name
            for holder, _ in walk(model)
            for one in held(holder)
            if not is_network(one)
            for part in one._flatten_layers()
        }
        for layer, path in walk(model) if ties or holders else ():
            depthwise = self._options(layer, path)["depthwise"]
            if not is_clusterable(layer, depthwise) or self.skip(layer, path):
                continue
            if id(layer) in holders:
                yield Problem(
                    path,
                    f"cannot be clustered, for {holders[id(layer)]} holds it, and may use its "
                    "kernel as it was",
                    "leave it out (`skip`)",
                )
            for weight in layer.weights:
                if id(weight) in ties and len(weight.shape) > 1:
                    names = ", ".join(ties[id(weight)].names)
                    yield Problem(
                        path,
                        f"cannot be clustered, for its {weight.name} is shared by {names}",
                        "leave the layers that share it out (`skip`)",
                    )

    def finish(self) -> None:
        """Set the centroids of all wrappers.

        Raises:
            UnsupportedModelError: kernels that have no finite numbers, all of them listed.
        """
        problems: list[Problem] = []
        for wrapper in self.wrappers:
            try:
                wrapper.initialize()
            except UnsupportedModelError as error:
                problems += error.problems
        if problems:
            raise UnsupportedModelError(problems)

    def wrap(self, layer: Any, original: Any, path: str, **arguments: Any) -> Any:
        options = self._options(original, path)
        if self.skip(original, path):
            return layer
        if not isinstance(original, ClusterWeights) and hidden(original, CLUSTERABLE):
            self.hidden.append(f"{path} ({type(original).__name__})")
        if not is_clusterable(original, options["depthwise"]):
            return layer
        self.wrappers.append(ClusterWeights(layer, **options, **arguments))
        return self.wrappers[-1]


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Translate tfmot's words and enumerations into ours."""
    result = {_TFMOT_WORDS.get(name, name): value for name, value in options.items()}
    for name, values in _ENUMERATIONS.items():
        if name in result:
            wish = str(getattr(result[name], "name", result[name]))
            result[name] = values.get(wish, result[name])
    return result


# Name of a member of tfmot's enumeration -> our word for it.
_ENUMERATIONS: dict[str, dict[str, str]] = {
    "initialization": dict(
        zip(("KMEANS_PLUS_PLUS", "LINEAR", "RANDOM", "DENSITY_BASED"), INITIALIZATIONS, strict=True)
    ),
    "gradient_aggregation": {"SUM": "sum", "AVG": "average"},
}


def uncluster(model: Any) -> Any:
    """Return a plain copy of a clustered model, without wrappers and centroids.

    Each kernel that was clustered has at most as many different values as were asked for.
    Layers get their old names back, nested models stay nested. The compile state is
    carried over as by `cluster_weights`. Warns of functions given to `add_loss` of the clustered
    model: they know its weights, and are not kept.

    Args:
        model: a model made by `cluster_weights`; not modified. Or a layer, for models whose
            layers were wrapped one by one.

    Returns:
        A model of plain layers. For a wrapper, the very layer within, which gets the few
        values; any other layer as it is.

    Raises:
        KerasModelError: not a model or layer of tf_keras.
        UnsupportedModelError: a subclassed model, or layers that cannot be copied.
    """
    plain = without_clusters(model)
    if isinstance(model, keras.Model):
        tell_of_functions(model, plain, stacklevel=4)
    return plain


def without_clusters(model: Any) -> Any:
    """What `uncluster` returns, for use within: what matters in training only is not told of."""
    check_layer(model, "uncluster")
    if isinstance(model, keras.Model):
        return strip(model, ClusterWeights, _clustered_values)[0]
    return strip_layer(model, ClusterWeights, _clustered_values)[0]


def _clustered_values(wrapper: Any) -> list[tuple[Any, Any]]:
    if not wrapper.built:
        return []
    return [(slot.value, values) for slot, values in wrapper.clustered()]
