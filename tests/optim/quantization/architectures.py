"""Small networks as their authors write them, one per family of architectures.

None of them is in `keras.applications`. Each has the idioms of its family (layer classes of
its own, op layers, subclassed models, lambdas) at a size that builds in a fraction of a
second. `ARCHITECTURES` maps a name to a function that returns the built model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from optim._keras import keras, tf

layers = keras.layers
backend = keras.backend
ARCHITECTURES: dict[str, Callable[[], Any]] = {}


def architecture(function: Callable[[], Any]) -> Callable[[], Any]:
    ARCHITECTURES[function.__name__] = function
    return function


def own_classes() -> dict[str, Any]:
    """The classes defined here, by name: what a user passes as custom objects."""
    return {
        name: value
        for name, value in globals().items()
        if isinstance(value, type) and value.__module__ == __name__
    }


def conv_bn(x: Any, filters: int, size: int = 3, stride: int = 1, act: Any = "relu") -> Any:
    x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return x if act is None else layers.Activation(act)(x)


def classifier(inputs: Any, x: Any, classes: int = 5) -> Any:
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


# -- convolutional classifiers ----------------------------------------------------------


def relu6(x: Any) -> Any:
    return backend.relu(x, max_value=6.0)


def hard_swish(x: Any) -> Any:
    return x * backend.relu(x + 3.0, max_value=6.0) / 6.0


@architecture
def depthwise_mobile() -> Any:
    inputs = keras.Input((24, 24, 3))
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(inputs)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    for filters, stride in ((12, 1), (16, 2)):
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.Activation(relu6)(layers.BatchNormalization()(x))
        x = conv_bn(x, filters, 1, act=relu6)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Conv2D(5, 1)(x)
    return keras.Model(inputs, layers.Softmax()(layers.Reshape((5,))(x)))


@architecture
def inverted_residuals_with_hard_swish() -> Any:
    inputs = keras.Input((24, 24, 3))
    x = conv_bn(inputs, 8, 3, 2, hard_swish)
    for _ in range(2):
        y = conv_bn(x, 16, 1, act=hard_swish)
        y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
        y = layers.Lambda(hard_swish)(layers.BatchNormalization()(y))
        s = layers.GlobalAveragePooling2D()(y)
        s = layers.Dense(4, activation="relu")(s)
        s = layers.Dense(16, activation="hard_sigmoid")(s)
        y = layers.Multiply()([y, layers.Reshape((1, 1, 16))(s)])
        x = layers.Add()([x, conv_bn(y, 8, 1, act=None)])
    return classifier(inputs, x)


@architecture
def squeeze_and_excite_resnet() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 8)
    for filters, stride in ((8, 1), (16, 2)):
        y = conv_bn(conv_bn(x, filters, 3, stride), filters, act=None)
        s = layers.Reshape((1, 1, filters))(layers.GlobalAveragePooling2D()(y))
        s = layers.Dense(filters // 4, activation="relu", use_bias=False)(s)
        s = layers.Dense(filters, activation="sigmoid", use_bias=False)(s)
        y = layers.multiply([y, s])
        shortcut = x if stride == 1 else conv_bn(x, filters, 1, stride, None)
        x = layers.Activation("relu")(layers.add([shortcut, y]))
    return classifier(inputs, x)


@architecture
def convolutional_block_attention() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 8)
    first = layers.Dense(2, activation="relu", kernel_initializer="he_normal")
    second = layers.Dense(8, kernel_initializer="he_normal")
    a = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    m = layers.Reshape((1, 1, 8))(layers.GlobalMaxPooling2D()(x))
    channel = layers.Add()([second(first(a)), second(first(m))])
    x = layers.multiply([x, layers.Activation("sigmoid")(channel)])
    a = layers.Lambda(lambda t: backend.mean(t, axis=3, keepdims=True))(x)
    m = layers.Lambda(lambda t: backend.max(t, axis=3, keepdims=True))(x)
    where = layers.Concatenate(axis=3)([a, m])
    where = layers.Conv2D(1, 7, padding="same", activation="sigmoid", use_bias=False)(where)
    return classifier(inputs, layers.multiply([x, where]))


@architecture
def efficient_channel_attention() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 8, 3, 2)
    y = layers.GlobalAveragePooling2D()(x)
    y = tf.expand_dims(y, -1)
    y = layers.Conv1D(1, 3, padding="same", use_bias=False)(y)
    y = tf.nn.sigmoid(tf.transpose(y, [0, 2, 1]))
    y = tf.expand_dims(y, 1)
    return classifier(inputs, tf.math.multiply(x, y))


@architecture
def coordinate_attention() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 8)
    h, w = x.shape[1], x.shape[2]
    xh = tf.reduce_mean(x, axis=2, keepdims=True)
    xw = tf.transpose(tf.reduce_mean(x, axis=1, keepdims=True), [0, 2, 1, 3])
    y = layers.BatchNormalization()(layers.Conv2D(4, 1)(tf.concat([xh, xw], axis=1)))
    y = y * tf.nn.relu6(y + 3) / 6
    yh, yw = tf.split(y, [h, w], axis=1)
    yw = tf.transpose(yw, [0, 2, 1, 3])
    ah = layers.Conv2D(8, 1, activation="sigmoid")(yh)
    aw = layers.Conv2D(8, 1, activation="sigmoid")(yw)
    return classifier(inputs, x * ah * aw)


@architecture
def hierarchical_residual_splits() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 16)
    parts = tf.split(x, 4, axis=-1)
    outs = [parts[0]]
    y = None
    for part in parts[1:]:
        y = conv_bn(part if y is None else layers.add([part, y]), 4)
        outs.append(y)
    y = conv_bn(layers.concatenate(outs), 16, 1, act=None)
    return classifier(inputs, layers.ReLU()(layers.add([x, y])))


def channel_shuffle(x: Any, groups: int) -> Any:
    height, width, channels = x.shape.as_list()[1:]
    x = tf.reshape(x, [-1, height, width, groups, channels // groups])
    x = tf.transpose(x, [0, 1, 2, 4, 3])
    return tf.reshape(x, [-1, height, width, channels])


@architecture
def channel_shuffle_units() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 16, 3, 2)
    a = layers.Lambda(lambda z: z[:, :, :, 0:8])(x)
    b = layers.Lambda(lambda z: z[:, :, :, 8:])(x)
    b = conv_bn(b, 8, 1)
    b = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(b))
    b = conv_bn(b, 8, 1)
    x = layers.Concatenate()([a, b])
    x = layers.Lambda(channel_shuffle, arguments={"groups": 2})(x)
    u, v = x[..., :8], x[..., 8:]
    return classifier(inputs, channel_shuffle(tf.concat([u, conv_bn(v, 8, 1)], -1), 4))


class GhostModule(layers.Layer):  # type: ignore[misc, name-defined]
    """Half of the channels by a convolution, the others by cheap operations on them."""

    def __init__(self, out: int, ratio: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.out, self.ratio = out, ratio
        self.primary = layers.Conv2D(math.ceil(out / ratio), 1, padding="same", use_bias=False)
        self.cheap = layers.DepthwiseConv2D(
            3, padding="same", use_bias=False, depth_multiplier=ratio - 1
        )
        self.bn1, self.bn2 = layers.BatchNormalization(), layers.BatchNormalization()

    def call(self, inputs: Any, training: Any = None) -> Any:
        x = tf.nn.relu(self.bn1(self.primary(inputs), training=training))
        y = tf.nn.relu(self.bn2(self.cheap(x), training=training))
        return tf.concat([x, y], axis=-1)[..., : self.out]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "out": self.out, "ratio": self.ratio}


@architecture
def ghost_modules() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 8, 3, 2)
    y = GhostModule(15)(x)
    y = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(y))
    return classifier(inputs, layers.Add()([x, GhostModule(8)(y)]))


@architecture
def selective_kernels() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 8)
    branches = [conv_bn(x, 8), layers.Conv2D(8, 3, dilation_rate=2, padding="same")(x)]
    stacked = tf.stack(branches, axis=1)
    total = tf.reduce_sum(stacked, axis=1)
    s = tf.reduce_mean(total, axis=[1, 2], keepdims=True)
    z = conv_bn(s, 4, 1)
    logits = tf.stack([layers.Conv2D(8, 1)(z) for _ in branches], axis=1)
    attention = tf.nn.softmax(logits, axis=1)
    return classifier(inputs, tf.reduce_sum(stacked * attention, axis=1))


class WeightStandardizedConv2D(layers.Conv2D):  # type: ignore[misc, name-defined]
    """The usual subclass: standardizes its kernel, then convolves."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        mean, var = tf.nn.moments(kernel, axes=[0, 1, 2], keepdims=True)
        return super().convolution_op(inputs, (kernel - mean) / tf.sqrt(var + 1e-10))


@architecture
def weight_standardization_and_groups() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = WeightStandardizedConv2D(8, 3, padding="same")(inputs)
    y = layers.ReLU()(layers.GroupNormalization(groups=4)(x))
    y = WeightStandardizedConv2D(8, 3, padding="same", use_bias=False)(y)
    x = layers.Add()([x, layers.GroupNormalization(groups=2, epsilon=1e-4)(y)])
    x = layers.GroupNormalization(groups=-1)(x)
    return classifier(inputs, layers.ReLU()(x))


