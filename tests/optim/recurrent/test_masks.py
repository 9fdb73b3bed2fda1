"""Masks on the way to recurrent layers: made by a table, or given as an argument."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from int8_files import check_int8

import optim
from optim import litert
from optim._keras import keras

K = keras.layers
WORDS, WIDTH, STEPS = 200, 16, 12


def table(**options: Any) -> Any:
    return K.Embedding(WORDS, WIDTH, **options)


def words(rng: np.random.Generator) -> np.ndarray:
    """Sequences of several lengths, filled up with zeros."""
    found = rng.integers(1, WORDS, (64, STEPS)).astype(np.int32)
    return found * (np.arange(STEPS)[None] < rng.integers(1, STEPS + 1, (64, 1)))


TEXTS: dict[str, Callable[[Any], Any]] = {
    "gru": lambda x: K.GRU(8)(x),
    "both ways": lambda x: K.Bidirectional(K.LSTM(8))(x),
    "dropout": lambda x: K.GRU(8)(K.Dropout(0.1)(x)),
    "two": lambda x: K.LSTM(8)(K.LSTM(8, return_sequences=True)(x)),
    "dense": lambda x: K.GRU(8)(K.Dense(5, activation="relu")(x)),
    "normalized": lambda x: K.GRU(8)(K.LayerNormalization()(x)),
    "each step": lambda x: K.GRU(8)(K.TimeDistributed(K.Dense(5))(x)),
    "no mask wanted": lambda x: K.GlobalMaxPooling1D()(K.Conv1D(8, 3)(x)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_masked_text_is_int8_with_its_table(name: str, rng: np.random.Generator) -> None:
    embedding = table(mask_zero=True)
    inputs = keras.Input((STEPS,), dtype="int32")
    model = keras.Model(inputs, K.Dense(3)(TEXTS[name](embedding(inputs))))
    embedding.embeddings.assign(embedding.embeddings * 10)
    check_int8(model, words(rng))


@pytest.mark.parametrize("mask_zero", [False, True])
def test_a_table_that_is_looked_up_in_twice(mask_zero: bool, rng: np.random.Generator) -> None:
    embedding = table(mask_zero=mask_zero)
    inputs = keras.Input((STEPS,), dtype="int32")
    parts = [K.GRU(8)(embedding(inputs)), K.LSTM(4)(embedding(inputs + 0))]
    model = keras.Model(inputs, K.Dense(3)(K.Concatenate()(parts)))
    content = check_int8(model, words(rng))
    file = litert.opened(content).root
    sizes = [file.Buffers(i).DataLength() for i in range(file.BuffersLength())]
    assert sizes.count(WORDS * WIDTH) == 1  # in int8, and once


GIVEN: dict[str, Callable[[Any, Any], Any]] = {
    "gru": lambda x, m: K.GRU(8)(x, mask=m),
    "lstm": lambda x, m: K.LSTM(8)(x, mask=m),
    "both ways": lambda x, m: K.Bidirectional(K.LSTM(8))(x, mask=m),
    "two": lambda x, m: K.LSTM(8)(K.LSTM(8, return_sequences=True)(x, mask=m)),
    "two, each": lambda x, m: K.GRU(8)(K.GRU(8, return_sequences=True)(x, mask=m), mask=m),
    "state": lambda x, m: K.GRU(8)(x, mask=m, initial_state=K.Dense(8)(x[:, 0])),
    "cell": lambda x, m: K.RNN(K.GRUCell(8))(x, mask=m),
    "all steps": lambda x, m: K.GRU(8, return_sequences=True)(x, mask=m),
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_mask_that_is_an_argument_is_no_state(name: str, rng: np.random.Generator) -> None:
    inputs = [keras.Input((STEPS, 5)), keras.Input((STEPS,), dtype="bool")]
    model = keras.Model(inputs, K.Dense(3)(GIVEN[name](*inputs)))
    signal = rng.normal(size=(64, STEPS, 5)).astype(np.float32)
    check_int8(model, [signal, words(rng) > 0])


ATTENTION: dict[str, Callable[[Any], Any]] = {
    "one head": lambda x: K.Flatten()(K.Attention()([x, x])),
    "several heads": lambda x: K.Flatten()(K.MultiHeadAttention(2, 8)(x, x)),
    "pooled": lambda x: K.GlobalAveragePooling1D()(K.MultiHeadAttention(2, 8)(x, x)),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_masked_scores_do_not_widen_a_range(name: str, rng: np.random.Generator) -> None:
    """In the file of post-training quantization neither; 2 dB, where the converter decides."""
    embedding = table(mask_zero=True)
    inputs = keras.Input((STEPS,), dtype="int32")
    model = keras.Model(inputs, K.Dense(3)(ATTENTION[name](embedding(inputs))))
    embedding.embeddings.assign(embedding.embeddings * 10)
    samples = words(rng)
    trained = optim.export(optim.quantize_model(model, calibration_data=samples))
    after = optim.export(model, optimize="int8", representative_data=samples)
    for content in (trained, after):
        (found,) = optim.verify(content, {"float": model}, samples).comparisons
        assert found.sqnr > 30


def test_a_mean_that_is_given_a_mask_is_float_by_plan(rng: np.random.Generator) -> None:
    inputs = [keras.Input((STEPS, 5)), keras.Input((STEPS,), dtype="bool")]
    mean = K.GlobalAveragePooling1D(name="mean")(K.Dense(4)(inputs[0]), mask=inputs[1])
    model = keras.Model(inputs, K.Dense(3)(mean))
    assert [entry.node.path for entry in optim.plan(model).floats] == ["mean"]
    samples = [rng.normal(size=(64, STEPS, 5)).astype(np.float32), words(rng) > 0]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="export: the file has float")
        content = optim.export(optim.quantize_model(model, calibration_data=[samples]))
    (found,) = optim.verify(content, {"float": model}, samples).comparisons
    assert found.sqnr > 30
