"""Weight quantizers and the quantize config, in tfmot's own interfaces."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras, tf, tfmot

_Q = tfmot.quantization.keras.quantizers
register = keras.utils.register_keras_serializable(package="optim")

# From one level of a grid to the next.
_LEVEL = 1.5
_LOG_LEVEL = float(np.log(_LEVEL))


class _KernelQuantizer(_Q.LastValueQuantizer):  # type: ignore[misc, name-defined]
    """Quantizes a kernel symmetrically, in the forms that the converter to LiteRT folds.

    tfmot's own per-axis quantizer knows the last axis only, which for a depthwise kernel
    is its multiplier; and of its per-tensor one the converter loses the range where a
    batch normalization is folded into the kernel: the operation then stays float.

    Args:
        num_bits: bits; the range is narrow, so 8 bits give [-127, 127].
        axes: axes of the kernel that together number its output channels: (3,) for a
            convolution, (2, 3) for a depthwise one, (2,) for a transposed one.
    """

    per_channel: bool

    def __init__(self, num_bits: int = 8, axes: Any = (-1,)) -> None:
        super().__init__(
            num_bits=num_bits, per_axis=self.per_channel, symmetric=True, narrow_range=True
        )
        self.axes = tuple(int(a) for a in axes)

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        shape = (int(np.prod([tensor_shape[a] for a in self.axes])),) if self.per_channel else ()
        constant = keras.initializers.Constant
        return {
            f"{end}_var": layer.add_weight(
                f"{name}_{end}", shape=shape, initializer=constant(start), trainable=False
            )
            for end, start in (("min", -6.0), ("max", 6.0))
        }

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        rank = len(inputs.shape)
        axes = self._axes(rank)
        low, high = weights["min_var"], weights["max_var"]
        if training:
            low, high = self.set_range(inputs, weights)
        if axes == [3]:
            # Not `broadcast_to`: the converter leaves an operation that makes more than 10 kB
            # of a single number to the runtime, which cannot do with a range like that.
            low, high = (end + tf.zeros(inputs.shape[3:]) for end in (low, high))
            return tf.quantization.fake_quant_with_min_max_vars_per_channel(
                inputs, low, high, num_bits=self.num_bits, narrow_range=self.narrow_range
            )
        if self.per_channel:
            sizes = [inputs.shape[a] if a in axes else 1 for a in range(rank)]
            high = tf.reshape(high, sizes)
        return self._round(inputs, high, training)

    def _axes(self, rank: int) -> list[int]:
        return [a % rank for a in self.axes]

    def set_range(self, inputs: Any, weights: Any) -> tuple[Any, Any]:
        """Set the range to that of a kernel, as training does at every step, and return it."""
        rank = len(inputs.shape)
        kept = self._axes(rank) if self.per_channel else []
        others = [a for a in range(rank) if a not in kept]
        found = tf.reduce_max(tf.abs(inputs), axis=others)
        high = weights["max_var"].assign(tf.reshape(found, weights["max_var"].shape))
        return weights["min_var"].assign(-high), high

    def _round(self, inputs: Any, high: Any, training: Any) -> Any:
        """What the op computes, where the op is of no use.

        It knows the last axis only, and what comes between it and the kernel (reshapes,
        transpositions, a batch normalization to be folded) the converter to LiteRT can
        take for the kernels of two-dimensional convolutions only. Of constants, plain
        arithmetic makes constants, and the converter finds their ranges again.
        """
        steps = 2.0 ** (self.num_bits - 1) - 1
        scale = high / steps
        clipped = tf.clip_by_value(inputs, -high, high)
        rounded = tf.round(tf.math.divide_no_nan(clipped, scale)) * scale
        return clipped + tf.stop_gradient(rounded - clipped) if training else rounded

    def get_config(self) -> dict[str, Any]:
        return {"num_bits": self.num_bits, "axes": list(self.axes)}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((self.num_bits, self.axes))


@register
class ChannelQuantizer(_KernelQuantizer):
    """Quantizes a kernel with one range per output channel."""

    per_channel = True


@register
class KernelQuantizer(_KernelQuantizer):
    """Quantizes a kernel with one range for all of it."""

    per_channel = False


@register
class FixedRangeQuantizer(_Q.FixedQuantizer):  # type: ignore[misc, name-defined]
    """Quantizes to a given range with the bits it is told; tfmot's own always has 8."""

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        return tf.quantization.fake_quant_with_min_max_args(
            inputs, self.init_min, self.init_max, self.num_bits, self.narrow_range
        )


