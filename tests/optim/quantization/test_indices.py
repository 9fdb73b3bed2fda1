"""Inputs that are indices are no signals: they are not quantized, whatever their dtype."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf
from optim.verification.compare import sqnr

K = keras.layers


def embedded(x: Any) -> Any:
    return K.Embedding(1000, 8)(x)


def looked_up(x: Any) -> Any:
    table = tf.constant(np.random.default_rng(1).normal(size=(1000, 8)).astype("float32"))
    return tf.gather(table, tf.cast(x, "int32"))


def reshaped(x: Any) -> Any:
    return K.Embedding(1000, 8)(K.Reshape((7, 3))(x))


@pytest.mark.parametrize("look_up", [embedded, looked_up, reshaped])
def test_a_float_input_of_indices_is_not_quantized(look_up: Callable[[Any], Any]) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((21,))
    x = K.Flatten()(look_up(inputs))
    model = keras.Model(inputs, K.Dense(4)(K.Dense(16, activation="relu")(x)))
    data = np.random.default_rng(0).integers(0, 1000, (32, 21)).astype("float32")
    quantized = optim.quantize_model(model, calibration_data=data)
    assert optim.plan(model).entries[0].output is None
    assert sqnr(np.asarray(model(data)), np.asarray(quantized(data))) > 30
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # a cast to indices is no float island
        content = optim.export(quantized)
    report = optim.verify(content, {"simulation": quantized}, data)
    assert report.comparisons[0].sqnr > 40


def test_an_input_that_is_both_is_quantized_where_it_is_a_signal() -> None:
    inputs = keras.Input((21,))
    x = K.Concatenate()([K.Flatten()(embedded(inputs)), inputs])
    entries = optim.plan(keras.Model(inputs, K.Dense(4)(x))).entries
    assert entries[0].output is not None


def test_a_signal_is_quantized_as_ever() -> None:
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, K.Dense(4)(K.Flatten()(inputs)))
    assert optim.plan(model).entries[0].output is not None
