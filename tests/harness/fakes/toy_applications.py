"""Small real models, sound and unsound, with the signature of an application."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

layers = keras.layers


def Sound(weights: Any = None, include_top: bool = True, input_shape: Any = None) -> Any:
    inputs = keras.Input(input_shape or (32, 32, 3))
    x = layers.Conv2D(4, 3, activation="relu")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5)(x) if include_top else x)


def Wide(input_shape: Any = None) -> Any:
    """Kernels with so many values that half of them, or 16, is much less."""
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(32, 3, use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.Conv2D(64, 1, activation="relu")(x)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))


def LargeImages(include_top: bool = True, input_shape: Any = None) -> Any:
    """A graph that seems to put out too much at its default size, and that any input suits.

    It only seems so: what passes its input on counts, and costs this test no memory.
    """
    inputs = keras.Input(input_shape or (96, 96, 3))
    x = layers.Conv2D(256, 3, padding="same")(inputs)
    for _ in range(150):
        x = layers.Activation("linear")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5)(x) if include_top else x)


def NeedsMultipleOf32(input_shape: Any = None) -> Any:
    """Goes down by 32 and up again, and adds the two: sizes must be multiples of 32."""
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(2, 3, strides=32, padding="same")(inputs)
    x = layers.UpSampling2D(32)(x)
    return keras.Model(inputs, layers.Add()([x, layers.Conv2D(2, 1)(inputs)]))


def WantsOddSizes(input_shape: Any = None) -> Any:
    """Two ways down that meet only where the size is odd."""
    inputs = keras.Input(input_shape)
    rounded_up = layers.Conv2D(2, 3, strides=2, padding="same")(inputs)
    padded = layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(inputs))
    return keras.Model(inputs, layers.Add()([rounded_up, layers.Conv2D(2, 1)(padded)]))


def SoundOnlyWithASize(input_shape: Any = None) -> Any:
    """Decides by a size it is not told whether to reduce, as NASNet does."""
    inputs = keras.Input(input_shape)
    small = layers.MaxPooling2D(2)(inputs)
    x = inputs if inputs.shape[1] == small.shape[1] else layers.MaxPooling2D(2)(inputs)
    x = layers.Conv2D(3, 1)(x)
    return keras.Model(inputs, layers.Add()([x, small]))


class Explode(layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs / 0.0


def NotFinite(input_shape: Any = None) -> Any:
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, Explode()(layers.Conv2D(2, 1)(inputs)))


def Frozen(input_shape: Any = None) -> Any:
    inputs = keras.Input(input_shape)
    stopped = layers.Lambda(tf.stop_gradient)(layers.Conv2D(2, 1)(inputs))
    return keras.Model(inputs, layers.BatchNormalization()(stopped))


class Forgetful(layers.Layer):
    """Adds a number that its file does not keep."""

    count = 0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        Forgetful.count += 1
        self.number = float(Forgetful.count)

    def call(self, inputs: Any) -> Any:
        return inputs + self.number


def ForgetsWhenSaved(input_shape: Any = None) -> Any:
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, Forgetful()(layers.Conv2D(2, 1)(inputs)))


class Halve(layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs / 2.0


def OwnLayer(input_shape: Any = None) -> Any:
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, Halve()(layers.Conv2D(2, 1)(inputs)))


def TwoInputsTwoOutputs() -> Any:
    a, b = keras.Input((16, 16, 3)), keras.Input((16, 16, 1))
    x = layers.Conv2D(2, 3)(layers.Concatenate()([a, b]))
    return keras.Model([a, b], [x, layers.Dense(3)(layers.Flatten()(x))])


def NamedOutputs() -> Any:
    """Returns a dict: losses and targets go by its keys."""
    model = TwoInputsTwoOutputs()
    outputs = dict(zip(("second", "first"), model.outputs, strict=True))
    return keras.Model(model.inputs, outputs)


class Determinant(layers.Layer):
    """Multiplies by what LiteRT has no operation for."""

    def call(self, inputs: Any) -> Any:
        corner = inputs[:, :2, :2, 0] + 2.0 * tf.eye(2)
        return inputs * tf.linalg.det(corner)[:, None, None, None]


def NoSuchOperation(input_shape: Any = None) -> Any:
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, Determinant()(layers.Conv2D(2, 1)(inputs)))


def StaysFloat(input_shape: Any = None) -> Any:
    """Has a layer that no rule lowers, between two that are quantized."""
    inputs = keras.Input(input_shape)
    x = layers.ThresholdedReLU(0.1, name="threshold")(layers.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, layers.Conv2D(4, 3)(x))


def Chaotic(include_top: bool = True, input_shape: Any = None) -> Any:
    """Tells from the last bits of its input: int8 keeps nothing of it."""
    inputs = keras.Input(input_shape or (32, 32, 3))
    x = layers.Conv2D(4, 3)(inputs)
    return keras.Model(inputs, layers.Lambda(tf.sin)(layers.Rescaling(1e8)(x)))