@register
class ScoreQuantizer(_Q.MovingAverageQuantizer):  # type: ignore[misc, name-defined]
    """Quantizes what goes into a softmax, where masks have put numbers that stand for none.

    Of those its range takes no notice, nor of anything that a softmax makes less than a step of:
    what is so far below the greatest value of its row that all of the row together is none.
    """

    steps = 256.0
    """Of the output of a softmax; those of 16 bits would ask for a range twice as wide."""

    masked = -64.0
    """A row without a value above this one is masked as a whole."""

    def seen(self, inputs: Any) -> Any:
        """The values that the range is taken from, in the shape of the inputs."""
        x = tf.convert_to_tensor(inputs)
        greatest = tf.reduce_max(x, axis=-1)
        shown = tf.where(greatest > self.masked, greatest, tf.reduce_max(greatest))
        room = tf.math.log(self.steps * tf.cast(tf.shape(x)[-1], x.dtype))
        return tf.maximum(x, tf.reduce_min(shown) - room)

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        if training:
            inputs = self.seen(inputs)
        return super().__call__(inputs, training, weights, **kwargs)


class OwnRangeQuantizer(_Q.MovingAverageQuantizer):  # type: ignore[misc, name-defined]
    """Rounds to a range that follows from the moving one that it keeps."""

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        if training:
            super().__call__(inputs, True, weights, **kwargs)  # moves the range
        low, high = self.range(weights)
        return tf.quantization.fake_quant_with_min_max_vars(
            inputs, low, high, num_bits=self.num_bits, narrow_range=self.narrow_range
        )

    def range(self, weights: Any) -> tuple[Any, Any]:
        """The range that is rounded to, from the variables of the quantizer: two scalars."""
        raise NotImplementedError


@register
class GridQuantizer(OwnRangeQuantizer):
    """Quantizes with the step of another range, or 2/3, 4/9, ... of it: the least that will do.

    Where tensors of different ranges come together, each is rounded to the step of the
    whole. Values that have that step already are not changed by it, however often it is
    done, and those of a finer one are rounded once per level at most. No step is more than
    half as large again as the tensor's own range needs.

    Halves would not do: every other value would lie in the middle between two of the next
    level, and to round all of those up is an error that does not average out.

    Its variables are those of the tensor's own range, which training moves as usual, and
    `grid_min_var` and `grid_max_var`.
    """

    def range(self, weights: Any) -> tuple[Any, Any]:
        """The range that is quantized to: scalars, and between them the same number of steps."""
        low, high, own_low, own_high = (
            tf.convert_to_tensor(weights[name])
            for name in ("grid_min_var", "grid_max_var", "min_var", "max_var")
        )
        room = tf.math.divide_no_nan(high - low, own_high - own_low)
        # A little more, for a room of 9/4 to be two levels whatever the logarithm says.
        levels = tf.floor(tf.math.log(tf.clip_by_value(room, 1.0, 65536.0)) / _LOG_LEVEL + 1e-4)
        part = _LEVEL**-levels
        if self.symmetric:
            return low * part, high * part
        # On the level of the whole, the same zero as well: nothing is to be done to the values.
        start = tf.where(levels > 0, own_low, low)
        return start, start + (high - low) * part


@register
class TensorQuantizeConfig(tfmot.quantization.keras.QuantizeConfig):  # type: ignore[misc]
    """Says for each tensor of a layer which quantizer it gets.

    Args:
        weights: attribute of the layer -> quantizer of that weight.
        activation: quantizer around the layer's `activation`, where tfmot puts one.
        output: quantizer of the layer's output.
    """

    def __init__(
        self,
        weights: dict[str, Any] | None = None,
        activation: Any = None,
        output: Any = None,
    ) -> None:
        self.weights = dict(weights or {})
        self.activation = activation
        self.output = output

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return [(getattr(layer, name), q) for name, q in self.weights.items()]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        for name, weight in zip(self.weights, quantize_weights, strict=True):
            setattr(layer, name, weight)

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return [(layer.activation, self.activation)] if self.activation else []

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        for activation in quantize_activations:
            layer.activation = activation

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [self.output] if self.output else []

    def get_config(self) -> dict[str, Any]:
        pack = keras.utils.legacy.serialize_keras_object
        return {
            "weights": {name: pack(q) for name, q in self.weights.items()},
            "activation": self.activation and pack(self.activation),
            "output": self.output and pack(self.output),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TensorQuantizeConfig:
        return cls(
            {name: unpack(q) for name, q in config["weights"].items()},
            unpack(config["activation"]),
            unpack(config["output"]),
        )


def unpack(config: Any) -> Any:
    """Make a quantizer or quantize config from its serialized form; None from none."""
    if not config:
        return None
    known = {
        name: getattr(_Q, name)
        for name in (
            "AllValuesQuantizer",
            "FixedQuantizer",
            "LastValueQuantizer",
            "MovingAverageQuantizer",
        )
        if hasattr(_Q, name)
    }
    return keras.utils.legacy.deserialize_keras_object(config, custom_objects=known)
