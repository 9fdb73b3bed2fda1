"""Small models, each with one feature that a reader or a rule has to get right.

`TOYS` maps a name to a function that returns the model; inputs come from `batch_for`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from optim._keras import keras, tf

K = keras.layers
TOYS: dict[str, Callable[[], Any]] = {}


def toy(function: Callable[[], Any]) -> Callable[[], Any]:
    TOYS[function.__name__] = function
    return function


def image(size: int = 8, channels: int = 4, name: str | None = None) -> Any:
    return keras.Input((size, size, channels), name=name)


def batch_for(model: Any, seed: int = 0, size: int = 2) -> Any:
    """A batch of standard normal values (small integers for integer inputs)."""
    rng = np.random.default_rng(seed)

    def make(tensor: Any) -> np.ndarray:
        shape = [size, *(s or 8 for s in tensor.shape[1:])]
        if tensor.dtype.is_integer:
            return rng.integers(0, 4, shape).astype(tensor.dtype.as_numpy_dtype)
        return rng.normal(size=shape).astype(tensor.dtype.as_numpy_dtype)

    if model._is_graph_network:
        return tf.nest.map_structure(make, model.input)
    if model._saved_model_inputs_spec is not None:
        return tf.nest.map_structure(make, model._saved_model_inputs_spec)
    return make(tf.TensorSpec(model._build_input_shape))  # built, but never called


def randomize(model: Any, seed: int = 1) -> Any:
    """Give every weight a value that is no neutral element: no rule may rely on one."""
    rng = np.random.default_rng(seed)
    for layer in model._flatten_layers(include_self=False):
        for weight in layer._trainable_weights + layer._non_trainable_weights:
            if not weight.dtype.is_floating:
                continue
            low, high = (0.5, 1.5) if "var" in weight.name else (-0.4, 0.6)
            weight.assign(rng.uniform(low, high, weight.shape).astype("float32"))
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


@toy
def conv_bn_relu() -> Any:
    x = image()
    y = K.Conv2D(6, 3, use_bias=False)(x)
    y = K.ReLU()(K.BatchNormalization()(y))
    return keras.Model(x, K.Dense(3, activation="softmax")(K.GlobalAveragePooling2D()(y)))


@toy
def lone_normalization() -> Any:
    x = image()
    y = K.BatchNormalization()(x)
    a = K.Conv2D(5, 1)(K.Activation("relu")(y))
    b = K.BatchNormalization(scale=False)(K.Concatenate()([a, y]))
    return keras.Model(x, K.BatchNormalization(center=False)(K.MaxPooling2D()(b)))


@toy
def normalization_of_vectors_and_sequences() -> Any:
    x = keras.Input((6, 4))
    y = K.BatchNormalization()(x)
    z = K.BatchNormalization()(K.Flatten()(y))
    return keras.Model(x, [y, z])


@toy
def rescaling_chain() -> Any:
    x = image(channels=3)
    y = K.Rescaling(0.5, offset=-1.0)(x)
    y = K.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 1.0, 2.0])(y)
    y = K.Rescaling([1.0, 2.0, 3.0])(y)
    return keras.Model(x, K.Conv2D(4, 3, padding="same")(K.ZeroPadding2D()(y)))


@toy
def adapted_normalization() -> Any:
    layer = K.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, (16, 4)).astype("float32"))
    x = keras.Input((4,))
    return keras.Model(x, K.Dense(2)(layer(x)))


@toy
def scale_after_convolution() -> Any:
    x = image()
    y = K.Conv2D(4, 3, padding="same", use_bias=False)(x) * 0.3
    z = K.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(y) * np.arange(8.0) + 1.0
    t = K.Conv2DTranspose(4, 2, strides=2)(z) / 2.0
    return keras.Model(x, K.BatchNormalization()(K.Conv2D(4, 1)(1.0 - t)) * 2.0)


@toy
def arithmetic() -> Any:
    x = image()
    y = (-x + 1.5) * 2.0 - 0.5
    z = (3.0 - x) / 4.0
    w = tf.math.multiply(y, z) + tf.math.subtract(y, z)
    return keras.Model(x, tf.maximum(w, y) + tf.reduce_mean(w, axis=[1, 2], keepdims=True))


@toy
def capped_rectifiers() -> Any:
    x = image()
    y = K.ReLU(0.7)(K.BatchNormalization()(K.Conv2D(5, 3, use_bias=False)(x)))
    z = K.ReLU(1.5, negative_slope=0.1)(K.DepthwiseConv2D(3)(y))
    w = K.Activation(lambda t: keras.activations.relu(t, max_value=0.4))(z)
    return keras.Model(x, [z, K.ReLU(0.3)(K.Add()([z, w])), K.ReLU(2.0)(K.MaxPooling2D()(x))])


@toy
def spectral_normalization() -> Any:
    x = image()
    y = K.SpectralNormalization(K.Conv2D(6, 3, activation="relu"))(x)
    return keras.Model(x, K.Dense(2)(K.GlobalAveragePooling2D()(y)))


@toy
def hard_swish_forms() -> Any:
    x = image()
    a = x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)
    b = K.Multiply()([x, K.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)])
    c = tf.nn.relu6(3.0 + x) / 6.0 * x
    return keras.Model(x, [a, b, c])


@toy
def activations() -> Any:
    x = image()
    names = [
        "relu",
        "sigmoid",
        "tanh",
        "softmax",
        "swish",
        "gelu",
        "hard_sigmoid",
        "elu",
        "selu",
        "softplus",
        "exponential",
    ]
    layers = [K.Activation(n, name=f"as_{n}")(x) for n in names]
    layers += [K.LeakyReLU(0.1)(x), K.PReLU(shared_axes=[1, 2])(x), K.ReLU(negative_slope=0.2)(x)]
    layers += [tf.nn.silu(x), tf.nn.gelu(x), tf.nn.gelu(x, approximate=True), tf.nn.leaky_relu(x)]
    layers += [tf.nn.softmax(x), K.Softmax(axis=1)(x), K.ReLU(6.0, threshold=0.5)(x)]
    return keras.Model(x, layers)


@toy
def activations_inside() -> Any:
    x = image()
    names = ["linear", "relu", "sigmoid", "tanh", "softmax", "swish", "gelu", "hard_sigmoid", "elu"]
    outputs = [K.Conv2D(3, 1, activation=n, name=f"with_{n}")(x) for n in names]
    y = K.DepthwiseConv2D(3, activation="swish")(x)
    return keras.Model(x, [*outputs, K.Dense(2, activation=tf.nn.relu6)(K.Flatten()(y))])


@toy
def convolutions() -> Any:
    x = image()
    a = K.SeparableConv2D(6, 3, depth_multiplier=2, activation="relu", padding="same")(x)
    b = K.Conv2D(8, 3, groups=4, padding="same")(x)
    c = K.Conv2D(4, 3, groups=2, padding="same", activation="relu")(x)
    d = K.Conv2DTranspose(4, 3, padding="same")(K.BatchNormalization()(c))
    e = K.SeparableConv2D(5, 3, dilation_rate=2, padding="same")(x)
    return keras.Model(x, K.Concatenate()([a, b, c, d, e]))


@toy
def one_and_three_dimensions() -> Any:
    x = keras.Input((8, 4))
    y = K.BatchNormalization()(K.Conv1D(6, 3, padding="causal")(x))
    y = K.SeparableConv1D(5, 3, activation="swish")(y)
    y = K.DepthwiseConv1D(2)(K.MaxPooling1D()(y))
    z = K.Conv1DTranspose(3, 2, strides=2)(K.UpSampling1D()(y))
    v = keras.Input((4, 4, 4, 2))
    w = K.Conv3DTranspose(2, 2)(K.Conv3D(3, 2, activation="relu")(v))
    return keras.Model([x, v], [K.GlobalAveragePooling1D()(z), K.GlobalMaxPooling3D()(w)])


@toy
def dense_everywhere() -> Any:
    x = image()
    y = K.Dense(5, activation="gelu")(x)
    shared = K.Dense(5, activation="tanh")
    s = K.Reshape((64, 5))(y)
    t = shared(shared(s))
    return keras.Model(x, [y, t, K.Dense(2)(K.Flatten()(t))])


@toy
def layer_normalization() -> Any:
    x = image(channels=6)
    y = K.LayerNormalization(epsilon=1e-6)(x)
    z = K.LayerNormalization(scale=False, center=False)(K.Reshape((64, 6))(y))
    return keras.Model(x, [K.Dense(4)(y), z, K.LayerNormalization(axis=[1, 2])(x)])


@toy
def joins() -> Any:
    x = image()
    branches = [K.Conv2D(3, 1)(x) for _ in range(8)]
    many = K.Concatenate()(branches)
    total = K.Add()(branches)
    product = K.Multiply()(branches[:3])
    mean = K.Average()(branches[:4])
    biggest = K.Maximum()(branches[:2])
    again = tf.concat([many, total, x], axis=-1)
    return keras.Model(x, [K.Concatenate(axis=1)([again, again]), product, mean, biggest])


@toy
def shared_layers_and_models() -> Any:
    part = keras.Sequential(
        [K.Conv2D(4, 3, padding="same", input_shape=(8, 8, 4)), K.BatchNormalization(), K.ReLU()],
        name="part",
    )
    conv = K.Conv2D(4, 1, activation="relu")
    a, b = image(name="a"), image(name="b")
    y = K.Add()([part(a), conv(part(b))])
    return keras.Model([a, b], [conv(y), part(y)])


@toy
def nested_twice() -> Any:
    inner_in = image()
    inner = keras.Model(inner_in, [K.Conv2D(4, 1)(inner_in), K.ReLU()(inner_in)], name="inner")
    middle_in = image()
    u, v = inner(middle_in)
    middle = keras.Model(middle_in, {"sum": K.Add()([u, v]), "second": v}, name="middle")
    x = image()
    outs = middle(x)
    return keras.Model(x, [outs["sum"], K.Conv2D(2, 1)(outs["second"])])


@toy
def dictionaries() -> Any:
    inputs = {"left": image(name="left"), "right": image(name="right")}
    y = K.Concatenate()([inputs["right"], inputs["left"]])
    return keras.Model(inputs, {"b": K.Conv2D(2, 1, name="b")(y), "a": K.ReLU(name="a")(y)})


@toy
def op_layers() -> Any:
    x = image()
    a, b = tf.split(x, 2, axis=-1)
    y = tf.concat([b, a], axis=-1)[:, 1:, ::2, :]
    t = tf.transpose(y, perm=[0, 3, 1, 2])
    r = tf.reshape(t, [-1, 4, 28])
    m = tf.matmul(r, r, transpose_b=True)
    e = tf.einsum("bij,bjk->bik", m, r)
    p = tf.pad(e, [[0, 0], [1, 1], [0, 0]])
    return keras.Model(x, [tf.math.l2_normalize(p, axis=-1), tf.expand_dims(p, 1), tf.nn.relu(p)])


@toy
def dynamic_shapes() -> Any:
    x = keras.Input((None, None, 4))
    y = K.Conv2D(4, 3, padding="same")(x)
    shape = tf.shape(y)
    flat = tf.reshape(y, [shape[0], shape[1] * shape[2], 4])
    z = K.LayerNormalization()(K.Dense(4)(flat))
    return keras.Model(x, tf.image.resize(tf.reshape(z, shape), [4, 4]))


@toy
def attention() -> Any:
    x = keras.Input((6, 8))
    y = K.MultiHeadAttention(2, 4)(x, x)
    z = K.Attention()([x, y])
    w = K.AdditiveAttention()([z, x])
    return keras.Model(x, K.LayerNormalization()(K.Add()([w, y])))


@toy
def recurrent() -> Any:
    x = keras.Input((5, 3))
    y = K.Bidirectional(K.GRU(4, return_sequences=True))(x)
    z, h, c = K.LSTM(4, return_state=True)(y)
    return keras.Model(x, K.Dense(2)(K.Concatenate()([z, h, c, K.SimpleRNN(2)(y)])))


@toy
def embedding_with_mask() -> Any:
    x = keras.Input((6,), dtype="int32")
    y = K.Embedding(5, 4, mask_zero=True)(x)
    return keras.Model(x, K.Dense(2)(K.LSTM(3)(y)))


@toy
def mixer_block() -> Any:
    x = keras.Input((9, 6))
    y = K.Permute((2, 1))(K.LayerNormalization()(x))
    y = K.Dense(9)(K.Dense(12, activation="gelu")(y))
    x2 = x + tf.transpose(y, [0, 2, 1])
    return keras.Model(x, K.GlobalAveragePooling1D()(x2 + K.Dropout(0.1)(K.Dense(6)(x2))))


@toy
def lambdas() -> Any:
    x = image()
    factor = 3.0
    y = K.Lambda(lambda t: t * factor)(x)
    z = K.Lambda(lambda t, by: t + by, arguments={"by": 2.0})(y)
    return keras.Model(x, K.Conv2D(2, 1)(z))


@toy
def sizes_and_noise() -> Any:
    x = image()
    y = K.UpSampling2D(2, interpolation="bilinear")(x)
    y = K.Cropping2D(1)(K.ZeroPadding2D(2)(K.AveragePooling2D()(y)))
    y = K.SpatialDropout2D(0.2)(K.GaussianNoise(0.1)(K.Resizing(6, 6)(y)))
    return keras.Model(x, K.RepeatVector(2)(K.GlobalMaxPooling2D()(y)))


@toy
def frozen_backbone() -> Any:
    inner_in = image()
    inner = keras.Model(inner_in, K.BatchNormalization()(K.Conv2D(4, 3)(inner_in)), name="base")
    inner.trainable = False
    x = image()
    return keras.Model(x, K.Dense(2)(K.Flatten()(inner(x, training=False))))


@toy
def passthrough_output() -> Any:
    x = image()
    y = K.Conv2D(2, 1)(x)
    return keras.Model(x, [x, y, y])


@keras.utils.register_keras_serializable(package="toys")
class Composite(K.Layer):  # type: ignore[misc, name-defined]
    """A user's layer made of layers, with a scale of its own."""

    def build(self, input_shape: Any) -> None:
        self.conv = K.Conv2D(int(input_shape[-1]), 3, padding="same")
        self.norm = K.BatchNormalization()
        self.gain = self.add_weight("gain", (int(input_shape[-1]),))
        super().build(input_shape)

    def call(self, inputs: Any, training: Any = None) -> Any:
        y = tf.nn.silu(self.norm(self.conv(inputs), training=training))
        return inputs + y * self.gain


