"""The pruning wrapper, and the table of what is prunable in which layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from optim._keras import keras, tf
from optim.errors import ConfigError
from optim.models.clone import plain_variable
from optim.models.distribution import at_home
from optim.models.kernels import (
    Slot,
    built_slots,
    hidden,
    input_axis,
    kernel_table,
    paths,
    with_depthwise,
)
from optim.models.weight_names import unused_name
from optim.pruning.masks import Pruning
from optim.saving import in_files
from optim.wrapping.call_arguments import CallArguments, in_construction

# Not part of tfmot's public API. After the handles: they choose the Keras module.
from tensorflow.python.eager.record import stop_recording  # isort: skip
from tf_keras.src.engine import base_layer_utils  # isort: skip
from tensorflow_model_optimization.python.core.sparsity.keras import (  # isort: skip
    prune_registry,
    pruning_wrapper as tfmot_wrapper,
)

__all__ = [
    "PRUNABLE",
    "AnyPruneLowMagnitude",
    "PruneLowMagnitude",
    "hidden_kernels",
    "is_prunable",
    "kernel_names",
    "kernels",
    "pruned_layers",
    "register_prunable",
]

AnyPruneLowMagnitude = tfmot_wrapper.PruneLowMagnitude  # tfmot's own, or the one below
pruned_layers = tfmot_wrapper.collect_prunable_layers  # (model) -> wrappers, nested ones too

PRUNABLE: dict[type, tuple[str, ...]] = kernel_table()
"""Layer class -> the attributes (dotted if nested) that hold its prunable weights.

Holds for subclasses too; the most derived class wins. An empty tuple leaves a class
alone, like every class that is neither listed nor derived from a listed one. What holds
cells or layers, such as `RNN` and `Bidirectional`, is as prunable as they are.
"""


def register_prunable(cls: type, weights: Iterable[str] = ("kernel",)) -> type:
    """Declare which weights of a layer class, and of its subclasses, pruning may remove.

        register_prunable(MyConv, ["kernel"])     # make it prunable
        register_prunable(MyDense, [])            # a subclass of Dense to be left alone

    A layer with a method `get_prunable_weights()`, such as tfmot's `PrunableLayer`, needs
    no registration. Register again in the process that loads the saved model.

    Args:
        cls: a tf_keras layer class.
        weights: names of its attributes, `"inner.kernel"` for one of an inner layer; empty
            to leave the class alone.

    Returns:
        `cls`.

    Raises:
        ConfigError: `cls` is not a layer class, or `weights` are not names.
    """
    if not (isinstance(cls, type) and issubclass(cls, keras.layers.Layer)):
        raise ConfigError(f"register_prunable: {cls!r} is not a layer class of tf_keras")
    names = (weights,) if isinstance(weights, str) else tuple(weights)
    if not all(isinstance(name, str) and name for name in names):
        raise ConfigError(f"register_prunable: weights of {cls.__name__} must be names: {names!r}")
    PRUNABLE[cls] = names
    return cls


def is_prunable(layer: Any, depthwise: bool = False) -> bool:
    """Whether the layer has weights that pruning may remove; it need not be built."""
    return _names_own_weights(layer) or bool(paths(layer, with_depthwise(PRUNABLE, depthwise)))


def hidden_kernels(layer: Any) -> list[Any]:
    """Return the layers with prunable weights inside a layer that pruning does not find."""
    return [] if _names_own_weights(layer) else hidden(layer, PRUNABLE)


def kernels(layer: Any, depthwise: bool = False) -> list[tuple[Slot | None, Any]]:
    """Return the prunable weights of a built layer, each with the place it is kept.

    The place is None if the layer itself names its weights (`get_prunable_weights()`).

    Raises:
        ConfigError: the layer makes its weights when it is first called, and was not; or the
            names that are declared of it are not those of its weights.
    """
    if _names_own_weights(layer):
        return [(None, weight) for weight in type(layer).get_prunable_weights(layer)]
    found = built_slots(layer, with_depthwise(PRUNABLE, depthwise), "prune")
    return [(slot, slot.value) for slot in found]


def kernel_names(wrapper: Any) -> list[str]:
    """Return a name for each of the `pruning_vars` of a pruning wrapper, ours or tfmot's."""
    places = [slot for slot, _ in kernels(wrapper.layer, getattr(wrapper, "depthwise", False))]
    count = len(wrapper.pruning_vars)
    if len(places) != count or None in places:
        return ["kernel" if count == 1 else f"kernel_{i}" for i in range(count)]
    return [slot.path.strip("_") for slot in places if slot]


def _names_own_weights(layer: Any) -> bool:
    # Asked of the class: tfmot sets the method on instances too.
    return hasattr(type(layer), "get_prunable_weights")


def _aside(function: Callable[[], Any], variable: Any) -> Callable[[], Any]:
    """Return `function` run outside all gradient tapes, where `variable` can be assigned."""

    def run() -> Any:
        with stop_recording(), at_home(variable):
            return function()

    return run


