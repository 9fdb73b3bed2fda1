"""Networks with recurrent layers between others: trained, kept sparse, and seen into."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from recurrent_layers import with_weights

import optim
from optim._keras import keras
from optim.verification.compare import sqnr

K = keras.layers


def frames_and_gru() -> Any:
    """A network of images in every step of a sequence."""
    inputs = keras.Input((5, 8, 8, 1))
    image = [K.Conv2D(4, 3, activation="relu"), K.MaxPooling2D(2), K.Flatten()]
    x = K.TimeDistributed(keras.Sequential(image))(inputs)
    return keras.Model(inputs, K.Dense(3)(K.GRU(6)(x)))


def spectrogram() -> Any:
    inputs = keras.Input((12, 6))
    x = K.Conv1D(8, 3, padding="same", use_bias=False)(inputs)
    x = K.ReLU()(K.BatchNormalization()(x))
    x = K.Bidirectional(K.LSTM(5, return_sequences=True))(x)
    return keras.Model(inputs, K.Dense(4, activation="softmax")(K.GRU(6)(x)))


def separation() -> Any:
    """A mask per step, which multiplies the inputs; and the state beside it."""
    inputs = keras.Input((8, 6))
    x = K.GRU(6, return_sequences=True)(inputs)
    mask = K.TimeDistributed(K.Dense(6, activation="sigmoid"))(K.Concatenate()([x, inputs]))
    return keras.Model(inputs, [K.Multiply()([inputs, mask]), x])


def attention() -> Any:
    inputs = keras.Input((8, 4))
    sequence, forward, backward = K.Bidirectional(
        K.GRU(4, return_sequences=True, return_state=True)
    )(inputs)
    state = K.Concatenate()([forward, backward])
    scores = K.Softmax(axis=-1)(K.Dot((2, 1))([sequence, state]))
    return keras.Model(inputs, K.Dense(2)(K.Dot((1, 1))([scores, sequence])))


def text() -> Any:
    inputs = keras.Input((9,), dtype="int32")
    x = K.Embedding(20, 6, mask_zero=True)(inputs)
    x = K.LSTM(6, return_sequences=True)(x)
    return keras.Model(inputs, K.Dense(3)(K.Bidirectional(K.GRU(5))(x)))


def tagging() -> Any:
    """A label per word, and sequences of several lengths."""
    inputs = keras.Input((9,), dtype="int32")
    x = K.Embedding(20, 6, mask_zero=True)(inputs)
    x = K.Bidirectional(K.GRU(5, return_sequences=True))(x)
    return keras.Model(inputs, K.TimeDistributed(K.Dense(4, activation="softmax"))(x))


def patches() -> Any:
    """Both directions within each of several sequences."""
    inputs = keras.Input((3, 5, 4))
    x = K.TimeDistributed(K.Bidirectional(K.GRU(4)))(inputs)
    return keras.Model(inputs, K.Dense(2)(K.LSTM(5)(x)))


def forecast() -> Any:
    """An encoder, and a decoder that goes on from its states."""
    inputs = keras.Input((8, 3))
    y, *states = K.LSTM(6, return_state=True)(inputs)
    x = K.LSTM(6, return_sequences=True)(K.RepeatVector(4)(y), initial_state=states)
    return keras.Model(inputs, K.TimeDistributed(K.Dense(3))(x))


MAKERS = (frames_and_gru, spectrogram, separation, attention, text, tagging, patches, forecast)
NETWORKS = {one.__name__: one for one in MAKERS}
WORDS = ("text", "tagging")


def case(name: str) -> tuple[Any, np.ndarray]:
    model = with_weights(NETWORKS[name](), 0.4)
    for weight in model.weights:
        if "variance" in weight.name:
            weight.assign(np.abs(weight.numpy()) + 0.5)
    rng = np.random.default_rng(0)
    shape = (16, *model.input_shape[1:])
    if name in WORDS:
        ids = rng.integers(1, 20, shape)
        ids[::2, 5:] = 0
        return model, ids.astype("int32")
    return model, rng.normal(size=shape).astype("float32")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_what_is_simulated(name: str) -> None:
    model, x = case(name)
    quantized = optim.quantize_model(model, calibration_data=[x])
    content = optim.export(quantized)
    wanted = quantized(x)
    wanted = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    for simulated, file in zip(wanted, optim.litert.Runtime(content).run(x), strict=True):
        assert sqnr(np.asarray(simulated), file) >= 25
    assert optim.verify(content).int8_macs == 1
    if name not in WORDS:  # masks are made of words
        assert not [e.node.path for e in optim.plan(model).floats]


@pytest.mark.parametrize("layer", [K.LSTM, K.GRU])
def test_zeros_of_recurrent_kernels_stay(layer: Any) -> None:
    inputs = keras.Input((6, 8))
    model = keras.Model(inputs, K.Dense(2)(layer(12, name="memory")(inputs)))
    sparse = optim.sparsify(model, sparsity=0.5)
    x = np.random.default_rng(0).normal(size=(8, 6, 8)).astype("float32")
    quantized = optim.quantize_model(sparse, preserve="sparsity", calibration_data=[x])
    quantized.compile("sgd", "mse")
    quantized.fit(x, np.zeros((8, 2)), epochs=2, verbose=0)
    content = optim.export(quantized)
    assert sqnr(np.asarray(quantized(x)), optim.litert.Runtime(content).run(x)[0]) >= 25
    for report in (optim.sparsity_report(quantized), optim.sparsity_report(content)):
        kernels = [one for one in report.kernels if "memory" in one.layer]
        weights = sum(one.size for one in kernels)
        assert weights == (4 if layer is K.LSTM else 3) * 12 * 20
        assert sum(one.sparsity * one.size for one in kernels) / weights >= 0.49
