"""Quantization-aware training that keeps what pruning or clustering made of the kernels.

PQAT, CQAT and PCQAT in tfmot's words: a kernel goes through what it is to keep, its zeros or
its few values, before it goes to its quantizer, in every step of training. tfmot's schemes
do so for Conv2D and Dense; here it is a property of a quantizer, so every kernel that is
quantized can have it.

Sources: tfmot's collaborative optimizations (`prune_preserve`, `cluster_preserve`,
`prune_cluster_preserve`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim._keras import keras, tf, tfmot
from optim.clustering.assignment import pull
from optim.errors import ConfigError
from optim.models.numbers import numbers
from optim.quantization.quantizers.quantizers import register, unpack

_Q = tfmot.quantization.keras.quantizers

#: What `quantize_model(preserve=...)` takes -> whether zeros are kept, whether values are.
PRESERVE = {"sparsity": (True, False), "clusters": (False, True), "both": (True, True)}

#: A kernel of more different values than this is not a clustered one: int8 has no more.
MOST_CLUSTERS = 255

_SAMPLE = 1 << 12


@dataclass(frozen=True)
class Kept:
    """What a kernel has to keep.

    Attributes:
        zeros: whether its zeros stay zero.
        values: how many values it has, if they are to stay so few; else 0. Zero does not
            count where zeros are kept.
    """

    zeros: bool
    values: int

    def __bool__(self) -> bool:
        return self.zeros or bool(self.values)


def check_preserve(preserve: str | None) -> tuple[bool, bool]:
    """Return whether zeros and whether values are to be kept.

    Raises:
        ConfigError: there is no such word.
    """
    if preserve is None:
        return (False, False)
    if not isinstance(preserve, str) or preserve not in PRESERVE:
        raise ConfigError(f"preserve={preserve!r}: choose one of {', '.join(PRESERVE)}, or None")
    return PRESERVE[preserve]


def kept(kernel: np.ndarray, zeros: bool, values: bool) -> Kept:
    """Return what there is to keep of a kernel: no zeros and many values are nothing."""
    zeros = zeros and bool(np.any(kernel == 0))
    return Kept(zeros, _different(kernel, zeros) if values else 0)


def _different(kernel: np.ndarray, zeros: bool) -> int:
    """How many values there are; 0 for more than a clustered kernel has."""
    flat = kernel.reshape(-1)
    if len(np.unique(flat[:_SAMPLE])) > MOST_CLUSTERS:
        return 0
    count = len(np.unique(flat)) - int(zeros)
    # A small kernel has few weights; that does not make it a clustered one.
    return count if count <= min(MOST_CLUSTERS, flat.size // 2) else 0


@register
class PreservingQuantizer(_Q.LastValueQuantizer):  # type: ignore[misc, name-defined]
    """Lets a kernel keep its zeros or its few values, and hands it to a quantizer.

    The values are trained: each gets the gradients of all weights that have it, and a
    weight takes the nearest value at every step.

    Args:
        quantizer: for what comes out; one range for the whole kernel if values are kept, as
            a range per channel would make other numbers of them in each channel.
        zeros: whether zeros stay zero.
        values: number of values to keep, besides the zeros that stay; 0: all may change.
    """

    def __init__(self, quantizer: Any, zeros: bool = False, values: int = 0) -> None:
        super().__init__(
            num_bits=quantizer.num_bits,
            per_axis=quantizer.per_axis,
            symmetric=quantizer.symmetric,
            narrow_range=quantizer.narrow_range,
        )
        self.quantizer = quantizer
        self.zeros = bool(zeros)
        self.values = int(values)
        self.settled = False
        self.held: dict[tuple[int, bool], Any] | None = None
        self.reduced = False

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        variables = dict(self.quantizer.build(tensor_shape, name, layer))
        if self.zeros:
            variables["mask_var"] = layer.add_weight(
                f"{name}_mask",
                shape=tensor_shape,
                dtype="bool",
                initializer="ones",
                trainable=False,
            )
        if self.values:
            variables["values_var"] = layer.add_weight(
                f"{name}_values", shape=(self.values,), initializer="zeros", trainable=True
            )
        return variables

    def take(self, kernel: np.ndarray, variables: dict[str, Any]) -> None:
        """Set mask and values from a kernel."""
        if self.zeros:
            variables["mask_var"].assign(kernel != 0)
        if self.values:
            found = np.unique(kernel)
            variables["values_var"].assign(found[found != 0] if self.zeros else found)

    def preserved(self, kernel: Any, variables: dict[str, Any]) -> Any:
        """Return the kernel with its zeros, or its values, in place."""
        if self.values:
            values = tf.convert_to_tensor(variables["values_var"])
            kernel = pull(kernel, values if _is_sorted(values) else tf.sort(values))
        if not self.zeros:
            return kernel
        return tf.where(tf.convert_to_tensor(variables["mask_var"]), kernel, tf.zeros_like(kernel))

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        return self.quantizer(self._kernel(inputs, training, weights), training, weights, **kwargs)

    def set_range(self, inputs: Any, weights: Any) -> None:
        """Set the range of the inner quantizer as training does."""
        kernel = self._kernel(inputs, True, weights)
        if hasattr(self.quantizer, "set_range"):
            self.quantizer.set_range(kernel, weights)
        else:
            self.quantizer(kernel, True, weights)

    def _kernel(self, inputs: Any, training: Any, variables: dict[str, Any]) -> Any:
        if self.settled:
            return inputs
        if self.held is None or not self.values or not tf.executing_eagerly():
            return self.preserved(inputs, variables)
        # In inference, a kernel may have been rounded to half precision before.
        key = id(variables), self.reduced and bool(training)
        kernel = self.held.get(key)
        if kernel is None:
            kernel = self.held[key] = self.preserved(inputs, variables)
        return kernel

    def get_config(self) -> dict[str, Any]:
        pack = keras.utils.legacy.serialize_keras_object
        return {"quantizer": pack(self.quantizer), "zeros": self.zeros, "values": self.values}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PreservingQuantizer:
        return cls(**{**config, "quantizer": unpack(config["quantizer"])})

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((self.quantizer, self.zeros, self.values))


def _is_sorted(values: Any) -> bool:
    """Whether values are known to be ascending: they are until training moves them far."""
    return tf.executing_eagerly() and bool(np.all(np.diff(values.numpy()) >= 0))


def take(model: Any) -> int:
    """Set masks and values of a freshly built model from its kernels; return how many have any."""
    count = 0
    for weight, quantizer, variables in _preserving(model):
        quantizer.take(weight.numpy(), variables)
        count += 1
    return count


@contextmanager
def settled(model: Any) -> Iterator[None]:
    """Within it, kernels are what their preserving quantizers make of them.

    A converter gets plain constants so, not a search for the nearest value.
    """
    before: list[tuple[Any, np.ndarray, Any]] = []
    try:
        for weight, quantizer, variables in _preserving(model):
            before.append((weight, weight.numpy(), quantizer))
            kernel = tf.cast(tf.convert_to_tensor(weight), tf.float32)
            weight.assign(tf.cast(quantizer.preserved(kernel, variables), weight.dtype))
            quantizer.settled = True
        yield
    finally:
        for weight, value, quantizer in before:
            weight.assign(value)
            quantizer.settled = False


@contextmanager
def unchanging(model: Any) -> Iterator[None]:
    """Within it, the nearest values of weights are looked up once: nobody changes either.

    What comes of it is held until the end: as much memory as the kernels take.
    """
    quantizers = []
    try:
        for layer, (_, quantizer, _) in _preserving_in_layers(model):
            quantizers.append(quantizer)
            quantizer.reduced = bool(quantizer.held is not None and quantizer.reduced)
            quantizer.reduced |= layer.layer.compute_dtype != "float32"
            quantizer.held = {}
        yield
    finally:
        for quantizer in quantizers:
            quantizer.held = None


def kept_numbers(model: Any) -> list[np.ndarray]:
    """Return the int8 numbers of each kernel whose few values are kept, in Keras' order."""
    found = []
    for weight, quantizer, variables in _preserving(model):
        if quantizer.values:
            kernel = tf.cast(tf.convert_to_tensor(weight), tf.float32)
            # As the quantizer rounds: which way a half goes is not the same everywhere.
            simulated = quantizer(kernel, False, variables).numpy()
            scale = float(numbers(variables["max_var"])) / (2 ** (quantizer.num_bits - 1) - 1)
            found.append(np.round(simulated / max(scale, 1e-30)).astype(np.int8))
    return found


def _preserving(model: Any) -> Iterator[tuple[Any, PreservingQuantizer, dict[str, Any]]]:
    """The weights of a model that keep something, each with its quantizer and variables."""
    return (entry for _, entry in _preserving_in_layers(model))


def _preserving_in_layers(model: Any) -> Iterator[tuple[Any, Any]]:
    for layer in {id(one): one for one in model._flatten_layers()}.values():
        for entry in getattr(layer, "_weight_vars", ()):
            if isinstance(entry[1], PreservingQuantizer):
                yield layer, entry