@keras.utils.register_keras_serializable(package="toys")
class Drop(K.Layer):  # type: ignore[misc, name-defined]
    """Does something else in training: not to be expanded."""

    def call(self, inputs: Any, training: Any = None) -> Any:
        return inputs * tf.random.uniform(()) if training else inputs


@keras.utils.register_keras_serializable(package="toys")
class Standardized(K.Layer):  # type: ignore[misc, name-defined]
    """Derives a kernel from its weight: not to be expanded, or the weight were lost."""

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight("kernel", (int(input_shape[-1]), 3))
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return tf.matmul(inputs, self.kernel / (tf.norm(self.kernel) + 1.0))


@toy
def composite_layers() -> Any:
    x = image()
    y = K.Activation(lambda t: t * tf.nn.relu6(t + 3.0) / 6.0)(Composite()(x))
    return keras.Model(x, [Standardized()(Drop()(y)), y[..., :2]])


class Block(keras.Model):
    """A subclassed model, to be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = K.Conv2D(4, 3)
        self.norm = K.BatchNormalization()

    def call(self, inputs: Any, training: Any = None) -> Any:
        return tf.nn.relu(self.norm(self.conv(inputs), training=training))


@toy
def subclassed() -> Any:
    model = Block()
    model(np.zeros((1, 8, 8, 4), "float32"))
    return model
