"""The table of layers is complete, and what it calls equal computes the same."""

from __future__ import annotations

import inspect
from typing import Any

import keras as keras3
import pytest

from optim.errors import UnsupportedModelError
from optim.keras3.table import LAYERS, Equal, Refused

L = keras3.layers

#: Names in `keras.layers` that are no layers.
NO_LAYERS = {"InputSpec"}

IMAGE, SERIES, VECTOR, VOLUME = (8, 8, 4), (8, 4), (6,), (6, 6, 6, 2)
TOKENS = "tokens"

#: A layer, the shape of its input, and whether it does the same in training.
CASES: dict[str, tuple[Any, Any, bool]] = {
    "Activation": (lambda: L.Activation("silu"), VECTOR, True),
    "ActivityRegularization": (lambda: L.ActivityRegularization(0.1, 0.2), VECTOR, True),
    "AlphaDropout": (lambda: L.AlphaDropout(0.5), VECTOR, False),
    "AveragePooling1D": (lambda: L.AveragePooling1D(2), SERIES, True),
    "AveragePooling2D": (lambda: L.AveragePooling2D(3, 2, "same"), IMAGE, True),
    "AveragePooling3D": (lambda: L.AveragePooling3D(2), VOLUME, True),
    "BatchNormalization": (lambda: L.BatchNormalization(), IMAGE, True),
    "Bidirectional": (lambda: L.Bidirectional(L.LSTM(3)), SERIES, True),
    "CenterCrop": (lambda: L.CenterCrop(4, 5), IMAGE, True),
    "Conv1D": (lambda: L.Conv1D(3, 3, activation="relu"), SERIES, True),
    "Conv1DTranspose": (lambda: L.Conv1DTranspose(3, 3, strides=2), SERIES, True),
    "Conv2D": (lambda: L.Conv2D(6, 3, strides=2, padding="same", groups=2), IMAGE, True),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(3, 3, strides=2, padding="same"), IMAGE, True),
    "Conv3D": (lambda: L.Conv3D(3, 2), VOLUME, True),
    "Conv3DTranspose": (lambda: L.Conv3DTranspose(3, 2), VOLUME, True),
    "ConvLSTM1D": (lambda: L.ConvLSTM1D(2, 3), (4, 8, 2), True),
    "ConvLSTM2D": (lambda: L.ConvLSTM2D(2, 3), (3, 6, 6, 2), True),
    "ConvLSTM3D": (lambda: L.ConvLSTM3D(2, 2), (3, 4, 4, 4, 2), True),
    "Cropping1D": (lambda: L.Cropping1D(1), SERIES, True),
    "Cropping2D": (lambda: L.Cropping2D(((1, 2), (0, 1))), IMAGE, True),
    "Cropping3D": (lambda: L.Cropping3D(1), VOLUME, True),
    "Dense": (lambda: L.Dense(5, activation="tanh", kernel_regularizer="l2"), VECTOR, True),
    "DepthwiseConv1D": (lambda: L.DepthwiseConv1D(3, depth_multiplier=2), SERIES, True),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(3, padding="same"), IMAGE, True),
    "Dropout": (lambda: L.Dropout(0.5, seed=3), VECTOR, False),
    "ELU": (lambda: L.ELU(0.5), VECTOR, True),
    "EinsumDense": (lambda: L.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"), SERIES,
                    True),
    "Embedding": (lambda: L.Embedding(5, 3, mask_zero=True), TOKENS, True),
    "Flatten": (lambda: L.Flatten(), IMAGE, True),
    "GRU": (lambda: L.GRU(3, return_sequences=True, reset_after=False), SERIES, True),
    "GRUCell": (lambda: L.RNN(L.GRUCell(3)), SERIES, True),
    "GaussianDropout": (lambda: L.GaussianDropout(0.5), VECTOR, False),
    "GaussianNoise": (lambda: L.GaussianNoise(0.5), VECTOR, False),
    "GlobalAveragePooling1D": (lambda: L.GlobalAveragePooling1D(), SERIES, True),
    "GlobalAveragePooling2D": (lambda: L.GlobalAveragePooling2D(keepdims=True), IMAGE, True),
    "GlobalAveragePooling3D": (lambda: L.GlobalAveragePooling3D(), VOLUME, True),
    "GlobalMaxPooling1D": (lambda: L.GlobalMaxPooling1D(), SERIES, True),
    "GlobalMaxPooling2D": (lambda: L.GlobalMaxPooling2D(), IMAGE, True),
    "GlobalMaxPooling3D": (lambda: L.GlobalMaxPooling3D(), VOLUME, True),
    "GroupNormalization": (lambda: L.GroupNormalization(2), IMAGE, True),
    "GroupQueryAttention": (lambda: SelfAttention(L.GroupQueryAttention(4, 4, 2)), SERIES, True),
    "Identity": (lambda: L.Identity(), VECTOR, True),
    "LSTM": (lambda: L.LSTM(3, recurrent_activation="hard_sigmoid"), SERIES, True),
    "LSTMCell": (lambda: L.RNN(L.LSTMCell(3), return_sequences=True), SERIES, True),
    "Lambda": (lambda: L.Lambda(lambda x: x * 2 + 1), VECTOR, True),
    "LayerNormalization": (lambda: L.LayerNormalization(), SERIES, True),
    "LeakyReLU": (lambda: L.LeakyReLU(0.1), VECTOR, True),
    "Masking": (lambda: L.Masking(), SERIES, True),
    "MaxPooling1D": (lambda: L.MaxPooling1D(2), SERIES, True),
    "MaxPooling2D": (lambda: L.MaxPooling2D(3, 2, "same"), IMAGE, True),
    "MaxPooling3D": (lambda: L.MaxPooling3D(2), VOLUME, True),
    "MultiHeadAttention": (lambda: SelfAttention(L.MultiHeadAttention(2, 3)), SERIES, True),
    "Normalization": (lambda: L.Normalization(mean=[1.0] * 6, variance=[2.0] * 6), VECTOR, True),
    "PReLU": (lambda: L.PReLU(shared_axes=[1, 2]), IMAGE, True),
    "Permute": (lambda: L.Permute((2, 1)), SERIES, True),
    "RMSNormalization": (lambda: L.RMSNormalization(), SERIES, True),
    "RNN": (lambda: L.RNN([L.LSTMCell(3), L.LSTMCell(2)]), SERIES, True),
    "RandomBrightness": (lambda: L.RandomBrightness(0.1), IMAGE, False),
    "RandomContrast": (lambda: L.RandomContrast(0.1), IMAGE, False),
    "RandomCrop": (lambda: L.RandomCrop(4, 4), IMAGE, False),
    "RandomFlip": (lambda: L.RandomFlip(), IMAGE, False),
    "RandomHue": (lambda: L.RandomHue(0.1), (8, 8, 3), False),
    "RandomRotation": (lambda: L.RandomRotation(0.1), IMAGE, False),
    "RandomTranslation": (lambda: L.RandomTranslation(0.1, 0.1), IMAGE, False),
    "RandomZoom": (lambda: L.RandomZoom(0.1), IMAGE, False),
    "ReLU": (lambda: L.ReLU(6.0, 0.1), VECTOR, True),
    "RepeatVector": (lambda: L.RepeatVector(3), VECTOR, True),
    "Rescaling": (lambda: L.Rescaling(1 / 127.5, -1), IMAGE, True),
    "Reshape": (lambda: L.Reshape((4, -1)), IMAGE, True),
    "Resizing": (lambda: L.Resizing(5, 7), IMAGE, True),
    "SeparableConv1D": (lambda: L.SeparableConv1D(3, 3), SERIES, True),
    "SeparableConv2D": (lambda: L.SeparableConv2D(3, 3, depth_multiplier=2), IMAGE, True),
    "SimpleRNN": (lambda: L.SimpleRNN(3, go_backwards=True), SERIES, True),
    "SimpleRNNCell": (lambda: L.RNN(L.SimpleRNNCell(3)), SERIES, True),
    "Softmax": (lambda: L.Softmax(axis=1), SERIES, True),
    "SpatialDropout1D": (lambda: L.SpatialDropout1D(0.5), SERIES, False),
    "SpatialDropout2D": (lambda: L.SpatialDropout2D(0.5), IMAGE, False),
    "SpatialDropout3D": (lambda: L.SpatialDropout3D(0.5), VOLUME, False),
    "SpectralNormalization": (lambda: L.SpectralNormalization(L.Conv2D(3, 3)), IMAGE, False),
    "StackedRNNCells": (lambda: L.RNN(L.StackedRNNCells([L.GRUCell(3), L.GRUCell(2)])), SERIES,
                        True),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(3)), SERIES, True),
    "UnitNormalization": (lambda: L.UnitNormalization(), SERIES, True),
    "UpSampling1D": (lambda: L.UpSampling1D(2), SERIES, True),
    "UpSampling2D": (lambda: L.UpSampling2D(2, interpolation="bilinear"), IMAGE, True),
    "UpSampling3D": (lambda: L.UpSampling3D(2), VOLUME, True),
    "ZeroPadding1D": (lambda: L.ZeroPadding1D(1), SERIES, True),
    "ZeroPadding2D": (lambda: L.ZeroPadding2D(((1, 2), (0, 1))), IMAGE, True),
    "ZeroPadding3D": (lambda: L.ZeroPadding3D(1), VOLUME, True),
    "AdaptiveAveragePooling2D": (lambda: L.AdaptiveAveragePooling2D((3, 5)), IMAGE, True),
    "AdaptiveMaxPooling2D": (lambda: L.AdaptiveMaxPooling2D(4), IMAGE, True),
    "Discretization": (lambda: L.Discretization([0.0, 1.0]), VECTOR, True),
    "CategoryEncoding": (lambda: L.CategoryEncoding(5), TOKENS, True),
}  # fmt: skip