class DropPath(layers.Layer):  # type: ignore[misc, name-defined]
    """Stochastic depth: drops whole samples in training."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x: Any, training: Any = None) -> Any:
        if training:
            keep = 1 - self.rate
            shape = (tf.shape(x)[0],) + (1,) * (len(tf.shape(x)) - 1)
            random = keep + tf.random.uniform(shape, 0, 1)
            return (x / keep) * tf.floor(random)
        return x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate}


class FixedDropout(layers.Dropout):  # type: ignore[misc, name-defined]
    """Dropout whose noise shape may have unknown sizes."""

    def _get_noise_shape(self, inputs: Any) -> Any:
        if self.noise_shape is None:
            return self.noise_shape
        symbolic = backend.shape(inputs)
        return tuple(symbolic[a] if s is None else s for a, s in enumerate(self.noise_shape))


@architecture
def augmentation_and_drop_connect() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = layers.RandomFlip("horizontal")(inputs)
    x = layers.RandomTranslation(0.1, 0.1)(layers.RandomRotation(0.1)(x))
    x = layers.RandomContrast(0.2)(layers.RandomZoom(0.1)(x))
    x = layers.Rescaling(1.0 / 4)(x)
    x = layers.Normalization(mean=[0.1, 0.2, 0.0], variance=[1.0, 0.5, 0.7])(x)
    x = conv_bn(x, 8, act="swish")
    y = layers.Activation(tf.nn.swish)(conv_bn(x, 8, act=None))
    y = FixedDropout(0.2, noise_shape=(None, 1, 1, 1))(y)
    x = layers.Add()([x, y])
    x = layers.Add()([x, DropPath(0.1)(conv_bn(x, 8, act=tf.nn.silu))])
    return classifier(inputs, x)


class LayerScale(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, init_values: float, projection_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.init_values, self.projection_dim = init_values, projection_dim
        self.gamma = tf.Variable(init_values * tf.ones((projection_dim,)), name="gamma")

    def call(self, x: Any) -> Any:
        return x * self.gamma

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update({"init_values": self.init_values, "projection_dim": self.projection_dim})
        return config


@architecture
def modernized_convolutions() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 4, strides=4)(inputs)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    for _ in range(2):
        y = layers.Conv2D(8, 7, padding="same", groups=8)(x)
        y = layers.LayerNormalization(epsilon=1e-6)(y)
        y = layers.Dense(16)(y)
        y = layers.Activation("gelu")(y)
        y = LayerScale(0.1, 8)(layers.Dense(8)(y))
        x = x + DropPath(0.1)(y)
    x = layers.LayerNormalization(epsilon=1e-6)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(5)(x))


@architecture
def local_response_and_maxout() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 5, strides=2, activation="relu")(inputs)
    x = layers.Lambda(lambda t: tf.nn.local_response_normalization(t, depth_radius=2))(x)
    x = layers.MaxPooling2D(3, strides=1)(x)
    a, b, c = (layers.Conv2D(6, 3, padding="same")(x) for _ in range(3))
    x = layers.Average()([layers.Maximum()([a, b]), layers.Minimum()([b, c]), c])
    x = layers.Reshape((*x.shape[1:3], 3, 2))(x)
    x = layers.Lambda(lambda t: tf.reduce_max(t, axis=-1))(x)
    x = layers.Dense(6, activation="selu", kernel_initializer="lecun_normal")(layers.Flatten()(x))
    x = layers.AlphaDropout(0.1)(x)
    return keras.Model(inputs, layers.Dense(5, activation="softsign")(x))


@architecture
def many_activations() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 8, act="elu")
    x = conv_bn(x, 8, act="mish")
    x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(8, 3, padding="same")(x))
    x = layers.ELU(0.5)(conv_bn(x, 8, act=None))
    x = layers.Conv2D(8, 1, activation=lambda t: t * tf.tanh(tf.nn.softplus(t)))(x)
    x = layers.LeakyReLU(0.1)(conv_bn(x, 8, act=None))
    x = layers.Conv2D(8, 1, activation=tf.nn.leaky_relu)(x)
    x = layers.Conv2D(8, 1, activation=layers.LeakyReLU(0.2))(x)
    x = layers.ThresholdedReLU(0.1)(x)
    x = 0.5 * x * (1.0 + tf.math.erf(x / tf.cast(1.4142135623730951, x.dtype)))
    return classifier(inputs, layers.Activation("softplus")(x))


class FilterResponseNormalization(layers.Layer):  # type: ignore[misc, name-defined]
    """Normalizes by the mean square, with a learnt threshold behind."""

    def __init__(self, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        shape = (1, 1, 1, input_shape[-1])
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")
        self.tau = self.add_weight(name="tau", shape=shape, initializer="zeros")

    def call(self, x: Any) -> Any:
        nu2 = tf.reduce_mean(tf.square(x), axis=[1, 2], keepdims=True)
        x = x * tf.math.rsqrt(nu2 + tf.abs(self.epsilon))
        return tf.maximum(self.gamma * x + self.beta, self.tau)


class GeMPooling(layers.Layer):  # type: ignore[misc, name-defined]
    """Generalized mean pooling with a learnt exponent."""

    def build(self, input_shape: Any) -> None:
        self.p = self.add_weight("p", shape=(1,), initializer=keras.initializers.Constant(3.0))

    def call(self, x: Any) -> Any:
        x = tf.clip_by_value(x, 1e-6, tf.reduce_max(x))
        return tf.pow(tf.reduce_mean(tf.pow(x, self.p), axis=[1, 2]), 1.0 / self.p)


class ArcMargin(layers.Layer):  # type: ignore[misc, name-defined]
    """Cosine similarity with normalized class vectors."""

    def __init__(self, classes: int, s: float = 8.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes, self.s = classes, s

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight("w", (input_shape[-1], self.classes), initializer="glorot_uniform")

    def call(self, inputs: Any) -> Any:
        x = tf.nn.l2_normalize(inputs, axis=1)
        w = tf.nn.l2_normalize(self.w, axis=0)
        return tf.clip_by_value(x @ w, -1.0, 1.0) * self.s

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes, "s": self.s}


@architecture
def metric_learning() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    x = FilterResponseNormalization()(x)
    x = GeMPooling()(layers.Conv2D(8, 3, activation="relu")(x))
    x = layers.Dense(6)(x)
    embedding = layers.Lambda(lambda t: tf.math.l2_normalize(t, axis=1), name="embedding")(x)
    unit = layers.UnitNormalization()(x)
    return keras.Model(inputs, [embedding, ArcMargin(5, name="arc")(x), unit])


class BlurPool(layers.Layer):  # type: ignore[misc, name-defined]
    """Anti-aliased down-sampling by a fixed binomial filter."""

    def build(self, input_shape: Any) -> None:
        a = np.array([1.0, 2.0, 1.0])
        kernel = (a[:, None] * a[None, :] / 16.0)[:, :, None, None]
        self.kernel = tf.constant(np.repeat(kernel, input_shape[-1], 2), tf.float32)

    def call(self, x: Any) -> Any:
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="REFLECT")
        return tf.nn.depthwise_conv2d(x, self.kernel, (1, 2, 2, 1), "VALID")


class CoordConv(layers.Layer):  # type: ignore[misc, name-defined]
    """Appends the coordinates of each pixel as channels."""

    def call(self, x: Any) -> Any:
        shape = tf.shape(x)
        batch, height, width = shape[0], shape[1], shape[2]
        row = tf.linspace(-1.0, 1.0, height)
        column = tf.linspace(-1.0, 1.0, width)
        yy, xx = tf.meshgrid(row, column, indexing="ij")
        grid = tf.tile(tf.stack([yy, xx], -1)[None], [batch, 1, 1, 1])
        return tf.concat([x, grid], axis=-1)


@architecture
def blur_pool_and_coordinates() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = CoordConv()(inputs)
    x = BlurPool()(conv_bn(x, 8))
    return classifier(inputs, conv_bn(BlurPool()(x), 8))


class Involution(layers.Layer):  # type: ignore[misc, name-defined]
    """A kernel per pixel, made from the pixel."""

    def __init__(self, channel: int, group: int, size: int, reduction: int, name: str) -> None:
        super().__init__(name=name)
        self.channel, self.group, self.size, self.reduction = channel, group, size, reduction

    def build(self, input_shape: Any) -> None:
        _, height, width, channels = input_shape
        self.gen = keras.Sequential(
            [
                layers.Conv2D(self.channel // self.reduction, 1),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Conv2D(self.size * self.size * self.group, 1),
            ]
        )
        self.kernel_reshape = layers.Reshape((height, width, self.size * self.size, 1, self.group))
        self.patches_reshape = layers.Reshape(
            (height, width, self.size * self.size, channels // self.group, self.group)
        )
        self.out_reshape = layers.Reshape((height, width, channels))

    def call(self, x: Any) -> Any:
        kernel = self.kernel_reshape(self.gen(x))
        patches = tf.image.extract_patches(
            images=x,
            sizes=[1, self.size, self.size, 1],
            strides=[1, 1, 1, 1],
            rates=[1, 1, 1, 1],
            padding="SAME",
        )
        patches = self.patches_reshape(patches)
        return self.out_reshape(tf.reduce_sum(tf.multiply(kernel, patches), axis=3)), kernel


@architecture
def involution() -> Any:
    inputs = keras.Input((8, 8, 4))
    x, _ = Involution(channel=4, group=2, size=3, reduction=2, name="inv_1")(inputs)
    x = layers.MaxPooling2D()(layers.ReLU()(x))
    x, _ = Involution(channel=4, group=1, size=3, reduction=2, name="inv_2")(x)
    return keras.Model(inputs, layers.Dense(5)(layers.Flatten()(x)))


@architecture
def capsules() -> Any:
    def squash(vectors: Any, axis: int = -1) -> Any:
        norm = tf.reduce_sum(tf.square(vectors), axis, keepdims=True)
        return norm / (1 + norm) / tf.sqrt(norm + backend.epsilon()) * vectors

    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(inputs)
    x = layers.Conv2D(8, 3, strides=2)(x)
    x = layers.Lambda(squash)(layers.Reshape((-1, 4))(x))
    x = layers.Dense(12)(x)
    x = squash(tf.reshape(x, [-1, 8, 3, 4]))
    x = tf.reduce_mean(x, axis=1)
    return keras.Model(inputs, tf.sqrt(tf.reduce_sum(tf.square(x), -1) + 1e-4))


@architecture
def legacy_backend_functions() -> Any:
    inputs = keras.Input((12, 12, 4))
    x = conv_bn(inputs, 8)
    f = backend.reshape(layers.Conv2D(4, 1)(x), (-1, 144, 4))
    g = backend.permute_dimensions(backend.reshape(layers.Conv2D(4, 1)(x), (-1, 144, 4)), (0, 2, 1))
    beta = backend.softmax(backend.batch_dot(f, g))
    h = backend.batch_dot(beta, backend.reshape(x, (-1, 144, 8)))
    y = backend.reshape(h, (-1, 12, 12, 8)) + x
    y = backend.concatenate([y, backend.abs(x), backend.clip(x, -1, 1)], axis=-1)
    y = backend.spatial_2d_padding(y, ((1, 1), (1, 1)))
    y = backend.pool2d(y, (2, 2), strides=(2, 2), pool_mode="avg")
    y = backend.l2_normalize(backend.mean(y, axis=[1, 2]), axis=-1)
    return keras.Model(inputs, layers.Dense(5)(y))


# -- detection and segmentation ---------------------------------------------------------


@architecture
def multi_scale_fusion() -> Any:
    inputs = keras.Input((32, 32, 3))
    high = conv_bn(inputs, 8, 3, 2)
    low = conv_bn(high, 16, 3, 2)
    for _ in range(2):
        high, low = conv_bn(high, 8), conv_bn(low, 16)
        up = layers.UpSampling2D(2, interpolation="bilinear")(conv_bn(low, 8, 1, act=None))
        down = conv_bn(high, 16, 3, 2, None)
        high, low = layers.ReLU()(high + up), layers.ReLU()(low + down)
    low = tf.image.resize(low, high.shape[1:3], method="nearest")
    return keras.Model(inputs, layers.Conv2D(3, 1)(tf.concat([high, low], -1)))


class Mish(layers.Layer):  # type: ignore[misc, name-defined]
    def call(self, x: Any) -> Any:
        return x * backend.tanh(backend.softplus(x))


@architecture
def cross_stage_partial_detector() -> Any:
    def dark(x: Any, filters: int, size: int = 3, stride: int = 1, mish: bool = False) -> Any:
        if stride == 2:
            x = layers.ZeroPadding2D(((1, 0), (1, 0)))(x)
        x = layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding="valid" if stride == 2 else "same",
            use_bias=False,
            kernel_regularizer=keras.regularizers.l2(5e-4),
        )(x)
        x = layers.BatchNormalization()(x)
        return Mish()(x) if mish else layers.LeakyReLU(0.1)(x)

    inputs = keras.Input((32, 32, 3))
    x = dark(inputs, 8, 3, 2, True)
    route = dark(x, 4, 1, mish=True)
    y = dark(x, 4, 1, mish=True)
    y = y + dark(dark(y, 4, 1, mish=True), 4, mish=True)
    x8 = dark(layers.Concatenate()([y, route]), 8, 3, 2)
    x16 = dark(x8, 8, 3, 2)
    pools = [layers.MaxPooling2D(k, 1, padding="same")(x16) for k in (5, 3)]
    x16 = dark(layers.Concatenate()([*pools, x16]), 8, 1)
    up = layers.UpSampling2D()(dark(x16, 4, 1))
    x8 = dark(layers.Concatenate()([up, x8]), 8)
    outputs = []
    for x in (x8, x16):
        y = layers.Conv2D(3 * 7, 1)(x)
        size = y.shape[1]
        y = tf.reshape(y, (tf.shape(y)[0], size, size, 3, 7))
        xy, wh, rest = tf.split(y, (2, 2, 3), axis=-1)
        outputs.append(tf.concat([tf.sigmoid(xy), tf.exp(wh) * 0.5, tf.sigmoid(rest)], -1))
    return keras.Model(inputs, outputs)


@architecture
def focus_and_fast_pyramid_pooling() -> Any:
    inputs = keras.Input((32, 32, 3))
    x = tf.concat(
        [
            inputs[..., ::2, ::2, :],
            inputs[:, 1::2, ::2],
            inputs[:, ::2, 1::2],
            inputs[:, 1::2, 1::2],
        ],
        axis=-1,
    )
    x = conv_bn(x, 8, act="swish")
    y1 = layers.MaxPool2D(5, 1, "same")(x)
    y2 = layers.MaxPool2D(5, 1, "same")(y1)
    x = conv_bn(layers.Concatenate()([x, y1, y2, layers.MaxPool2D(5, 1, "same")(y2)]), 8, 1)
    x = layers.Conv2D(8, 1)(x)
    boxes = tf.nn.softmax(tf.reshape(layers.Conv2D(4 * 4, 1)(x), [-1, 256, 4, 4]))
    boxes = tf.reduce_sum(boxes * tf.range(4, dtype=tf.float32), axis=-1)
    points = tf.stack(tf.unstack(boxes, axis=-1)[::-1], axis=-1)
    scores = layers.Reshape((-1, 3))(layers.Conv2D(3, 1, activation="sigmoid")(x))
    return keras.Model(inputs, {"boxes": points, "scores": scores})


@architecture
def spatial_pyramid_pooling() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 8)
    pooled = []
    for bins in (1, 2, 4):
        size = 16 // bins
        y = layers.AveragePooling2D(size, size)(x)
        pooled.append(layers.Flatten()(y))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.concatenate(pooled)))


@architecture
def atrous_pyramid_segmentation() -> Any:
    inputs = keras.Input((32, 32, 3))
    low = conv_bn(inputs, 8, 3, 2)
    x = conv_bn(low, 8, 3, 2)
    dims = x.shape
    y = layers.AveragePooling2D(pool_size=(dims[-3], dims[-2]))(x)
    y = conv_bn(y, 8, 1)
    pool = layers.UpSampling2D(
        size=(dims[-3] // y.shape[1], dims[-2] // y.shape[2]), interpolation="bilinear"
    )(y)
    branches = [pool, conv_bn(x, 8, 1)]
    for rate in (2, 3):
        z = layers.DepthwiseConv2D(3, dilation_rate=rate, padding="same", use_bias=False)(x)
        branches.append(conv_bn(layers.ReLU()(layers.BatchNormalization()(z)), 8, 1))
    branches.append(layers.SeparableConv2D(8, 3, dilation_rate=2, padding="same")(x))
    x = conv_bn(layers.Concatenate(axis=-1)(branches), 8, 1)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Concatenate()([x, conv_bn(low, 4, 1)])
    x = layers.Conv2D(3, 1, padding="same")(conv_bn(x, 8))
    x = layers.Lambda(lambda t: tf.compat.v1.image.resize_bilinear(t, (32, 32)))(x)
    return keras.Model(inputs, layers.Softmax(axis=-1)(x))


@architecture
def segmentation_of_any_size() -> Any:
    inputs = keras.Input((None, None, 3))
    x = conv_bn(inputs, 8, 3, 2)
    y = tf.reduce_mean(x, [1, 2], keepdims=True)
    y = tf.image.resize(layers.Conv2D(8, 1)(y), tf.shape(x)[1:3])
    x = layers.concatenate([x, y])
    x = layers.Lambda(lambda t: tf.image.resize(t[0], tf.shape(t[1])[1:3]))([x, inputs])
    return keras.Model(inputs, layers.Conv2D(2, 1, activation="sigmoid")(x))


@architecture
def skip_connected_segmentation() -> Any:
    def double(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, activation="relu", kernel_initializer="he_normal")(x)
        return x

    inputs = keras.Input((32, 32, 1))
    c1 = double(inputs, 4)
    c2 = double(layers.MaxPooling2D()(c1), 8)
    x = layers.Dropout(0.3)(double(layers.MaxPooling2D()(layers.ZeroPadding2D(2)(c2)), 8))
    for skip, filters in ((c2, 8), (c1, 4)):
        x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
        x = layers.ZeroPadding2D(3)(x)
        crop = skip.shape[1] - x.shape[1]
        pad = max(-crop, 0)
        skip = layers.Cropping2D(crop // 2)(skip) if crop > 0 else skip
        x = layers.Cropping2D(((pad // 2, pad - pad // 2), (pad // 2, pad - pad // 2)))(x)
        x = layers.concatenate([x, layers.CenterCrop(*x.shape[1:3])(skip)])
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    return keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(x))


@architecture
def attention_gated_segmentation() -> Any:
    inputs = keras.Input((16, 16, 3))
    c1 = conv_bn(inputs, 8)
    c2 = conv_bn(layers.MaxPooling2D()(c1), 16)
    gate = layers.Conv2D(8, 1, padding="same")(c2)
    theta = layers.Conv2D(8, 2, strides=2, padding="same")(c1)
    psi = layers.Activation("relu")(layers.add([theta, gate]))
    psi = layers.Activation("sigmoid")(layers.Conv2D(1, 1)(psi))
    psi = layers.UpSampling2D((2, 2))(psi)
    psi = layers.Lambda(lambda t, n: backend.repeat_elements(t, n, axis=3), arguments={"n": 8})(psi)
    x = layers.multiply([psi, c1])
    up = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(c2)
    return keras.Model(inputs, layers.Conv2D(2, 1)(layers.concatenate([up, x], axis=3)))


class FeaturePyramid(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, backbone: Any = None, **kwargs: Any) -> None:
        super().__init__(name="FeaturePyramid", **kwargs)
        self.backbone = backbone if backbone else pyramid_backbone()
        self.c3 = layers.Conv2D(8, 1, 1, "same")
        self.c4 = layers.Conv2D(8, 1, 1, "same")
        self.p3 = layers.Conv2D(8, 3, 1, "same")
        self.p4 = layers.Conv2D(8, 3, 1, "same")
        self.p5 = layers.Conv2D(8, 3, 2, "same")
        self.upsample_2x = layers.UpSampling2D(2)

    def call(self, images: Any, training: bool = False) -> Any:
        c3, c4 = self.backbone(images, training=training)
        p3, p4 = self.c3(c3), self.c4(c4)
        p3 = p3 + self.upsample_2x(p4)
        return self.p3(p3), self.p4(p4), self.p5(tf.nn.relu(p4))


def pyramid_backbone() -> Any:
    inputs = keras.Input((32, 32, 3))
    c3 = conv_bn(inputs, 8, 3, 4)
    return keras.Model(inputs, [c3, conv_bn(c3, 8, 3, 2)])


def detection_head(filters: int, bias: Any) -> Any:
    head = keras.Sequential([keras.Input((None, None, 8))])
    for _ in range(2):
        head.add(layers.Conv2D(8, 3, padding="same", kernel_initializer="he_normal"))
        head.add(layers.ReLU())
    head.add(layers.Conv2D(filters, 3, 1, padding="same", bias_initializer=bias))
    return head


class DenseDetector(keras.Model):  # type: ignore[misc, name-defined]
    """One subclassed model around a pyramid layer, its heads shared between levels."""

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(name="DenseDetector", **kwargs)
        self.fpn = FeaturePyramid()
        self.classes = classes
        prior = keras.initializers.Constant(-np.log((1 - 0.01) / 0.01))
        self.cls_head = detection_head(2 * classes, prior)
        self.box_head = detection_head(2 * 4, "zeros")

    def call(self, image: Any, training: bool = False) -> Any:
        features = self.fpn(image, training=training)
        n = tf.shape(image)[0]
        boxes, scores = [], []
        for feature in features:
            boxes.append(tf.reshape(self.box_head(feature), [n, -1, 4]))
            scores.append(tf.reshape(self.cls_head(feature), [n, -1, self.classes]))
        return tf.concat([tf.concat(boxes, axis=1), tf.concat(scores, axis=1)], axis=-1)


@architecture
def dense_detector_subclassed() -> Any:
    model = DenseDetector(3)
    model(np.zeros((1, 32, 32, 3), "float32"))
    return model


@architecture
def single_shot_detector() -> Any:
    inputs = keras.Input((32, 32, 3), name="image")
    x = conv_bn(inputs, 8, 3, 2)
    locations, confidences = [], []
    for i in range(2):
        x = conv_bn(x, 8, 3, 2)
        y = x
        if i == 0:
            y = layers.Lambda(lambda t: tf.nn.l2_normalize(t, axis=-1) * 20.0)(y)
        location = layers.Conv2D(4 * 4, 3, padding="same", name=f"loc_{i}")(y)
        confidence = layers.Conv2D(4 * 3, 3, padding="same", name=f"conf_{i}")(y)
        locations.append(layers.Reshape((-1, 4))(location))
        confidences.append(layers.Reshape((-1, 3))(confidence))
    location = layers.Concatenate(axis=1, name="locations")(locations)
    confidence = layers.Concatenate(axis=1)(confidences)
    confidence = layers.Activation("softmax", name="confidences")(confidence)
    return keras.Model(
        inputs, layers.Concatenate(axis=2, name="predictions")([location, confidence])
    )


class WeightedFusion(layers.Layer):  # type: ignore[misc, name-defined]
    """Sum of feature maps by learnt, normalized, non-negative weights."""

    def __init__(self, epsilon: float = 1e-4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        n = len(input_shape)
        self.w = self.add_weight(
            name=self.name, shape=(n,), initializer=keras.initializers.constant(1 / n)
        )

    def call(self, inputs: Any, **kwargs: Any) -> Any:
        w = keras.activations.relu(self.w)
        x = tf.reduce_sum([w[i] * inputs[i] for i in range(len(inputs))], axis=0)
        return x / (tf.reduce_sum(w) + self.epsilon)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update({"epsilon": self.epsilon})
        return config


@architecture
def weighted_bidirectional_pyramid() -> Any:
    inputs = keras.Input((32, 32, 3))
    p3 = conv_bn(inputs, 8, 3, 2, "swish")
    p4 = conv_bn(p3, 8, 3, 2, "swish")
    up = layers.UpSampling2D()(p4)
    td = layers.SeparableConv2D(8, 3, padding="same")(
        layers.Activation("swish")(WeightedFusion(name="fuse_a")([p3, up]))
    )
    down = layers.MaxPooling2D(3, 2, padding="same")(td)
    out = WeightedFusion(name="fuse_b")([p4, down])
    return keras.Model(inputs, {"p3": td, "p4": layers.Conv2D(4, 1)(out)})


@architecture
def center_heatmaps() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 8)
    heat = layers.Conv2D(2, 1, activation="sigmoid", name="heatmap")(conv_bn(x, 8))
    size = layers.Conv2D(2, 1, name="size")(conv_bn(x, 8))
    masked = tf.where(heat > 0.3, heat, tf.zeros_like(heat))
    return keras.Model(inputs, {"heat": heat, "size": size, "masked": masked})


# -- generators, restoration ------------------------------------------------------------


class ReflectionPadding2D(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, padding: Any = (1, 1), **kwargs: Any) -> None:
        self.padding = tuple(padding)
        super().__init__(**kwargs)

    def call(self, input_tensor: Any, mask: Any = None) -> Any:
        w, h = self.padding
        return tf.pad(input_tensor, [[0, 0], [h, h], [w, w], [0, 0]], mode="REFLECT")


class InstanceNormalization(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        normal = tf.random_normal_initializer(1.0, 0.02)
        self.scale = self.add_weight("scale", input_shape[-1:], initializer=normal)
        self.offset = self.add_weight("offset", input_shape[-1:], initializer="zeros")

    def call(self, x: Any) -> Any:
        mean, variance = tf.nn.moments(x, axes=[1, 2], keepdims=True)
        inv = tf.math.rsqrt(variance + self.epsilon)
        return self.scale * ((x - mean) * inv) + self.offset


@architecture
def image_translation() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = ReflectionPadding2D((3, 3))(inputs)
    x = layers.Activation("relu")(InstanceNormalization()(layers.Conv2D(8, 7)(x)))
    y = layers.Conv2D(8, 3)(ReflectionPadding2D()(x))
    x = layers.add([x, InstanceNormalization()(y)])
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.GroupNormalization(groups=-1)(x)
    return keras.Model(inputs, layers.Activation("tanh")(layers.Conv2D(3, 3, padding="same")(x)))


@architecture
def adversarial_generator() -> Any:
    inputs = keras.Input((10,))
    x = layers.Dense(4 * 4 * 8, use_bias=False)(inputs)
    x = layers.LeakyReLU()(layers.BatchNormalization()(x))
    x = layers.Reshape((4, 4, 8))(x)
    x = layers.Conv2DTranspose(8, 5, strides=2, padding="same", use_bias=False)(x)
    x = layers.LeakyReLU(alpha=0.2)(layers.BatchNormalization(momentum=0.8)(x))
    x = layers.Conv2DTranspose(3, 5, strides=2, padding="same", activation="tanh")(x)
    return keras.Model(inputs, x)


@architecture
def spectral_discriminator() -> Any:
    model = keras.Sequential(name="discriminator")
    model.add(keras.Input((16, 16, 3)))
    model.add(layers.SpectralNormalization(layers.Conv2D(8, 4, strides=2, padding="same")))
    model.add(layers.LeakyReLU(0.2))
    model.add(layers.SpectralNormalization(layers.Conv2D(8, 4, strides=2, padding="same")))
    model.add(layers.LeakyReLU(0.2))
    model.add(layers.Flatten())
    model.add(layers.SpectralNormalization(layers.Dense(1)))
    return model


class AdaptiveInstanceNorm(layers.Layer):  # type: ignore[misc, name-defined]
    """Style by scale and shift: two inputs in a list."""

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.to_scale = layers.Dense(filters, kernel_initializer="random_normal")
        self.to_bias = layers.Dense(filters, kernel_initializer="random_normal")

    def call(self, inputs: Any) -> Any:
        x, w = inputs
        mean, std = backend.mean(x, (1, 2), True), backend.std(x, (1, 2), True)
        y = (x - mean) / (std + 1e-5)
        scale = tf.reshape(self.to_scale(w), (-1, 1, 1, self.filters)) + 1.0
        return y * scale + tf.reshape(self.to_bias(w), (-1, 1, 1, self.filters))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}


@architecture
def style_generator() -> Any:
    content, style = keras.Input((8, 8, 4), name="content"), keras.Input((6,), name="style")
    w = layers.Lambda(
        lambda t: t * tf.math.rsqrt(tf.reduce_mean(tf.square(t), axis=-1, keepdims=True) + 1e-8)
    )(style)
    w = layers.LeakyReLU(0.2)(layers.Dense(6)(w))
    x = layers.UpSampling2D(interpolation="bilinear")(content)
    x = AdaptiveInstanceNorm(8)([layers.Conv2D(8, 3, padding="same")(x), w])
    x = layers.LeakyReLU(0.2)(x)
    return keras.Model([content, style], layers.Conv2D(3, 1)(AdaptiveInstanceNorm(8)([x, w])))


@architecture
def sub_pixel_super_resolution() -> Any:
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 5, padding="same", activation="relu", kernel_initializer="Orthogonal")(
        inputs
    )
    y = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(8, 3, padding="same")(x))
    x = layers.Add()([x, layers.Conv2D(8, 3, padding="same")(y)])
    x = layers.Lambda(lambda t: tf.nn.depth_to_space(t, 2))(layers.Conv2D(16, 3, padding="same")(x))
    x = tf.nn.depth_to_space(layers.Conv2D(12, 3, padding="same")(x), 2)
    return keras.Model(inputs, tf.clip_by_value(x, -1.0, 1.0))


@architecture
def curve_enhancement() -> Any:
    inputs = keras.Input((16, 16, 3))
    c1 = layers.Conv2D(8, 3, activation="relu", padding="same")(inputs)
    c2 = layers.Conv2D(8, 3, activation="relu", padding="same")(c1)
    r = layers.Conv2D(6, 3, activation="tanh", padding="same")(
        layers.Concatenate(axis=-1)([c1, c2])
    )
    x = inputs
    for i in range(2):
        curve = r[:, :, :, 3 * i : 3 * i + 3]
        x = x + curve * (tf.square(x) - x)
    return keras.Model(inputs, x)


class Sampling(layers.Layer):  # type: ignore[misc, name-defined]
    """Draws from a normal distribution, in inference as well."""

    def call(self, inputs: Any) -> Any:
        z_mean, z_log_var = inputs
        epsilon = tf.random.normal(shape=(tf.shape(z_mean)[0], tf.shape(z_mean)[1]))
        return z_mean + tf.exp(0.5 * z_log_var) * epsilon * 1e-3


@architecture
def variational_encoder() -> Any:
    inputs = keras.Input((16, 16, 1))
    x = layers.Conv2D(8, 3, activation="relu", strides=2, padding="same")(inputs)
    x = layers.Dense(8, activation="relu")(layers.Flatten()(x))
    mean = layers.Dense(2, name="z_mean")(x)
    log_var = layers.Dense(2, name="z_log_var")(x)
    return keras.Model(inputs, [mean, log_var, Sampling(name="z")([mean, log_var])], name="encoder")


# -- attention, mixers ------------------------------------------------------------------


def mlp(x: Any, units: Any, rate: float) -> Any:
    for n in units:
        x = layers.Dropout(rate)(layers.Dense(n, activation=tf.nn.gelu)(x))
    return x


class Patches(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, patch_size: int) -> None:
        super().__init__()
        self.patch_size = patch_size

    def call(self, images: Any) -> Any:
        batch_size = tf.shape(images)[0]
        patches = tf.image.extract_patches(
            images=images,
            sizes=[1, self.patch_size, self.patch_size, 1],
            strides=[1, self.patch_size, self.patch_size, 1],
            rates=[1, 1, 1, 1],
            padding="VALID",
        )
        return tf.reshape(patches, [batch_size, -1, patches.shape[-1]])


class PatchEncoder(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, num_patches: int, projection_dim: int) -> None:
        super().__init__()
        self.num_patches = num_patches
        self.projection = layers.Dense(units=projection_dim)
        self.position_embedding = layers.Embedding(num_patches, projection_dim)

    def call(self, patch: Any) -> Any:
        positions = tf.range(start=0, limit=self.num_patches, delta=1)
        return self.projection(patch) + self.position_embedding(positions)


@architecture
def vision_transformer_from_a_tutorial() -> Any:
    inputs = keras.Input((16, 16, 3))
    encoded = PatchEncoder(16, 8)(Patches(4)(inputs))
    for _ in range(2):
        x1 = layers.LayerNormalization(epsilon=1e-6)(encoded)
        attention = layers.MultiHeadAttention(num_heads=2, key_dim=8, dropout=0.1)(x1, x1)
        x2 = layers.Add()([attention, encoded])
        x3 = mlp(layers.LayerNormalization(epsilon=1e-6)(x2), [16, 8], 0.1)
        encoded = layers.Add()([x3, x2])
    x = layers.Dropout(0.5)(layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(encoded)))
    return keras.Model(inputs, layers.Dense(5)(mlp(x, [12], 0.5)))


@keras.utils.register_keras_serializable(package="architectures")
class ClassToken(layers.Layer):  # type: ignore[misc, name-defined]
    def build(self, input_shape: Any) -> None:
        self.hidden_size = input_shape[-1]
        self.cls = tf.Variable(
            name="cls",
            initial_value=tf.zeros_initializer()(shape=(1, 1, self.hidden_size), dtype="float32"),
            trainable=True,
        )

    def call(self, inputs: Any) -> Any:
        batch_size = tf.shape(inputs)[0]
        cls = tf.cast(
            tf.broadcast_to(self.cls, [batch_size, 1, self.hidden_size]), dtype=inputs.dtype
        )
        return tf.concat([cls, inputs], 1)


@keras.utils.register_keras_serializable(package="architectures")
class AddPositionEmbs(layers.Layer):  # type: ignore[misc, name-defined]
    def build(self, input_shape: Any) -> None:
        self.pe = self.add_weight(
            "pos_embedding", (1, input_shape[1], input_shape[2]), initializer="random_normal"
        )

    def call(self, inputs: Any) -> Any:
        return inputs + tf.cast(self.pe, dtype=inputs.dtype)


@keras.utils.register_keras_serializable(package="architectures")
class MultiHeadSelfAttention(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, *args: Any, num_heads: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.num_heads = num_heads

    def build(self, input_shape: Any) -> None:
        hidden_size = input_shape[-1]
        self.hidden_size = hidden_size
        self.projection_dim = hidden_size // self.num_heads
        self.query_dense = layers.Dense(hidden_size, name="query")
        self.key_dense = layers.Dense(hidden_size, name="key")
        self.value_dense = layers.Dense(hidden_size, name="value")
        self.combine_heads = layers.Dense(hidden_size, name="out")

    def attention(self, query: Any, key: Any, value: Any) -> Any:
        score = tf.matmul(query, key, transpose_b=True)
        dim_key = tf.cast(tf.shape(key)[-1], score.dtype)
        weights = tf.nn.softmax(score / tf.math.sqrt(dim_key), axis=-1)
        return tf.matmul(weights, value), weights

    def separate_heads(self, x: Any, batch_size: Any) -> Any:
        x = tf.reshape(x, (batch_size, -1, self.num_heads, self.projection_dim))
        return tf.transpose(x, perm=[0, 2, 1, 3])

    def call(self, inputs: Any) -> Any:
        batch_size = tf.shape(inputs)[0]
        query, key, value = (
            self.separate_heads(dense(inputs), batch_size)
            for dense in (self.query_dense, self.key_dense, self.value_dense)
        )
        attention, weights = self.attention(query, key, value)
        attention = tf.transpose(attention, perm=[0, 2, 1, 3])
        attention = tf.reshape(attention, (batch_size, -1, self.hidden_size))
        return self.combine_heads(attention), weights

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_heads": self.num_heads}


@keras.utils.register_keras_serializable(package="architectures")
class TransformerBlock(layers.Layer):  # type: ignore[misc, name-defined]
    """Returns the attention weights as well, as several ports do."""

    def __init__(self, *args: Any, num_heads: int, mlp_dim: int, dropout: float, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.num_heads, self.mlp_dim, self.dropout = num_heads, mlp_dim, dropout

    def build(self, input_shape: Any) -> None:
        self.att = MultiHeadSelfAttention(num_heads=self.num_heads, name="MultiHead_1")
        self.mlpblock = keras.Sequential(
            [
                layers.Dense(self.mlp_dim, activation="linear", name="Dense_0"),
                layers.Lambda(lambda x: keras.activations.gelu(x, approximate=False)),
                layers.Dropout(self.dropout),
                layers.Dense(input_shape[-1], name="Dense_1"),
            ],
            name="MlpBlock_3",
        )
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout_layer = layers.Dropout(self.dropout)

    def call(self, inputs: Any, training: Any = None) -> Any:
        x, weights = self.att(self.layernorm1(inputs))
        x = self.dropout_layer(x, training=training) + inputs
        return x + self.mlpblock(self.layernorm2(x)), weights

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(num_heads=self.num_heads, mlp_dim=self.mlp_dim, dropout=self.dropout)
        return config


@architecture
def vision_transformer_with_class_token() -> Any:
    inputs = keras.Input((16, 16, 3))
    y = layers.Conv2D(8, 4, strides=4, padding="valid", name="embedding")(inputs)
    y = layers.Reshape((y.shape[1] * y.shape[2], 8))(y)
    y = AddPositionEmbs(name="posembed")(ClassToken(name="class_token")(y))
    for n in range(2):
        y, _ = TransformerBlock(num_heads=2, mlp_dim=12, dropout=0.1, name=f"encoder_{n}")(y)
    y = layers.LayerNormalization(epsilon=1e-6, name="encoder_norm")(y)
    y = layers.Lambda(lambda v: v[:, 0], name="ExtractToken")(y)
    return keras.Model(inputs, layers.Dense(5, name="head")(y))


def window_partition(x: Any, size: int) -> Any:
    _, height, width, channels = x.shape
    x = tf.reshape(x, (-1, height // size, size, width // size, size, channels))
    x = tf.transpose(x, (0, 1, 3, 2, 4, 5))
    return tf.reshape(x, (-1, size, size, channels))


def window_reverse(windows: Any, size: int, height: int, width: int, channels: int) -> Any:
    x = tf.reshape(windows, (-1, height // size, width // size, size, size, channels))
    x = tf.transpose(x, (0, 1, 3, 2, 4, 5))
    return tf.reshape(x, (-1, height, width, channels))


class WindowAttention(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, dim: int, window_size: int, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim, self.window_size, self.num_heads = dim, window_size, num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = layers.Dense(dim * 3)
        self.dropout = layers.Dropout(0.1)
        self.proj = layers.Dense(dim)

    def build(self, input_shape: Any) -> None:
        n = self.window_size
        self.table = self.add_weight(
            "table", ((2 * n - 1) ** 2, self.num_heads), initializer="random_normal"
        )
        coords = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij")).reshape(2, -1)
        relative = (coords[:, :, None] - coords[:, None, :]).transpose([1, 2, 0]) + n - 1
        index = relative[..., 0] * (2 * n - 1) + relative[..., 1]
        self.relative_position_index = tf.Variable(index, trainable=False, name="index")

    def call(self, x: Any, mask: Any = None) -> Any:
        _, size, channels = x.shape
        head_dim = channels // self.num_heads
        x_qkv = tf.reshape(self.qkv(x), (-1, size, 3, self.num_heads, head_dim))
        q, k, v = tf.unstack(tf.transpose(x_qkv, (2, 0, 3, 1, 4)), axis=0)
        attn = (q * self.scale) @ tf.transpose(k, (0, 1, 3, 2))
        index = tf.reshape(self.relative_position_index, (-1,))
        bias = tf.reshape(tf.gather(self.table, index), (size, size, -1))
        attn = attn + tf.expand_dims(tf.transpose(bias, (2, 0, 1)), axis=0)
        if mask is not None:
            windows = mask.shape[0]
            mask = tf.cast(tf.expand_dims(tf.expand_dims(mask, axis=1), axis=0), tf.float32)
            attn = tf.reshape(attn, (-1, windows, self.num_heads, size, size)) + mask
            attn = tf.reshape(attn, (-1, self.num_heads, size, size))
        attn = self.dropout(keras.activations.softmax(attn, axis=-1))
        x = tf.reshape(tf.transpose(attn @ v, (0, 2, 1, 3)), (-1, size, channels))
        return self.dropout(self.proj(x))


class ShiftedWindowBlock(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, dim: int, side: int, heads: int, window: int, shift: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.dim, self.side, self.window_size, self.shift_size = dim, side, window, shift
        self.norm1 = layers.LayerNormalization(epsilon=1e-5)
        self.attn = WindowAttention(dim, window, heads)
        self.drop_path = DropPath(0.1)
        self.norm2 = layers.LayerNormalization(epsilon=1e-5)
        self.mlp = keras.Sequential(
            [
                layers.Dense(2 * dim),
                layers.Activation("gelu"),
                layers.Dropout(0.1),
                layers.Dense(dim),
            ]
        )

    def build(self, input_shape: Any) -> None:
        self.attn_mask = None
        if self.shift_size:
            mask = np.zeros((1, self.side, self.side, 1), "float32")
            cuts = (slice(0, -self.window_size), slice(-self.window_size, -self.shift_size))
            cuts = (*cuts, slice(-self.shift_size, None))
            for count, (h, w) in enumerate((h, w) for h in cuts for w in cuts):
                mask[:, h, w, :] = count
            windows = tf.reshape(window_partition(tf.constant(mask), self.window_size), (-1, 4))
            difference = tf.expand_dims(windows, 1) - tf.expand_dims(windows, 2)
            value = tf.where(difference != 0, -5.0, difference)
            self.attn_mask = tf.Variable(value, trainable=False, name="mask")
        self.built = True

    def call(self, x: Any, training: Any = None) -> Any:
        side, size = self.side, self.window_size
        skip = x
        x = tf.reshape(self.norm1(x), (-1, side, side, self.dim))
        shift = self.shift_size
        shifted = tf.roll(x, shift=[-shift, -shift], axis=[1, 2]) if shift else x
        windows = tf.reshape(window_partition(shifted, size), (-1, size * size, self.dim))
        windows = self.attn(windows, mask=self.attn_mask)
        windows = tf.reshape(windows, (-1, size, size, self.dim))
        x = window_reverse(windows, size, side, side, self.dim)
        x = tf.roll(x, shift=[shift, shift], axis=[1, 2]) if shift else x
        x = skip + self.drop_path(tf.reshape(x, (-1, side * side, self.dim)), training=training)
        return x + self.drop_path(self.mlp(self.norm2(x)), training=training)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dim": self.dim,
            "side": self.side,
            "heads": self.attn.num_heads,
            "window": self.window_size,
            "shift": self.shift_size,
        }


class PatchMerging(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, side: int, embed_dim: int) -> None:
        super().__init__()
        self.side, self.embed_dim = side, embed_dim
        self.linear_trans = layers.Dense(2 * embed_dim, use_bias=False)

    def call(self, x: Any) -> Any:
        x = tf.reshape(x, (-1, self.side, self.side, self.embed_dim))
        corners = [x[:, i::2, j::2, :] for j in (0, 1) for i in (0, 1)]
        x = tf.concat(corners, axis=-1)
        x = tf.reshape(x, (-1, (self.side // 2) ** 2, 4 * self.embed_dim))
        return self.linear_trans(x)


@architecture
def shifted_windows() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = layers.Reshape((16, 8))(layers.Conv2D(8, 4, strides=4)(inputs))
    x = x + layers.Embedding(16, 8)(tf.range(16))
    for shift in (0, 1):
        x = ShiftedWindowBlock(8, 4, 2, 2, shift)(x)
    x = PatchMerging(4, 8)(x)
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling1D()(x)))


class MixerLayer(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, num_patches: int, hidden: int, rate: float, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.mlp1 = keras.Sequential(
            [layers.Dense(num_patches), layers.Activation("gelu"), layers.Dense(num_patches)]
        )
        self.mlp2 = keras.Sequential(
            [layers.Dense(hidden), layers.Activation("gelu"), layers.Dense(hidden)]
        )
        self.mlp2.add(layers.Dropout(rate=rate))
        self.normalize = layers.LayerNormalization(epsilon=1e-6)

    def build(self, input_shape: Any) -> Any:
        return super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        x = self.normalize(inputs)
        x_channels = tf.linalg.matrix_transpose(x)
        mlp1_outputs = tf.linalg.matrix_transpose(self.mlp1(x_channels))
        x = mlp1_outputs + inputs
        return x + self.mlp2(self.normalize(x))


@architecture
def all_mlp_mixer() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = layers.Reshape((16, 48))(inputs)
    x = layers.Dense(8)(x)
    x = keras.Sequential([MixerLayer(16, 8, 0.1) for _ in range(2)])(x)
    y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
    y = layers.Permute((2, 1))(layers.Dense(16, activation="gelu")(y))
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(layers.add([x, y])))
    return keras.Model(inputs, layers.Dense(5)(x))


class SpatialGating(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, num_patches: int, dim: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.channel_projection1 = keras.Sequential([layers.Dense(dim * 2), layers.ReLU()])
        self.channel_projection2 = layers.Dense(dim)
        self.spatial_projection = layers.Dense(num_patches, bias_initializer="Ones")
        self.normalize1 = layers.LayerNormalization(epsilon=1e-6)
        self.normalize2 = layers.LayerNormalization(epsilon=1e-6)

    def spatial_gating_unit(self, x: Any) -> Any:
        u, v = tf.split(x, num_or_size_splits=2, axis=2)
        v = tf.linalg.matrix_transpose(self.normalize2(v))
        return u * tf.linalg.matrix_transpose(self.spatial_projection(v))

    def call(self, inputs: Any) -> Any:
        x = self.channel_projection1(self.normalize1(inputs))
        return inputs + self.channel_projection2(self.spatial_gating_unit(x))


@architecture
def gated_mlp() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = layers.Dense(8)(Patches(4)(inputs))
    x = x + layers.Embedding(16, 8)(tf.range(start=0, limit=16, delta=1))
    for _ in range(2):
        x = SpatialGating(16, 8)(x)
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling1D()(x)))


@architecture
def convolutional_mixer() -> Any:
    def block(x: Any) -> Any:
        return layers.BatchNormalization()(layers.Activation("gelu")(x))

    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(scale=1.0 / 2)(inputs)
    x = block(layers.Conv2D(8, kernel_size=2, strides=2)(x))
    for _ in range(2):
        x0 = x
        x = layers.DepthwiseConv2D(kernel_size=5, padding="same")(x)
        x = layers.Add()([block(x), x0])
        x = block(layers.Conv2D(8, kernel_size=1)(x))
    return classifier(inputs, x)


class PoolMixer(layers.Layer):  # type: ignore[misc, name-defined]
    """Average pooling minus its input, in place of attention."""

    def __init__(self, dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim = dim
        self.norm = layers.GroupNormalization(groups=1, epsilon=1e-5)
        self.pool = layers.AveragePooling2D(3, strides=1, padding="same")
        self.fc1 = layers.Conv2D(2 * dim, 1)
        self.fc2 = layers.Conv2D(dim, 1)
        self.norm2 = layers.LayerNormalization(axis=[1, 2, 3])
        self.scale = self.add_weight("scale", (dim,), initializer="ones")

    def call(self, x: Any) -> Any:
        y = self.norm(x)
        x = x + self.scale * (self.pool(y) - y)
        return x + self.fc2(keras.activations.gelu(self.fc1(self.norm2(x))))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dim": self.dim}


@architecture
def pooling_mixer() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 7, strides=4, padding="same")(inputs)
    x = PoolMixer(8)(PoolMixer(8)(x))
    return classifier(inputs, x)


@architecture
def mobile_vision_transformer() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1.0 / 2)(inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="swish")(x)
    local = layers.Conv2D(8, 1, activation=tf.nn.swish)(x)
    unfolded = layers.Reshape((4, 16, 8))(local)
    y = unfolded
    for _ in range(1):
        x1 = layers.LayerNormalization(epsilon=1e-6)(y)
        attention = layers.MultiHeadAttention(num_heads=2, key_dim=8, dropout=0.1)(x1, x1)
        x2 = layers.Add()([attention, y])
        x3 = layers.Dense(8, activation=tf.nn.swish)(layers.LayerNormalization(epsilon=1e-6)(x2))
        y = layers.Add()([x3, x2])
    folded = layers.Reshape((*local.shape[1:-1], 8))(y)
    folded = layers.Conv2D(8, 1, activation=tf.nn.swish)(folded)
    x = layers.Concatenate(axis=-1)([x, folded])
    return classifier(inputs, layers.Conv2D(8, 3, padding="same", activation=tf.nn.swish)(x))


@architecture
def convolution_and_relative_attention() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = conv_bn(inputs, 8, 3, 4, "gelu")
    y = layers.BatchNormalization()(x)
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(conv_bn(y, 16, 1, act="gelu"))
    x = x + layers.Conv2D(8, 1)(layers.Activation("gelu")(layers.BatchNormalization()(y)))
    x = layers.LayerNormalization()(layers.Reshape((16, 8))(x))
    qkv = layers.Dense(24, use_bias=False)(x)
    q, k, v = (
        tf.transpose(tf.reshape(t, [-1, 16, 2, 4]), [0, 2, 1, 3]) for t in tf.split(qkv, 3, -1)
    )
    logits = tf.einsum("bhid,bhjd->bhij", q, k) * 0.5
    logits = RelativeBias()(logits)
    out = tf.einsum("bhij,bhjd->bihd", tf.nn.softmax(logits, -1), v)
    x = x + layers.Dense(8)(tf.reshape(out, [-1, 16, 8]))
    return keras.Model(inputs, layers.Dense(5)(tf.reduce_mean(x, axis=1)))


class RelativeBias(layers.Layer):  # type: ignore[misc, name-defined]
    def build(self, input_shape: Any) -> None:
        self.bias = self.add_weight("bias", input_shape[1:], initializer="random_normal")
        super().build(input_shape)

    def call(self, logits: Any) -> Any:
        return logits + self.bias[None]


class ConvTokenizer(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, channels: Any = (4, 8), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conv_model = keras.Sequential()
        for filters in channels:
            self.conv_model.add(
                layers.Conv2D(filters, 3, 1, padding="valid", use_bias=False, activation="relu")
            )
            self.conv_model.add(layers.ZeroPadding2D(1))
            self.conv_model.add(layers.MaxPooling2D(3, 2, "same"))

    def call(self, images: Any) -> Any:
        outputs = self.conv_model(images)
        shape = tf.shape(outputs)
        return tf.reshape(outputs, (shape[0], shape[1] * shape[2], outputs.shape[-1]))


class SequencePooling(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.attention = layers.Dense(1)

    def call(self, x: Any) -> Any:
        weights = tf.nn.softmax(self.attention(x), axis=1)
        weights = tf.transpose(weights, perm=(0, 2, 1))
        return tf.squeeze(tf.matmul(weights, x), -2)


@architecture
def compact_convolutional_transformer() -> Any:
    inputs = keras.Input((16, 16, 3))
    x = ConvTokenizer()(inputs)
    x = x + PositionTable(16)(x)
    x1 = layers.LayerNormalization(epsilon=1e-5)(x)
    attention = layers.MultiHeadAttention(num_heads=2, key_dim=8, dropout=0.1)(x1, x1)
    x2 = layers.Add()([DropPath(0.1)(attention), x])
    x3 = mlp(layers.LayerNormalization(epsilon=1e-5)(x2), [8, 8], 0.1)
    x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([DropPath(0.1)(x3), x2]))
    return keras.Model(inputs, layers.Dense(5)(SequencePooling()(x)))


class PositionTable(layers.Layer):  # type: ignore[misc, name-defined]
    """Returns a table that depends on the shape of its input alone."""

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = length

    def build(self, input_shape: Any) -> None:
        self.table = self.add_weight("table", (self.length, int(input_shape[-1])))
        self.built = True

    def call(self, inputs: Any) -> Any:
        shape = tf.shape(inputs)
        return tf.broadcast_to(self.table[: shape[-2]], shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length}


@architecture
def external_attention() -> Any:
    inputs = keras.Input((16, 8))
    x = layers.Dense(16)(layers.LayerNormalization(epsilon=1e-6)(inputs))
    x = tf.transpose(tf.reshape(x, shape=(-1, 16, 4, 4)), perm=[0, 2, 1, 3])
    attention = layers.Softmax(axis=2)(layers.Dense(6)(x))
    attention = layers.Lambda(
        lambda t: tf.divide(t, tf.convert_to_tensor(1e-9) + tf.reduce_sum(t, -1, keepdims=True))
    )(attention)
    x = tf.transpose(layers.Dense(4)(layers.Dropout(0.1)(attention)), perm=[0, 2, 1, 3])
    x = layers.Dense(8)(tf.reshape(x, [-1, 16, 16]))
    return keras.Model(inputs, layers.GlobalAveragePooling1D()(layers.Add()([x, inputs])))


class Latents(layers.Layer):  # type: ignore[misc, name-defined]
    """Learnt queries, repeated for each sample."""

    def build(self, input_shape: Any) -> None:
        self.latents = self.add_weight("latents", (4, 8), initializer="random_normal")

    def call(self, x: Any) -> Any:
        return tf.repeat(self.latents[tf.newaxis], tf.shape(x)[0], axis=0)


@architecture
def cross_attention_with_latents() -> Any:
    inputs = keras.Input((16, 8))
    latents = Latents()(inputs)
    x = layers.LayerNormalization()(latents)
    q, k, v = layers.Dense(8)(x), layers.Dense(8)(inputs), layers.Dense(8)(inputs)
    x = layers.Attention(use_scale=True)([q, v, k]) + latents
    x = layers.AdditiveAttention()([x, inputs]) + x
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalMaxPooling1D()(x)))


class LambdaResidual(layers.Layer):  # type: ignore[misc, name-defined]
    """Holds any layer it is given, as wrappers of residual branches do."""

    def __init__(self, fn: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fn = fn

    def call(self, x: Any, training: Any = None) -> Any:
        return self.fn(x, training=training) + x


@architecture
def residual_wrappers() -> Any:
    inputs = keras.Input((16, 16, 4))
    branch = keras.Sequential(
        [layers.DepthwiseConv2D(3, padding="same"), layers.BatchNormalization(), layers.ReLU()]
    )
    x = LambdaResidual(branch)(inputs)
    x = LambdaResidual(LambdaResidual(layers.Conv2D(4, 1)))(x)
    return classifier(inputs, x)


# -- text, audio, sequences, video ------------------------------------------------------


@architecture
def text_convolutions() -> Any:
    inputs = keras.Input((16,), dtype="int32")
    x = layers.Embedding(20, 8)(inputs)
    pooled = []
    for size in (2, 3, 4):
        y = layers.Conv1D(6, size, activation="relu")(x)
        pooled.append(layers.GlobalMaxPooling1D()(y))
    x = layers.Dropout(0.5)(layers.Concatenate()(pooled))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


class TokenAndPositionEmbedding(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, maxlen: int, vocab_size: int, embed_dim: int) -> None:
        super().__init__()
        self.token_emb = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def call(self, x: Any) -> Any:
        maxlen = tf.shape(x)[-1]
        positions = self.pos_emb(tf.range(start=0, limit=maxlen, delta=1))
        return self.token_emb(x) + positions


class TextTransformerBlock(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, embed_dim: int, num_heads: int, ff_dim: int, rate: float = 0.1) -> None:
        super().__init__()
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = keras.Sequential(
            [layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)]
        )
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1, self.dropout2 = layers.Dropout(rate), layers.Dropout(rate)

    def call(self, inputs: Any, training: Any = None) -> Any:
        attn_output = self.dropout1(self.att(inputs, inputs), training=training)
        out1 = self.layernorm1(inputs + attn_output)
        ffn_output = self.dropout2(self.ffn(out1), training=training)
        return self.layernorm2(out1 + ffn_output)


@architecture
def text_transformer() -> Any:
    inputs = keras.Input((12,), dtype="int32")
    x = TokenAndPositionEmbedding(12, 20, 8)(inputs)
    x = TextTransformerBlock(8, 2, 12)(x)
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(x))
    return keras.Model(inputs, layers.Dense(2, activation="softmax")(x))


@architecture
def masked_text_encoder() -> Any:
    ids = keras.Input((8,), dtype="int32", name="ids")
    mask = keras.Input((8,), dtype="int32", name="mask")
    x = layers.Embedding(20, 8)(ids)
    bias = (1.0 - tf.cast(mask[:, tf.newaxis, tf.newaxis, :], tf.float32)) * -10.0
    q, k, v = (layers.Dense(8)(x) for _ in range(3))
    q, k, v = (tf.transpose(tf.reshape(t, [-1, 8, 2, 4]), [0, 2, 1, 3]) for t in (q, k, v))
    scores = tf.matmul(q, k, transpose_b=True) / math.sqrt(4.0) + bias
    y = tf.transpose(tf.matmul(tf.nn.softmax(scores), v), [0, 2, 1, 3])
    y = layers.Reshape((-1, 8))(y)
    x = layers.LayerNormalization(epsilon=1e-12)(x + y)
    return keras.Model({"ids": ids, "mask": mask}, layers.Dense(3)(tf.gather(x, 0, axis=1)))


@architecture
def convolutional_recurrent_ocr() -> Any:
    inputs = keras.Input((32, 16, 1), name="image")
    x = layers.Conv2D(8, 3, activation="relu", padding="same")(inputs)
    x = layers.MaxPooling2D((2, 2))(x)
    x = layers.Conv2D(8, 3, activation="relu", padding="same")(x)
    x = layers.MaxPooling2D((2, 2))(x)
    x = layers.Dense(8, activation="relu")(layers.Reshape(target_shape=(8, 32))(x))
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True, dropout=0.25))(x)
    x = layers.Bidirectional(layers.GRU(4, return_sequences=True))(x)
    return keras.Model(inputs, layers.Dense(6, activation="softmax", name="out")(x))


@architecture
def temporal_convolutions() -> Any:
    inputs = keras.Input((24, 3))
    x = inputs
    for dilation in (1, 2, 4):
        y = x
        for _ in range(2):
            y = layers.Conv1D(6, 3, padding="causal", dilation_rate=dilation)(y)
            y = layers.Activation("relu")(layers.BatchNormalization()(y))
            y = layers.SpatialDropout1D(0.1)(y)
        x = layers.Conv1D(6, 1, padding="same")(x) if x.shape[-1] != 6 else x
        x = layers.Activation("relu")(layers.add([x, y]))
    x = layers.Lambda(lambda t: t[:, -1, :])(x)
    return keras.Model(inputs, layers.Dense(1)(x))


@architecture
def gated_dilated_audio() -> Any:
    inputs = keras.Input((32, 1))
    x = layers.Conv1D(6, 2, padding="causal")(inputs)
    skips = []
    for dilation in (1, 2, 4):
        f = layers.Conv1D(6, 2, padding="causal", dilation_rate=dilation, activation="tanh")(x)
        g = layers.Conv1D(6, 2, padding="causal", dilation_rate=dilation, activation="sigmoid")(x)
        z = layers.Multiply()([f, g])
        skips.append(layers.Conv1D(6, 1)(z))
        x = layers.Add()([x, layers.Conv1D(6, 1)(z)])
    x = layers.Activation("relu")(layers.Add()(skips))
    return keras.Model(inputs, layers.Conv1D(4, 1, activation="softmax")(x))


@architecture
def convolution_augmented_speech() -> Any:
    inputs = keras.Input((16, 8))
    y = layers.Dense(16, activation="swish")(layers.LayerNormalization()(inputs))
    x = inputs + 0.5 * layers.Dropout(0.1)(layers.Dense(8)(y))
    x = x + layers.MultiHeadAttention(2, 4)(x, x, x)
    y = layers.Conv1D(16, 1)(layers.LayerNormalization()(x))
    a, b = tf.split(y, 2, axis=-1)
    y = a * tf.sigmoid(b)
    y = layers.DepthwiseConv1D(3, padding="same")(y)
    y = tf.nn.swish(layers.BatchNormalization()(y))
    x = x + layers.SeparableConv1D(8, 3, padding="same")(y)
    pooled = tf.concat([tf.reduce_mean(x, 1), tf.math.reduce_std(x, 1)], axis=-1)
    return keras.Model(inputs, layers.Dense(5)(pooled))


@architecture
def recurrent_and_convolutional_series() -> Any:
    inputs = keras.Input((12, 3))
    a = layers.LSTM(4)(layers.Permute((2, 1))(layers.Masking()(inputs)))
    x = inputs
    for filters in (6, 8):
        x = layers.Conv1D(filters, 3, padding="same", kernel_initializer="he_uniform")(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
        s = layers.Reshape((1, filters))(layers.GlobalAveragePooling1D()(x))
        s = layers.Dense(2, activation="relu")(s)
        x = layers.multiply([x, layers.Dense(filters, activation="sigmoid")(s)])
    x = layers.concatenate([a, layers.GlobalAveragePooling1D()(x)])
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(x))


@architecture
def frames_one_by_one() -> Any:
    frame = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(6, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
        ]
    )
    inputs = keras.Input((4, 12, 12, 3))
    x = layers.TimeDistributed(frame)(inputs)
    x = layers.TimeDistributed(layers.Dense(6, activation="relu"))(x)
    return keras.Model(inputs, layers.Dense(5)(layers.GRU(4)(x)))


@architecture
def recurrent_convolutions() -> Any:
    inputs = keras.Input((4, 8, 8, 1))
    x = layers.ConvLSTM2D(4, 3, padding="same", return_sequences=True, activation="relu")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Conv3D(1, 3, activation="sigmoid", padding="same")(x)
    return keras.Model(inputs, x)


class Conv2Plus1D(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, filters: int, kernel_size: Any, padding: str) -> None:
        super().__init__()
        self.seq = keras.Sequential(
            [
                layers.Conv3D(filters, (1, kernel_size[1], kernel_size[2]), padding=padding),
                layers.Conv3D(filters, (kernel_size[0], 1, 1), padding=padding),
            ]
        )

    def call(self, x: Any) -> Any:
        return self.seq(x)


@architecture
def factorized_video() -> Any:
    inputs = keras.Input((4, 12, 12, 3))
    x = layers.ReLU()(layers.BatchNormalization()(Conv2Plus1D(6, (3, 3, 3), "same")(inputs)))
    x = layers.MaxPool3D(2)(x)
    x = layers.Add()([x, Conv2Plus1D(6, (3, 3, 3), "same")(layers.LayerNormalization()(x))])
    x = layers.GlobalAveragePooling3D()(x)
    return keras.Model(inputs, layers.Dense(5)(layers.Flatten()(x)))


# -- several inputs, shared parts -------------------------------------------------------


@architecture
def siamese_distance() -> Any:
    def euclidean(vectors: Any) -> Any:
        x, y = vectors
        total = tf.math.reduce_sum(tf.math.square(x - y), axis=1, keepdims=True)
        return tf.math.sqrt(tf.math.maximum(total, keras.backend.epsilon()))

    tower_input = keras.Input((12, 12, 1))
    x = layers.BatchNormalization()(tower_input)
    x = layers.AveragePooling2D()(layers.Conv2D(4, 5, activation="tanh")(x))
    x = layers.BatchNormalization()(layers.Flatten()(x))
    tower = keras.Model(tower_input, layers.Dense(6, activation="tanh")(x))
    a, b = keras.Input((12, 12, 1), name="left"), keras.Input((12, 12, 1), name="right")
    merged = layers.Lambda(euclidean, output_shape=(1,))([tower(a), tower(b)])
    merged = layers.Dense(1, activation="sigmoid")(layers.BatchNormalization()(merged))
    difference = layers.Lambda(lambda t: backend.abs(t[0] - t[1]))([tower(a), tower(b)])
    cosine = layers.Dot(axes=1, normalize=True)([tower(a), tower(b)])
    return keras.Model([a, b], [merged, layers.Dense(2)(difference), cosine])


@architecture
def triplet_distances() -> Any:
    x = image = keras.Input((12, 12, 3))
    x = conv_bn(x, 6, 3, 2)
    embedding = keras.Model(image, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)), name="Emb")

    class Distance(layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, anchor: Any, positive: Any, negative: Any) -> Any:
            near = tf.reduce_sum(tf.square(anchor - positive), -1)
            return near, tf.reduce_sum(tf.square(anchor - negative), -1)

    inputs = [keras.Input((12, 12, 3), name=n) for n in ("anchor", "positive", "negative")]
    near, far = Distance()(*[embedding(i) for i in inputs])
    return keras.Model(inputs, [near, far])


@architecture
def wide_and_deep() -> Any:
    numbers = keras.Input((6,), name="numbers")
    kind = keras.Input((1,), dtype="int32", name="kind")
    picture = keras.Input((12, 12, 3), name="picture")
    e = layers.Flatten()(layers.Embedding(5, 4)(kind))
    p = layers.Flatten()(layers.Conv2D(4, 3, activation="relu", strides=2)(picture))
    one_hot = layers.CategoryEncoding(5, output_mode="one_hot")(kind)
    deep = layers.concatenate([layers.BatchNormalization()(numbers), e, p, one_hot])
    deep = layers.Dense(8, activation="relu", kernel_regularizer="l2")(deep)
    cross = layers.Multiply()([deep, layers.Dense(8)(deep)])
    price = layers.Dense(1, name="price")(layers.concatenate([cross, numbers]))
    label = layers.Dense(3, activation="softmax", name="label")(deep)
    return keras.Model({"numbers": numbers, "kind": kind, "picture": picture},
                       {"price": price, "label": label})  # fmt: skip


class GatedLinearUnit(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, units: int) -> None:
        super().__init__()
        self.linear = layers.Dense(units)
        self.sigmoid = layers.Dense(units, activation="sigmoid")

    def call(self, inputs: Any) -> Any:
        return self.linear(inputs) * self.sigmoid(inputs)


class GatedResidualNetwork(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, units: int, dropout_rate: float) -> None:
        super().__init__()
        self.units = units
        self.elu_dense = layers.Dense(units, activation="elu")
        self.linear_dense = layers.Dense(units)
        self.dropout = layers.Dropout(dropout_rate)
        self.gated_linear_unit = GatedLinearUnit(units)
        self.layer_norm = layers.LayerNormalization()
        self.project = layers.Dense(units)

    def call(self, inputs: Any) -> Any:
        x = self.dropout(self.linear_dense(self.elu_dense(inputs)))
        if inputs.shape[-1] != self.units:
            inputs = self.project(inputs)
        return self.layer_norm(inputs + self.gated_linear_unit(x))


class VariableSelection(layers.Layer):  # type: ignore[misc, name-defined]
    """A list of layers, one per feature, and a softmax that weighs them."""

    def __init__(self, num_features: int, units: int, dropout_rate: float) -> None:
        super().__init__()
        self.grns = []
        for _ in range(num_features):
            self.grns.append(GatedResidualNetwork(units, dropout_rate))
        self.grn_concat = GatedResidualNetwork(units, dropout_rate)
        self.softmax = layers.Dense(units=num_features, activation="softmax")

    def call(self, inputs: Any) -> Any:
        v = self.grn_concat(layers.concatenate(inputs))
        v = tf.expand_dims(self.softmax(v), axis=-1)
        x = tf.stack([grn(feature) for grn, feature in zip(self.grns, inputs)], axis=1)  # noqa: B905
        return tf.squeeze(tf.matmul(v, x, transpose_a=True), axis=1)


@architecture
def gated_feature_selection() -> Any:
    inputs = [keras.Input((3,), name=f"f{i}") for i in range(3)]
    features = [layers.Dense(4)(x) for x in inputs]
    x = VariableSelection(3, 4, 0.1)(features)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))


class OrthogonalRegularizer(keras.regularizers.Regularizer):  # type: ignore[misc, name-defined]
    def __init__(self, num_features: int, l2reg: float = 0.001) -> None:
        self.num_features, self.l2reg = num_features, l2reg

    def __call__(self, x: Any) -> Any:
        x = tf.reshape(x, (-1, self.num_features, self.num_features))
        xxt = tf.tensordot(x, x, axes=(2, 2))
        xxt = tf.reshape(xxt, (-1, self.num_features, self.num_features))
        return tf.reduce_sum(self.l2reg * tf.square(xxt - tf.eye(self.num_features)))

    def get_config(self) -> dict[str, Any]:
        return {"num_features": self.num_features, "l2reg": self.l2reg}


@architecture
def point_clouds() -> Any:
    def conv1(x: Any, filters: int) -> Any:
        x = layers.Conv1D(filters, kernel_size=1, padding="valid")(x)
        return layers.Activation("relu")(layers.BatchNormalization(momentum=0.0)(x))

    inputs = keras.Input((16, 3))
    bias = keras.initializers.Constant(np.eye(3).flatten())
    x = layers.GlobalMaxPooling1D()(conv1(inputs, 8))
    x = layers.Dense(
        9,
        kernel_initializer="zeros",
        bias_initializer=bias,
        activity_regularizer=OrthogonalRegularizer(3),
    )(x)
    x = layers.Dot(axes=(2, 1))([inputs, layers.Reshape((3, 3))(x)])
    x = layers.GlobalMaxPooling1D()(conv1(conv1(x, 8), 12))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))


@architecture
def graph_convolution() -> Any:
    nodes = keras.Input((10, 6), name="nodes")
    adjacency = keras.Input((10, 10), name="adjacency")
    x = nodes
    for units in (8, 4):
        x = layers.Dense(units, use_bias=False)(x)
        x = tf.nn.relu(tf.matmul(adjacency, x))
    h = tf.linalg.matmul(x, tf.transpose(x, perm=[0, 2, 1]))
    h = tf.where(adjacency > 0, h, -10.0 * tf.ones_like(h))
    x = tf.matmul(tf.nn.softmax(h, axis=-1), x)
    return keras.Model([nodes, adjacency], layers.Dense(3)(tf.reduce_max(x, axis=1)))


@architecture
def positional_encoding_field() -> Any:
    def encode(x: Any) -> Any:
        parts = [x]
        for i in range(2):
            parts += [fn(2.0**i * x) for fn in (tf.sin, tf.cos)]
        return tf.concat(parts, axis=-1)

    inputs = keras.Input((16, 3))
    start = x = layers.Lambda(encode)(inputs)
    for i in range(3):
        x = layers.Dense(12, activation="relu")(x)
        if i == 1:
            x = layers.concatenate([x, start], axis=-1)
    rgb = tf.sigmoid(layers.Dense(3)(x))
    sigma = tf.nn.relu(layers.Dense(1)(x)[..., 0])
    alpha = 1.0 - tf.exp(-sigma * 0.1)
    weights = alpha * tf.math.cumprod(1.0 - alpha + 1e-10, axis=-1, exclusive=True)
    return keras.Model(inputs, tf.reduce_sum(weights[..., None] * rgb, axis=-2))


# -- subclassed models, odd habits ------------------------------------------------------


class BasicBlock(keras.Model):  # type: ignore[misc, name-defined]
    """A subclassed model as a block, with an optional part."""

    def __init__(self, filters: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)
        self.bn1 = layers.BatchNormalization()
        self.conv2 = layers.Conv2D(filters, 3, padding="same", use_bias=False)
        self.bn2 = layers.BatchNormalization()
        self.shortcut = None
        if stride != 1:
            self.shortcut = keras.Sequential(
                [layers.Conv2D(filters, 1, stride, use_bias=False), layers.BatchNormalization()]
            )

    def call(self, inputs: Any, training: Any = None) -> Any:
        x = tf.nn.relu(self.bn1(self.conv1(inputs), training=training))
        x = self.bn2(self.conv2(x), training=training)
        skip = inputs if self.shortcut is None else self.shortcut(inputs, training=training)
        return tf.nn.relu(layers.add([x, skip]))


class SubclassedResNet(keras.Model):  # type: ignore[misc, name-defined]
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = layers.Conv2D(8, 3, padding="same")
        self.blocks = [BasicBlock(8), BasicBlock(16, 2)]
        self.pool = layers.GlobalAveragePooling2D()
        self.fc = layers.Dense(classes)

    def call(self, inputs: Any, training: Any = None) -> Any:
        x = self.stem(inputs)
        for block in self.blocks:
            x = block(x, training=training)
        x = self.pool(x)
        return {"logits": self.fc(x), "features": x}


@architecture
def subclassed_resnet() -> Any:
    model = SubclassedResNet(5)
    model(np.zeros((1, 16, 16, 3), "float32"))
    return model


class SubclassedTwoInputs(keras.Model):  # type: ignore[misc, name-defined]
    """Takes a dict, keeps a weight of its own, and uses functions where layers would do."""

    def __init__(self) -> None:
        super().__init__()
        self.image_branch = keras.Sequential([layers.Conv2D(4, 3, strides=2), layers.Flatten()])
        self.meta_branch = layers.Dense(6, activation="relu")
        self.out = layers.Dense(3)
        self.mix = self.add_weight("mix", (), initializer=keras.initializers.Constant(0.3))

    def call(self, inputs: Any) -> Any:
        a = self.image_branch(inputs["image"])
        b = self.meta_branch(inputs["meta"]) * self.mix
        return self.out(tf.concat([a, b], axis=1))


@architecture
def subclassed_with_dictionary() -> Any:
    model = SubclassedTwoInputs()
    model({"image": np.zeros((1, 8, 8, 3), "float32"), "meta": np.zeros((1, 5), "float32")})
    return model


class DownscaleBlock(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.convA = layers.Conv2D(filters, 3, 1, "same")
        self.convB = layers.Conv2D(filters, 3, 1, "same")
        self.reluA, self.reluB = layers.LeakyReLU(alpha=0.2), layers.LeakyReLU(alpha=0.2)
        self.bn2a, self.bn2b = layers.BatchNormalization(), layers.BatchNormalization()
        self.pool = layers.MaxPool2D((2, 2), (2, 2))

    def call(self, input_tensor: Any) -> Any:
        d = self.convA(input_tensor)
        x = self.reluA(self.bn2a(d))
        x = self.reluB(self.bn2b(self.convB(x)))
        x += d
        return x, self.pool(x)


class UpscaleBlock(layers.Layer):  # type: ignore[misc, name-defined]
    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.us = layers.UpSampling2D((2, 2))
        self.conv = layers.Conv2D(filters, 3, 1, "same")
        self.bn = layers.BatchNormalization()
        self.conc = layers.Concatenate()

    def call(self, x: Any, skip: Any) -> Any:
        return tf.nn.leaky_relu(self.bn(self.conv(self.conc([self.us(x), skip]))), alpha=0.2)


class DepthEstimator(keras.Model):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.downscale_blocks = [DownscaleBlock(4), DownscaleBlock(8)]
        self.bottle_neck_block = layers.Conv2D(8, 3, padding="same")
        self.upscale_blocks = [UpscaleBlock(8), UpscaleBlock(4)]
        self.conv_layer = layers.Conv2D(1, (1, 1), padding="same", activation="tanh")

    def call(self, x: Any) -> Any:
        c1, p1 = self.downscale_blocks[0](x)
        c2, p2 = self.downscale_blocks[1](p1)
        bn = self.bottle_neck_block(p2)
        u1 = self.upscale_blocks[0](bn, c2)
        return self.conv_layer(self.upscale_blocks[1](u1, c1))


@architecture
def depth_estimator() -> Any:
    model = DepthEstimator()
    model.build((None, 16, 16, 3))
    return model


class DenseBlock(layers.Layer):  # type: ignore[misc, name-defined]
    """Layers in a list and in a dict; a python branch on a constructor argument."""

    def __init__(self, growth: int, count: int, squeeze: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.growth, self.count, self.squeeze = growth, count, squeeze

    def build(self, input_shape: Any) -> None:
        self.steps = [
            {
                "bn": layers.BatchNormalization(),
                "conv": layers.Conv2D(self.growth, 3, padding="same"),
            }
            for _ in range(self.count)
        ]
        self.last = layers.Conv2D(self.growth, 1, use_bias=False)
        super().build(input_shape)

    def call(self, x: Any, training: Any = None) -> Any:
        for step in self.steps:
            y = step["conv"](tf.nn.relu(step["bn"](x, training=training)))
            x = tf.concat([x, y], axis=-1)
        return self.last(x) if self.squeeze else x

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "growth": self.growth,
            "count": self.count,
            "squeeze": self.squeeze,
        }


@architecture
def dense_blocks_as_layers() -> Any:
    inputs = keras.Input((12, 12, 3))
    x = DenseBlock(4, 2)(inputs)
    x = layers.AveragePooling2D()(DenseBlock(4, 2, squeeze=True)(x))
    return classifier(inputs, x)


@architecture
def half_precision() -> Any:
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        inputs = keras.Input((16, 16, 3))
        x = conv_bn(layers.Rescaling(1 / 2.0)(inputs), 8, act="swish")
        x = layers.add([x, LayerScale(0.1, 8, dtype="float32")(conv_bn(x, 8, act=None))])
        y = layers.LayerNormalization(epsilon=1e-5)(x)
        x = layers.GlobalAveragePooling2D()(x + layers.Dense(8, activation="gelu")(y))
        x = layers.Dense(5)(x)
        return keras.Model(inputs, layers.Activation("softmax", dtype="float32")(x))
    finally:
        keras.mixed_precision.set_global_policy(before)


@architecture
def transfer_learning() -> Any:
    base_input = keras.Input((16, 16, 3))
    base = keras.Model(base_input, conv_bn(conv_bn(base_input, 8), 8, 3, 2), name="backbone")
    base.trainable = False
    augment = keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1)], name="augment")
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            augment,
            layers.Rescaling(1.0 / 2),
            base,
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2),
            layers.Dense(5),
        ]
    )
    model.compile("adam", loss="mse")
    return model


@architecture
def ellipsis_slices() -> Any:
    inputs = keras.Input((8, 8, 6))
    x = layers.Conv2D(6, 1)(inputs)
    y = x[..., 0:2] * x[..., -2:] + x[:, ::2, ..., 1:3][:, :1]
    return keras.Model(inputs, [y, x[..., 0], x[:, ::2], inputs[..., tf.newaxis, 1]])


class Highway(layers.Layer):  # type: ignore[misc, name-defined]
    """Weights used with `tf.matmul`, without a layer around them."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Any) -> None:
        size = int(input_shape[-1])
        self.w = self.add_weight("w", (size, self.units), initializer="glorot_uniform")
        self.b = self.add_weight("b", (self.units,), initializer="zeros")
        self.wt = self.add_weight("wt", (size, self.units), initializer="glorot_uniform")

    def call(self, x: Any) -> Any:
        gate = tf.sigmoid(tf.matmul(x, self.wt) - 1.0)
        return gate * tf.nn.relu(tf.matmul(x, self.w) + self.b) + (1.0 - gate) * x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


class NoisyUnits(layers.Layer):  # type: ignore[misc, name-defined]
    """Computes something else in training, by the learning phase."""

    def call(self, x: Any, training: Any = None) -> Any:
        if training is None:
            training = backend.learning_phase()
        noisy = x + tf.random.normal(tf.shape(x), stddev=0.1)
        return tf.where(tf.cast(training, tf.bool), noisy, x)


@architecture
def highways() -> Any:
    inputs = keras.Input((8,))
    x = Highway(8)(inputs)
    x = NoisyUnits()(x)
    return keras.Model(inputs, layers.Dense(2)(Highway(8)(x)))
