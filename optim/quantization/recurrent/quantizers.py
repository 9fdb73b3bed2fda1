"""Quantizers that only steps have, and which of them each grid stands for."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras, tf, tfmot
from optim.models.numbers import numbers
from optim.quantization.quantizers.quantizers import FixedRangeQuantizer, OwnRangeQuantizer
from optim.quantization.recurrent.ops import Grid

_Q = tfmot.quantization.keras.quantizers
register = keras.utils.register_keras_serializable(package="optim")

_POWERS = (0, 6)  # of two, that LiteRT takes for the range of a cell state


@register
class LimitedQuantizer(OwnRangeQuantizer):
    """A moving range that ends at a limit: what is beyond makes no difference.

    Args:
        limit: the largest absolute value that does.
        num_bits: bits.
    """

    def __init__(self, limit: float, num_bits: int = 8) -> None:
        super().__init__(num_bits=num_bits, per_axis=False, symmetric=False, narrow_range=False)
        self.limit = float(limit)

    def range(self, weights: Any) -> tuple[Any, Any]:
        low, high = (tf.convert_to_tensor(weights[name]) for name in ("min_var", "max_var"))
        return tf.maximum(low, -self.limit), tf.minimum(high, self.limit)

    def get_config(self) -> dict[str, Any]:
        return {"limit": self.limit, "num_bits": self.num_bits}


@register
class PowerQuantizer(OwnRangeQuantizer):
    """A symmetric range that is a power of two: the least that has room for the moving one."""

    def __init__(self, num_bits: int = 16) -> None:
        super().__init__(num_bits=num_bits, per_axis=False, symmetric=True, narrow_range=False)

    def range(self, weights: Any) -> tuple[Any, Any]:
        low, high = (tf.convert_to_tensor(weights[name]) for name in ("min_var", "max_var"))
        most = tf.maximum(-low, high) * (1 - 1e-5)  # a power of two is its own, however rounded
        power = tf.math.ceil(tf.math.log(tf.maximum(most, 1e-6)) / float(np.log(2.0)))
        reach = 2.0 ** tf.clip_by_value(power, *map(float, _POWERS))
        return -reach, reach * (1 - 2.0 ** (1 - self.num_bits))

    def get_config(self) -> dict[str, Any]:
        return {"num_bits": self.num_bits}


@register
class GateQuantizer(_Q.LastValueQuantizer):  # type: ignore[misc, name-defined]
    """Quantizes a kernel with one symmetric range for each gate, as LiteRT's LSTM has them.

    Args:
        gates: number of gates, equal parts of the last axis.
        num_bits: bits; the range is narrow.
    """

    def __init__(self, gates: int, num_bits: int = 8) -> None:
        super().__init__(num_bits=num_bits, per_axis=False, symmetric=True, narrow_range=True)
        self.gates = int(gates)

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        constant = keras.initializers.Constant
        return {
            f"{end}_var": layer.add_weight(
                f"{name}_{end}", shape=(self.gates,), initializer=constant(start), trainable=False
            )
            for end, start in (("min", -6.0), ("max", 6.0))
        }

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        low, high = weights["min_var"], weights["max_var"]
        if training:
            low, high = self.set_range(inputs, weights)
        each = inputs.shape[-1] // self.gates
        low, high = (tf.repeat(tf.convert_to_tensor(end), each) for end in (low, high))
        return tf.quantization.fake_quant_with_min_max_vars_per_channel(
            inputs, low, high, num_bits=self.num_bits, narrow_range=True
        )

    def set_range(self, inputs: Any, weights: Any) -> tuple[Any, Any]:
        """Set the ranges to those of a kernel, as training does at every step, and return them."""
        parts = tf.reshape(tf.abs(inputs), (-1, self.gates, inputs.shape[-1] // self.gates))
        high = weights["max_var"].assign(tf.reduce_max(parts, axis=(0, 2)))
        return weights["min_var"].assign(-high), high

    def get_config(self) -> dict[str, Any]:
        return {"gates": self.gates, "num_bits": self.num_bits}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((self.gates, self.num_bits))


def _moving(bits: int, symmetric: bool) -> Any:
    return _Q.MovingAverageQuantizer(
        num_bits=bits, per_axis=False, symmetric=symmetric, narrow_range=False
    )


def _fixed(bits: int, low: float, high: float) -> Any:
    return FixedRangeQuantizer(num_bits=bits, init_min=low, init_max=high, narrow_range=False)


def quantizer_for(grid: Grid) -> Any:
    """Return a new quantizer that rounds to a grid."""
    return {
        Grid.RANGE: lambda: _moving(8, False),
        Grid.SIGMOID: lambda: _fixed(8, 0.0, 255 / 256),
        Grid.TANH: lambda: _fixed(8, -1.0, 127 / 128),
        Grid.SIGMOID_LOGITS: lambda: LimitedQuantizer(6.0),
        Grid.TANH_LOGITS: lambda: LimitedQuantizer(3.5),
        Grid.WIDE: lambda: _moving(16, True),
        Grid.WIDE_UNIT: lambda: _fixed(16, -1.0, 32767 / 32768),
        Grid.WIDE_POWER: PowerQuantizer,
        Grid.WIDE_LOGITS: lambda: _fixed(16, -8.0, 8 * 32767 / 32768),
    }[grid]()


def ends(quantizer: Any, variables: dict[str, Any]) -> tuple[float, float]:
    """Return the range that a quantizer of activations rounds to, as numbers."""
    if hasattr(quantizer, "init_min"):
        return float(quantizer.init_min), float(quantizer.init_max)
    if hasattr(quantizer, "range"):
        low, high = quantizer.range(variables)
        return float(low), float(high)
    return float(numbers(variables["min_var"])), float(numbers(variables["max_var"]))
