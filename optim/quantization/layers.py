"""Layers that op layers and composite layers are lowered to.

They exist where Keras has no layer whose LiteRT counterpart is a single int8 operation.
All are registered, so a saved model that contains them loads wherever `optim` has been
imported.
"""

from __future__ import annotations

from typing import Any

from optim._keras import keras, tf
from optim.graph.einsum import Einsum as Einsum

register = keras.utils.register_keras_serializable(package="optim")


def channel_affine(x: Any, scale: Any, offset: Any) -> Any:
    """Return `x * scale + offset` along the last axis, as a 1x1 depthwise convolution.

    A multiplication and an addition would each need a fake-quant of their own in LiteRT,
    a depthwise convolution with a bias is one int8 operation.

    Args:
        x: float tensor of rank 2 or more; the last axis has C elements.
        scale, offset: shape `(C,)`.
    """
    channels = scale.shape[0]
    flat = x if x.shape.rank == 4 else tf.reshape(x, _as_image(x, channels))
    kernel = tf.reshape(scale, (1, 1, channels, 1))
    y = tf.nn.depthwise_conv2d(flat, kernel, strides=(1, 1, 1, 1), padding="VALID")
    y = tf.nn.bias_add(y, offset)
    if x.shape.rank == 4:
        return y
    y = tf.reshape(y, _as_before(x))
    y.set_shape(x.shape)
    return y


def _as_image(x: Any, channels: int) -> Any:
    """A static shape wherever possible: LiteRT resolves at most one unknown size."""
    if x.shape.rank == 2:
        return (-1, 1, 1, channels)
    if x.shape.rank == 3 and x.shape[1] is not None:
        return (-1, 1, x.shape[1], channels)
    return (-1, 1, 1, channels)


def _as_before(x: Any) -> Any:
    known = [-1 if size is None else size for size in x.shape.as_list()]
    return tf.shape(x) if known.count(-1) > 1 else known


@register
class Affine(keras.layers.Layer):
    """`x * scale + offset`, both vectors along the last axis.

    Input: any float shape of rank >= 2 with a known last axis. Output: the same shape.
    """

    def build(self, input_shape: Any) -> None:
        shape = (int(input_shape[-1]),)
        self.scale = self.add_weight("scale", shape, initializer="ones")
        self.offset = self.add_weight("offset", shape, initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return channel_affine(inputs, tf.convert_to_tensor(self.scale), self.offset)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tf.TensorShape(input_shape)


@register
class LoneBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization that no convolution before it can absorb.

    Trains as `BatchNormalization` does. In inference it is one 1x1 depthwise convolution
    with a bias: the only form of it that LiteRT runs as a single int8 operation.
    """

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        training = self._get_training_value(training)
        if mask is not None or inputs.dtype != tf.float32:
            return super().call(inputs, training=training, mask=mask)
        if isinstance(training, (bool, int)):
            return super().call(inputs, training=True) if training else self._affine(inputs)
        return tf.cond(
            tf.cast(training, tf.bool),
            lambda: super(LoneBatchNormalization, self).call(inputs, training=True),
            lambda: self._affine(inputs),
        )

    def _affine(self, inputs: Any) -> Any:
        scale = tf.math.rsqrt(self.moving_variance + self.epsilon)
        if self.gamma is not None:
            scale = scale * self.gamma
        offset = -self.moving_mean * scale
        if self.beta is not None:
            offset = offset + self.beta
        return channel_affine(inputs, scale, offset)


@register
class Convolve(keras.layers.Layer):
    """A convolution whose kernel, and bias if any, are inputs: `[x, kernel]`, `[x, kernel, bias]`.

    Args:
        strides, dilations: one number per spatial dimension.
        padding: "valid" or "same".
        depthwise: whether each channel is convolved on its own (two dimensions only).
    """

    def __init__(
        self, strides: Any, padding: str, dilations: Any, depthwise: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.strides = [int(n) for n in strides]
        self.padding = padding.lower()
        self.dilations = [int(n) for n in dilations]
        self.depthwise = bool(depthwise)

    def call(self, inputs: Any) -> Any:
        x, kernel, *bias = inputs
        if self.depthwise:
            y = tf.nn.depthwise_conv2d(
                x, kernel, (1, *self.strides, 1), self.padding.upper(), dilations=self.dilations
            )
        else:
            y = tf.nn.convolution(
                x, kernel, self.strides, self.padding.upper(), dilations=self.dilations
            )
        return tf.nn.bias_add(y, bias[0]) if bias else y

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "strides": self.strides,
            "padding": self.padding,
            "dilations": self.dilations,
            "depthwise": self.depthwise,
        }


class Stateless(keras.layers.Layer):
    """A layer without weights whose output has the shape of its first input."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tf.TensorShape(input_shape)


@register
class HardSwish(Stateless):
    """`x * relu6(x + 3) / 6`, the pattern that LiteRT fuses into HARD_SWISH."""

    def call(self, inputs: Any) -> Any:
        return inputs * tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0)


@register
class CappedRelu(Stateless):
    """`min(relu(x), cap)`; LiteRT has an operation of its own for a cap of 6 only.

    Args:
        cap: largest output.
        slope: what negative input is multiplied by.
    """

    def __init__(self, cap: float, slope: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cap = float(cap)
        self.slope = float(slope)

    def call(self, inputs: Any) -> Any:
        rectified = tf.nn.leaky_relu(inputs, self.slope) if self.slope else tf.nn.relu(inputs)
        return tf.minimum(rectified, tf.constant(self.cap, inputs.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cap": self.cap, "slope": self.slope}


@register
class Rsqrt(Stateless):
    """`1 / sqrt(x)`; in training `1 / sqrt(max(x, floor))`.

    A small positive input may be quantized to 0. In inference the infinity is clipped by
    the quantizer that follows, just as LiteRT gives the largest output it has; in
    training it would destroy range and gradient.
    """

    def __init__(self, floor: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.floor = float(floor)

    def call(self, inputs: Any, training: Any = None) -> Any:
        if isinstance(training, (bool, int)) and not training:
            return tf.math.rsqrt(inputs)
        return tf.math.rsqrt(tf.maximum(inputs, tf.constant(self.floor, inputs.dtype)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "floor": self.floor}


@register
class AddConstant(Stateless):
    """`x + value` for one number."""

    def __init__(self, value: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = float(value)

    def call(self, inputs: Any) -> Any:
        return inputs + tf.constant(self.value, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value": self.value}


@register
class SquaredDifference(keras.layers.Layer):
    """`(a - b) ** 2` of two tensors that broadcast."""

    def call(self, inputs: Any) -> Any:
        a, b = inputs
        return tf.math.squared_difference(a, b)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tf.broadcast_static_shape(*map(tf.TensorShape, input_shape))


@register
class Mean(keras.layers.Layer):
    """Mean along one or more axes."""

    def __init__(self, axis: Any = -1, keepdims: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = [int(a) for a in axis] if isinstance(axis, (list, tuple)) else int(axis)
        self.keepdims = bool(keepdims)

    def call(self, inputs: Any) -> Any:
        return tf.reduce_mean(inputs, axis=self.axis, keepdims=self.keepdims)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "keepdims": self.keepdims}


@register
class Identity(Stateless):
    """Passes its input on; carries a name that an output must keep."""

    def call(self, inputs: Any) -> Any:
        return tf.identity(inputs)
