"""The pruning wrapper, and the table of what is prunable in which layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from optim._clone import plain_variable
from optim._keras import keras, tf
from optim.configs import lookup
from optim.errors import ConfigError

# Not part of tfmot's public API. After the handles: they choose the Keras module.
from tensorflow.python.eager.record import stop_recording  # isort: skip
from tensorflow_model_optimization.python.core.sparsity.keras import (  # isort: skip
    prune_registry,
    pruning_wrapper as tfmot_wrapper,
)

__all__ = [
    "PRUNABLE",
    "AnyPruneLowMagnitude",
    "PruneLowMagnitude",
    "is_prunable",
    "kernels",
    "pruned_layers",
    "register_prunable",
]

AnyPruneLowMagnitude = tfmot_wrapper.PruneLowMagnitude  # tfmot's own, or the one below
pruned_layers = tfmot_wrapper.collect_prunable_layers  # (model) -> wrappers, nested ones too

_layers = keras.layers

PRUNABLE: dict[type, tuple[str, ...]] = {
    _layers.Dense: ("kernel",),
    _layers.EinsumDense: ("kernel",),
    _layers.Embedding: ("embeddings",),
    _layers.Conv1D: ("kernel",),
    _layers.Conv2D: ("kernel",),
    _layers.Conv3D: ("kernel",),
    _layers.LocallyConnected1D: ("kernel",),
    _layers.LocallyConnected2D: ("kernel",),
    _layers.SeparableConv1D: ("pointwise_kernel",),
    _layers.SeparableConv2D: ("pointwise_kernel",),
    # An RNN layer is as prunable as its cells.
    _layers.SimpleRNNCell: ("kernel", "recurrent_kernel"),
    _layers.LSTMCell: ("kernel", "recurrent_kernel"),
    _layers.GRUCell: ("kernel", "recurrent_kernel"),
}
"""Layer class -> the attributes (dotted if nested) that hold its prunable weights.

Holds for subclasses too; the most derived class wins. An empty tuple leaves a class
alone, like every class that is neither listed nor derived from a listed one: pre-processing,
normalization, activation, pooling, depthwise convolution (its kernel has a few values per
channel, without which the channel is lost).
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


def is_prunable(layer: Any) -> bool:
    """Whether the layer has weights that pruning may remove; it need not be built."""
    return _getter(layer) is not None


def kernels(layer: Any) -> list[Any]:
    """Return the prunable weights of a layer; empty if it has none or is not built."""
    getter = _getter(layer)
    return getter() if getter and layer.built else []


def _getter(layer: Any) -> Callable[[], list[Any]] | None:
    """A function that returns the prunable weights of a built layer; None if it has none."""
    if hasattr(type(layer), "get_prunable_weights"):  # of the class: tfmot sets it on instances
        return lambda: list(type(layer).get_prunable_weights(layer))
    if isinstance(layer, _layers.RNN) and type(layer) not in PRUNABLE:
        cells = getattr(layer.cell, "cells", [layer.cell])
        getters = [getter for getter in map(_getter, cells) if getter]
        return (lambda: [w for getter in getters for w in getter()]) if getters else None
    names = lookup(PRUNABLE, type(layer))[1]
    return (lambda: [attrgetter(name)(layer) for name in names]) if names else None


def _in_construction() -> bool:
    """Whether Keras is only inferring the output of a layer in a functional model."""
    # Keras does that in a graph of its own, which it throws away. Were the name to change,
    # pruning ops would be traced there as tfmot does: slower, with the same result.
    return not tf.executing_eagerly() and tf.compat.v1.get_default_graph().name.endswith(
        "_scratch_graph"
    )


def _unrecorded(function: Callable[[], Any]) -> Callable[[], Any]:
    """Return `function` run outside all gradient tapes."""

    def run() -> Any:
        with stop_recording():
            return function()

    return run


class PruneLowMagnitude(tfmot_wrapper.PruneLowMagnitude):
    """tfmot's pruning wrapper, with some repairs.

    * `sparsity_m_by_n` is in the config, so that 2:4 sparsity survives saving.
    * What is prunable is looked up along the class hierarchy (`PRUNABLE`).
    * The layer's dtype policy, masks and activity regularizer are handed on, and mixed
      precision does not round the kernels.
    * Masks of several kernels of a layer have names of their own, which HDF5 requires.
    * No pruning ops are traced while a functional model is put together: Keras discards
      them there, and tracing them takes most of the time that wrapping takes.

    The name is tfmot's, so that its callbacks, files and `strip_pruning` accept it.
    """

    def __init__(self, layer: Any, *args: Any, **kwargs: Any) -> None:
        getter = _getter(layer)
        if getter is None and prune_registry.PruneRegistry.supports(layer):
            getter = list  # no weights: tfmot wraps every layer, and its files must be readable
        if getter is None:
            raise ConfigError(
                f"{layer.name}: {type(layer).__name__} has no prunable weights; declare them "
                "with optim.register_prunable"
            )
        # tfmot asks the layer, and does the same to the layers it knows. Without the cast: in
        # mixed precision every masking would round the kernel to float16.
        layer.get_prunable_weights = lambda: [plain_variable(w) for w in getter()]
        kwargs.setdefault("dtype", layer.dtype_policy)
        kwargs.setdefault("activity_regularizer", layer.activity_regularizer)
        super().__init__(layer, *args, **kwargs)
        self.supports_masking = layer.supports_masking
        spec = inspect.getfullargspec(layer.call)
        self._accepted = None if spec.varkw else {*spec.args, *spec.kwonlyargs}

    def add_weight(self, name: str | None = None, *args: Any, **kwargs: Any) -> Any:
        # tfmot calls the masks of all kernels "mask"; HDF5 takes a name once per layer.
        used = [weight.name.rsplit("/")[-1] for weight in self._non_trainable_weights]
        count = sum(other.startswith(str(name)) for other in used)
        kwargs["experimental_autocast"] = False
        return super().add_weight(f"{name}_{count}" if count else name, *args, **kwargs)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        # What tfmot does to weights and masks in `call` is no part of the loss. Recorded on
        # the tape of an eager step, it keeps several more copies of every kernel alive.
        for name in ("conditional_mask_update", "weight_mask_op"):
            setattr(self.pruning_obj, name, _unrecorded(getattr(self.pruning_obj, name)))

    def call(self, inputs: Any, training: Any = None, **kwargs: Any) -> Any:
        if self._accepted is not None:  # Keras hands a mask to any call with **kwargs
            kwargs = {name: kwargs[name] for name in kwargs if name in self._accepted}
        if not _in_construction():
            return super().call(inputs, training=training, **kwargs)
        if self._accepted is None or "training" in self._accepted:
            kwargs["training"] = training
        return self.layer.call(inputs, **kwargs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(inputs, mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sparsity_m_by_n": self.sparsity_m_by_n}
