"""Layers with several outputs: states, and whatever a layer of one's own returns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf
from optim.verification.compare import sqnr

K = keras.layers


class Two(K.Layer):
    def build(self, shape: Any) -> None:
        self.left, self.right = K.Dense(3), K.Dense(2)

    def call(self, x: Any) -> Any:
        return self.left(x), self.right(x)


def states_of(layer: Any, *, dense: bool = True) -> Any:
    inputs = keras.Input((6, 4))
    first, *states = layer(inputs)
    return keras.Model(inputs, [K.Dense(2)(first) if dense else first, *states])


def own() -> Any:
    inputs = keras.Input((6, 4))
    return keras.Model(inputs, list(Two()(inputs)))


def split() -> Any:
    inputs = keras.Input((6, 4))
    left, right = tf.split(inputs, 2, axis=-1)
    return keras.Model(inputs, [left, K.Dense(2)(right)])


def handed_on() -> Any:
    inputs = keras.Input((6, 4))
    _, state = K.GRU(6, return_state=True)(inputs)
    return keras.Model(inputs, [K.GRU(6)(inputs, initial_state=state), state])


MODELS: dict[str, Callable[[], Any]] = {
    "gru": lambda: states_of(K.GRU(6, return_state=True)),
    "gru, named": lambda: states_of(K.GRU(6, return_state=True, name="memory")),
    "rnn": lambda: states_of(K.SimpleRNN(6, return_state=True)),
    "lstm": lambda: states_of(K.LSTM(6, return_state=True)),
    "lstm, sequences": lambda: states_of(K.LSTM(6, return_state=True, return_sequences=True)),
    "lstm alone": lambda: states_of(K.LSTM(6, return_state=True), dense=False),
    "bidirectional": lambda: states_of(K.Bidirectional(K.LSTM(3, return_state=True))),
    "own": own,
    "split": split,
    "handed on": handed_on,
}


@pytest.mark.parametrize("name", MODELS)
def test_every_output_is_there_under_its_name(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    data = np.random.default_rng(0).normal(size=(16, 6, 4)).astype("float32")
    quantized = optim.quantize_model(model, calibration_data=data)
    assert quantized.output_names == model.output_names
    for before, after in zip(model(data), quantized(data), strict=True):
        assert sqnr(np.asarray(before), np.asarray(after)) > 28
    report = optim.verify(optim.export(quantized), {"simulation": quantized}, data)
    assert [out.name for out in report.outputs] == model.output_names
    assert all(one.sqnr > 35 for one in report.comparisons)
    quantized.save(tmp_path / "m.keras")
    again = optim.load_model(tmp_path / "m.keras", {"Two": Two})
    for before, after in zip(quantized(data), again(data), strict=True):
        np.testing.assert_allclose(np.asarray(after), np.asarray(before), rtol=1e-5, atol=1e-6)