@in_files
class PruneLowMagnitude(tfmot_wrapper.PruneLowMagnitude):
    """tfmot's pruning wrapper, with some repairs.

    * `sparsity_m_by_n` is in the config, so that 2:4 sparsity survives saving.
    * What is prunable is looked up along the class hierarchy (`PRUNABLE`).
    * Masks are those of `optim.pruning.masks`: blocks in kernels of any rank, m-by-n
      along the inputs of every kind of layer, exact shares, linear time.
    * The layer's dtype policy, masks and activity regularizer are handed on, and mixed
      precision does not round the kernels.
    * Positional arguments reach the layer; called directly, tfmot's takes the second one,
      such as the value of an attention layer, for `training`.
    * It has the name that it is given, if any.
    * Masks of several kernels of a layer have names of their own, which HDF5 requires.
    * No pruning ops are traced while a functional model is put together: Keras discards
      them there, and tracing them takes most of the time that wrapping takes.

    The name is tfmot's, so that its callbacks, files and `strip_pruning` accept it.

    Args:
        layer: the layer to prune.
        pruning_schedule, block_size, block_pooling_type, sparsity_m_by_n: see
            `optim.prune_low_magnitude`.
        depthwise: prune depthwise kernels too.
        **kwargs: for the Keras layer.
    """

    block_size: tuple[int, int]

    def __init__(self, layer: Any, *args: Any, depthwise: bool = False, **kwargs: Any) -> None:
        known = is_prunable(layer, depthwise)
        # tfmot wraps layers without weights too, and its files must be readable.
        if not known and not prune_registry.PruneRegistry.supports(layer):
            raise ConfigError(
                f"{layer.name}: {type(layer).__name__} has no prunable weights; declare them "
                "with optim.register_prunable"
            )
        self.depthwise = depthwise
        # tfmot asks the layer, and does the same to the layers it knows. Without the cast: in
        # mixed precision every masking would round the kernel to float16.
        layer.get_prunable_weights = lambda: [
            plain_variable(weight) for _, weight in kernels(layer, depthwise)
        ]
        kwargs.setdefault("dtype", layer.dtype_policy)
        kwargs.setdefault("activity_regularizer", layer.activity_regularizer)
        name = kwargs.pop("name", None)
        super().__init__(layer, *args, **kwargs)
        if isinstance(self.pruning_schedule, str):  # all that Keras found of an unknown class
            raise ConfigError(
                f"{layer.name}: the class {self.pruning_schedule} of its pruning schedule is not "
                "known here; read or copy the model within optim.custom_object_scope("
                f"{{{self.pruning_schedule!r}: ...}})"
            )
        if name:
            self._name = name  # tfmot makes one of its own whatever it is given
        height, width = self.block_size
        self.block_size = (height, width)  # a list, when loaded
        self.supports_masking = layer.supports_masking
        self._arguments = CallArguments(layer)
        self._counts_from_build = False
        self.hears_of_training = False  # whether any call said that it was one of training

    def count_from_build(self) -> None:
        """Let a wrapper that is not built yet count the training steps as soon as it is.

        tfmot's callback sets the counter to 0 before the training, once it exists.
        """
        self._counts_from_build = True

    def add_weight(self, name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if name == "pruning_step" and self._counts_from_build:
            kwargs["initializer"] = "zeros"
        kwargs["experimental_autocast"] = False
        # tfmot calls the masks of all kernels "mask".
        return super().add_weight(unused_name(self, str(name)), *args, **kwargs)

    def build(self, input_shape: Any) -> None:
        block_size = self.block_size
        self.block_size = (1, 1)  # tfmot refuses blocks in kernels of other ranks than 2
        try:
            super().build(input_shape)
        finally:
            self.block_size = block_size
        places = [slot for slot, _ in kernels(self.layer, self.depthwise)]
        self.pruning_obj = Pruning(
            training_step_fn=lambda: self.pruning_step,
            pruning_vars=self.pruning_vars,
            pruning_schedule=self.pruning_schedule,
            block_size=block_size,
            block_pooling_type=self.block_pooling_type,
            sparsity_m_by_n=self.sparsity_m_by_n,
            axes=[
                input_axis(slot, len(weight.shape))
                for slot, (weight, _, _) in zip(places, self.pruning_vars, strict=True)
            ],
        )
        # What tfmot does to weights and masks in `call` is no part of the loss. Recorded on
        # the tape of an eager step, it keeps several more copies of every kernel alive.
        for name in ("conditional_mask_update", "weight_mask_op"):
            function = getattr(self.pruning_obj, name)
            setattr(self.pruning_obj, name, _aside(function, self.pruning_step))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args[:1], **self._arguments.named(args[1:], kwargs))

    def call(self, inputs: Any, **kwargs: Any) -> Any:
        training = kwargs.get("training")  # of the wrapper, whether or not the layer takes it
        kwargs = self._arguments.accepted(kwargs)
        if in_construction():
            return self.layer.call(inputs, **kwargs)
        kwargs.pop("training", None)
        if not isinstance(training, (bool, int)) or training:
            self.hears_of_training = True
            self._check_counted(training)
        return super().call(inputs, training=training, **kwargs)

    def _check_counted(self, training: Any) -> None:
        """Refuse to train without the callback that counts: tfmot would, in the graph's words."""
        if training is not True or base_layer_utils.call_context().saving:
            return
        with tf.init_scope():
            if tf.executing_eagerly() and int(self.pruning_step.numpy()) < 0:
                raise ConfigError(
                    f"{self.layer.name}: training a pruned model needs the callbacks that count "
                    "its steps: fit(..., callbacks=optim.get_pruning_callbacks()); in a loop of "
                    "your own, call their on_train_begin and on_epoch_end"
                )

    def train_step(self) -> None:
        """Do what a call in training does: count the step, and renew the masks if it is time.

        For layers that are called with `training=False` even in training, as those of a
        backbone in transfer learning.
        """
        with stop_recording(), at_home(self.pruning_step):
            self.pruning_step.assign_add(1)
        self.pruning_obj.conditional_mask_update()
        self.pruning_obj.weight_mask_op()

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(inputs, mask)

    def reset_states(self) -> None:
        """Forget the states of a stateful recurrent layer, as `Model.reset_states` asks for."""
        self.layer.reset_states()

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "sparsity_m_by_n": self.sparsity_m_by_n}
        # Only if set, for tfmot's own wrapper reads our files and does not know the word.
        return {**config, "depthwise": True} if self.depthwise else config
