"""Every layer of `tf_keras.layers`, and functions beside them: what each takes and gives.

Kinds of tensors: "image" (H, W, C), "sequence" (steps, C), "vector" (C,), "volume" (D, H, W, C),
Kinds of tensors: "image" (H, W, C), "sequence" (steps, C), "vector" (C,), "volume" (D, H, W, C)
small, and whatever size a step gives, the next takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optim._keras import keras, tf

K = keras.layers

INPUTS: dict[str, tuple[int, ...]] = {
    "image": (8, 8, 4),
    "sequence": (6, 4),
    "vector": (8,),
    "volume": (4, 4, 4, 3),
    "ids": (6,),
}


@dataclass(frozen=True)
class Step:
    """One step of a model.

    Attributes:
        takes, gives: kinds of tensors.
        make: returns a function of a Keras tensor; layers are made anew by each call.
    """

    takes: str
    gives: str
    make: Callable[[], Callable[[Any], Any]]


def _pairs(layer: Callable[[], Any]) -> Callable[[], Callable[[Any], Any]]:
    """A layer of two inputs, given a tensor and what a 1 x 1 convolution makes of it."""
    return lambda: lambda x: layer()([x, K.Dense(x.shape[-1])(x)])


def _attention(layer: Callable[[], Any], **options: Any) -> Callable[[], Callable[[Any], Any]]:
    return lambda: lambda x: layer()([x, K.Dense(x.shape[-1])(x)], **options)


def _self_attention(**options: Any) -> Callable[[], Callable[[Any], Any]]:
    return lambda: lambda x: K.MultiHeadAttention(2, 4)(x, x, **options)


def _adapted_normalization() -> Any:
    return K.Normalization(axis=-1, mean=0.3, variance=1.7)


def _states(layer: Callable[[], Any]) -> Callable[[], Callable[[Any], Any]]:
    """A recurrent layer whose states are used beside its output."""

    def make() -> Callable[[Any], Any]:
        def call(x: Any) -> Any:
            output, *states = layer()(x)
            return K.Concatenate()([output, *states])

        return call

    return make


def _nested(kind: str, inner: Callable[[int], Any]) -> Callable[[], Callable[[Any], Any]]:
    def make() -> Callable[[Any], Any]:
        def call(x: Any) -> Any:
            inputs = keras.Input(x.shape[1:])
            model = keras.Model(inputs, inner(x.shape[-1])(inputs))
            return model(model(x))

        return call

    return make


def _layer(name: str, *args: Any, **options: Any) -> Callable[[], Any]:
    return lambda: getattr(K, name)(*args, **options)


def _of(kind: str, gives: str, **makers: Callable[[], Any]) -> dict[str, Step]:
    return {name: Step(kind, gives, make) for name, make in makers.items()}


#: Layers that keep their kind or change it, by their class; what has several uses, "Class:use".
LAYERS: dict[str, Step] = {
    # -- images
    **_of(
        "image",
        "image",
        Conv2D=_layer("Conv2D", 6, 3, activation="relu", kernel_regularizer="l2"),
        Conv2DTranspose=_layer("Conv2DTranspose", 5, 3, strides=2, activation="relu"),
        DepthwiseConv2D=_layer("DepthwiseConv2D", 3, padding="same"),
        SeparableConv2D=_layer("SeparableConv2D", 6, 3, padding="same"),
        LocallyConnected2D=_layer("LocallyConnected2D", 3, 2),
        AveragePooling2D=_layer("AveragePooling2D", 2, 1, padding="same"),
        MaxPooling2D=_layer("MaxPooling2D", 2, 1),
        UpSampling2D=_layer("UpSampling2D", interpolation="bilinear"),
        ZeroPadding2D=_layer("ZeroPadding2D", 1),
        Cropping2D=_layer("Cropping2D", ((1, 0), (0, 1))),
        CenterCrop=_layer("CenterCrop", 4, 4),
        Resizing=_layer("Resizing", 6, 6),
        Rescaling=_layer("Rescaling", 0.5, 0.1),
        Normalization=_adapted_normalization,
        BatchNormalization=_layer("BatchNormalization"),
        GroupNormalization=_layer("GroupNormalization", 1, epsilon=0.01),
        LayerNormalization=_layer("LayerNormalization", epsilon=0.01),
        UnitNormalization=_layer("UnitNormalization"),
        SpatialDropout2D=_layer("SpatialDropout2D", 0.2),
        RandomBrightness=_layer("RandomBrightness", 0.1),
        RandomContrast=_layer("RandomContrast", 0.1),
        RandomFlip=_layer("RandomFlip"),
        RandomRotation=_layer("RandomRotation", 0.1),
        RandomTranslation=_layer("RandomTranslation", 0.1, 0.1),
        RandomZoom=_layer("RandomZoom", 0.1),
        PReLU=_layer("PReLU", shared_axes=[1, 2]),
        LeakyReLU=_layer("LeakyReLU"),
        ReLU=_layer("ReLU", max_value=6.0),
        ELU=_layer("ELU"),
        ThresholdedReLU=_layer("ThresholdedReLU", 0.2),
        Softmax=_layer("Softmax"),
        Activation=_layer("Activation", "swish"),
        ActivityRegularization=_layer("ActivityRegularization", l2=0.01),
        Permute=_layer("Permute", (2, 1, 3)),
        Lambda=lambda: K.Lambda(lambda x: tf.nn.relu(x) - 0.5),
        Dropout=_layer("Dropout", 0.1),
        AlphaDropout=_layer("AlphaDropout", 0.1),
        GaussianDropout=_layer("GaussianDropout", 0.1),
        GaussianNoise=_layer("GaussianNoise", 0.1),
        Identity=_layer("Identity"),
        EinsumDense=_layer("EinsumDense", "bhwc,cd->bhwd", (None, None, 6), bias_axes="d"),
        SpectralNormalization=lambda: K.SpectralNormalization(K.Conv2D(5, 1)),
        Add=_pairs(_layer("Add")),
        Average=_pairs(_layer("Average")),
        Concatenate=_pairs(_layer("Concatenate")),
        Maximum=_pairs(_layer("Maximum")),
        Minimum=_pairs(_layer("Minimum")),
        Multiply=_pairs(_layer("Multiply")),
        Subtract=_pairs(_layer("Subtract")),
    ),
    **_of(
        "image",
        "vector",
        Flatten=_layer("Flatten"),
        GlobalAveragePooling2D=_layer("GlobalAveragePooling2D"),
        GlobalMaxPooling2D=_layer("GlobalMaxPooling2D"),
    ),
    **_of(
        "image",
        "sequence",
        Reshape=lambda: lambda x: K.Reshape((-1, x.shape[-1]))(x),
        TimeDistributed=lambda: K.TimeDistributed(K.GlobalAveragePooling1D()),
        ConvLSTM1D=_layer("ConvLSTM1D", 4, 3, padding="same"),
    ),
    # -- sequences
    **_of(
        "sequence",
        "sequence",
        Conv1D=_layer("Conv1D", 6, 3, padding="causal", activation="relu"),
        Conv1DTranspose=_layer("Conv1DTranspose", 4, 3, padding="same"),
        DepthwiseConv1D=_layer("DepthwiseConv1D", 3, padding="same"),
        SeparableConv1D=_layer("SeparableConv1D", 6, 3, padding="same"),
        LocallyConnected1D=_layer("LocallyConnected1D", 4, 2),
        AveragePooling1D=_layer("AveragePooling1D", 2, 1),
        MaxPooling1D=_layer("MaxPooling1D", 2, 1),
        UpSampling1D=_layer("UpSampling1D", 2),
        ZeroPadding1D=_layer("ZeroPadding1D", 1),
        Cropping1D=_layer("Cropping1D", (1, 0)),
        SpatialDropout1D=_layer("SpatialDropout1D", 0.2),
        Masking=_layer("Masking"),
        Attention=_attention(_layer("Attention")),
        AdditiveAttention=_attention(_layer("AdditiveAttention")),
        MultiHeadAttention=_self_attention(),
        LSTM=_layer("LSTM", 4, return_sequences=True),
        GRU=_layer("GRU", 4, return_sequences=True),
        SimpleRNN=_layer("SimpleRNN", 4, return_sequences=True),
        Bidirectional=lambda: K.Bidirectional(K.GRU(3, return_sequences=True)),
        RNN=lambda: K.RNN(K.GRUCell(4), return_sequences=True),
        **{
            "Attention:causal": _attention(_layer("Attention"), use_causal_mask=True),
            "MultiHeadAttention:causal": _self_attention(use_causal_mask=True),
            "Dense:activity": _layer("Dense", 5, activity_regularizer="l2"),
        },
    ),
    **_of(
        "sequence",
        "vector",
        GlobalAveragePooling1D=_layer("GlobalAveragePooling1D"),
        GlobalMaxPooling1D=_layer("GlobalMaxPooling1D"),
        **{
            "LSTM:last": _layer("LSTM", 4, unroll=True),
            "LSTM:states": _states(_layer("LSTM", 4, return_state=True)),
            "GRU:states": _states(_layer("GRU", 4, return_state=True)),
        },
    ),
    # -- vectors
    **_of(
        "vector",
        "vector",
        Dense=_layer("Dense", 6, activation="tanh", bias_regularizer="l1"),
        Dot=lambda: lambda x: K.Dot(axes=1)([K.Dense(5)(x), K.Dense(5)(x)]),
    ),
    **_of("vector", "sequence", RepeatVector=_layer("RepeatVector", 3)),
    # -- volumes
    **_of(
        "volume",
        "volume",
        Conv3D=_layer("Conv3D", 4, 2),
        Conv3DTranspose=_layer("Conv3DTranspose", 3, 2),
        AveragePooling3D=_layer("AveragePooling3D", 2, 1),
        MaxPooling3D=_layer("MaxPooling3D", 2, 1),
        UpSampling3D=_layer("UpSampling3D", 2),
        ZeroPadding3D=_layer("ZeroPadding3D", 1),
        Cropping3D=_layer("Cropping3D", ((1, 0), (0, 0), (0, 1))),
        SpatialDropout3D=_layer("SpatialDropout3D", 0.1),
    ),
    **_of(
        "volume",
        "vector",
        GlobalAveragePooling3D=_layer("GlobalAveragePooling3D"),
        GlobalMaxPooling3D=_layer("GlobalMaxPooling3D"),
    ),
    **_of("volume", "image", ConvLSTM2D=_layer("ConvLSTM2D", 3, 3, padding="same")),
    # -- ids
    **_of(
        "ids",
        "sequence",
        Embedding=_layer("Embedding", 12, 5),
        **{"Embedding:masked": _layer("Embedding", 12, 5, mask_zero=True)},
    ),
    **_of("ids", "vector", CategoryEncoding=_layer("CategoryEncoding", 12, "multi_hot")),
}

#: Functions and operators, of tensors of any kind that keeps it.
FUNCTIONS: dict[str, Step] = {
    **_of(
        "image",
        "image",
        split=lambda: lambda x: tf.concat(tf.split(x, [1, x.shape[-1] - 1], -1)[::-1], -1),
        gate=lambda: lambda x: x * tf.nn.sigmoid(tf.reduce_mean(x, [1, 2], keepdims=True)),
        mixed=lambda: lambda x: (2.0 * x + 1.0) / 3.0 - tf.abs(x),
        slice=lambda: lambda x: x[:, 1:, :-1],
        pad=lambda: lambda x: tf.pad(x, [[0, 0], [1, 0], [0, 1], [0, 0]]),
        transpose=lambda: lambda x: tf.transpose(x, [0, 2, 1, 3]),
        stack=lambda: lambda x: tf.reduce_max(tf.stack([x, -x], -1), -1),
        clip=lambda: lambda x: tf.clip_by_value(x, -0.5, 1.5),
        nested=_nested("image", lambda c: lambda x: K.ReLU()(K.Conv2D(c, 1)(x)) + x),
        depth=lambda: lambda x: tf.nn.depth_to_space(K.Conv2D(8, 1)(x), 2),
        hard=lambda: lambda x: x * tf.nn.relu6(x + 3.0) / 6.0,
    ),
    **_of(
        "sequence",
        "sequence",
        matmul=lambda: lambda x: tf.matmul(tf.nn.softmax(tf.matmul(x, x, transpose_b=True)), x),
        shift=lambda: lambda x: tf.roll(x, 1, 1) + x,
        nested_sequence=_nested("sequence", lambda c: lambda x: K.Dense(c, "relu")(x)),
        normed=lambda: lambda x: x / (1.0 + tf.norm(x, axis=-1, keepdims=True)),
    ),
    **_of(
        "vector",
        "vector",
        square=lambda: lambda x: tf.square(x) - x,
        logsum=lambda: lambda x: tf.math.log1p(tf.nn.relu(x)),
    ),
    **_of("ids", "sequence", one_hot=lambda: lambda x: tf.one_hot(x, 12)),
}

STEPS = {**LAYERS, **FUNCTIONS}

#: Classes that no chain can have, and why.
LEFT_OUT: dict[str, str] = {
    "AbstractRNNCell": "a base class",
    "Layer": "a base class",
    "Wrapper": "a base class",
    "InputLayer": "each model has some",
    "GRUCell": "in RNN",
    "LSTMCell": "in RNN",
    "SimpleRNNCell": "in RNN",
    "StackedRNNCells": "in RNN",
    "DenseFeatures": "takes feature columns, not tensors",
    "Discretization": "its numbers are indices, of which little follows",
    "HashedCrossing": "takes strings",
    "Hashing": "takes strings",
    "IntegerLookup": "a table: tests/optim/models/test_vocabularies.py",
    "StringLookup": "a table: tests/optim/models/test_vocabularies.py",
    "TextVectorization": "a table: tests/optim/models/test_vocabularies.py",
    "ConvLSTM3D": "too slow for a property",
    "RandomCrop": "crops at random in inference too where sizes are equal",
    "RandomHeight": "gives a size that is not known",
    "RandomWidth": "gives a size that is not known",
}