@keras3.saving.register_keras_serializable(package="tests")
class SelfAttention(L.Layer):  # type: ignore[misc]
    def __init__(self, inner: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner

    def build(self, shape: Any) -> None:
        self.inner.build(shape, shape)

    def call(self, x: Any) -> Any:
        return self.inner(x, x)


def test_each_layer_has_an_entry() -> None:
    classes = {x for x in vars(L).values() if isinstance(x, type)}
    assert not {cls.__name__ for cls in classes} - NO_LAYERS - set(LAYERS)


@pytest.mark.parametrize("name", CASES)
def test_a_twin_computes_what_the_layer_does(name: str, twin: Any) -> None:
    if not hasattr(L, name):
        pytest.skip(f"this Keras has no {name}")
    make, shape, same = CASES[name]
    inputs = keras3.Input((7,), dtype="int32") if shape == TOKENS else keras3.Input(shape)
    model = keras3.Model(inputs, make()(inputs), name="model")
    twin(model, training=(False, True) if same else (False,))


def test_most_entries_of_equals_are_compared() -> None:
    equal = {name for name, entry in LAYERS.items() if isinstance(entry, Equal)}
    merge = {"Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"}
    elsewhere = {"Attention", "AdditiveAttention", "InputLayer", *merge}
    text = {"Hashing", "HashedCrossing", "IntegerLookup", "StringLookup", "TextVectorization"}
    assert equal - set(CASES) - elsewhere - text == set()


@pytest.mark.parametrize(
    "name", [name for name, entry in LAYERS.items() if isinstance(entry, Refused)]
)
def test_a_refusal_names_layer_and_remedy(name: str) -> None:
    entry = LAYERS[name]
    assert isinstance(entry, Refused)
    assert entry.reason
    assert entry.remedy


def test_a_layer_that_is_refused() -> None:
    from optim import from_keras3

    if not hasattr(L, "MixUp"):
        pytest.skip("this Keras has no MixUp")
    inputs = keras3.Input((8, 8, 3))
    model = keras3.Model(inputs, L.MixUp(name="mix")(inputs))
    with pytest.raises(UnsupportedModelError, match=r"mix: a MixUp .* -> apply it in the input"):
        from_keras3(model)


def test_the_table_names_classes() -> None:
    assert all(inspect.isclass(getattr(L, name)) for name in LAYERS if hasattr(L, name))
