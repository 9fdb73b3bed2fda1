"""Masks: who goes by one gets it, whatever was put in the place of the layers between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras
from optim.verification.compare import sqnr

K = keras.layers
LENGTH = 12


def ids() -> np.ndarray:
    found = np.random.default_rng(0).integers(1, 50, (16, LENGTH)).astype("int32")
    found[:, 9:] = 0
    found[::2, 5:] = 0
    return found


def signals() -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(16, LENGTH, 8)).astype("float32")
    found[:, 9:] = 0
    found[::2, 5:] = 0
    return found


def embedded(*layers: Any) -> Any:
    start = [keras.Input((LENGTH,), dtype="int32"), K.Embedding(50, 8, mask_zero=True)]
    return keras.Sequential([*start, *layers, K.Dense(2)])


def masked(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((LENGTH, 8)), K.Masking(), *layers, K.Dense(2)])


def functional(middle: Callable[[Any], Any]) -> Any:
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = middle(K.Embedding(50, 8, mask_zero=True)(inputs))
    return keras.Model(inputs, K.Dense(2)(K.GlobalAveragePooling1D()(x)))


def nested(x: Any) -> Any:
    inner = keras.Input((LENGTH, 8))
    return keras.Model(inner, K.Dense(8, activation="relu")(inner), name="inner")(x)


MODELS: dict[str, tuple[Callable[[], Any], Callable[[], np.ndarray]]] = {
    "conv": (lambda: embedded(K.Conv1D(8, 3), K.GlobalMaxPooling1D()), ids),
    "pooled": (lambda: embedded(K.GlobalAveragePooling1D()), ids),
    "dense": (lambda: embedded(K.Dense(8, activation="relu"), K.GlobalAveragePooling1D()), ids),
    "swish": (lambda: embedded(K.Dense(8, activation="swish"), K.GlobalAveragePooling1D()), ids),
    "lstm": (lambda: embedded(K.LSTM(6)), ids),
    "dense and lstm": (lambda: embedded(K.Dense(8, activation="relu"), K.LSTM(6)), ids),
    "sequences": (lambda: embedded(K.GRU(6, return_sequences=True), K.LSTM(4)), ids),
    "attention": (lambda: functional(lambda e: K.Attention()([e, e])), ids),
    "heads": (lambda: functional(lambda e: K.MultiHeadAttention(2, 4)(e, e)), ids),
    "residual": (
        lambda: functional(lambda e: K.LayerNormalization()(K.Add()([e, K.Dense(8)(e)]))),
        ids,
    ),
    "branches": (
        lambda: functional(lambda e: K.Concatenate()([K.Dense(4)(e), K.BatchNormalization()(e)])),
        ids,
    ),
    "nested": (lambda: functional(nested), ids),
    "masking, conv": (lambda: masked(K.Conv1D(8, 3), K.GlobalMaxPooling1D()), signals),
    "masking, pooled": (lambda: masked(K.Dense(8), K.GlobalAveragePooling1D()), signals),
    "masking, separable": (lambda: masked(K.SeparableConv1D(8, 3), K.Flatten()), signals),
    "masking, bidirectional": (lambda: masked(K.Dense(6), K.Bidirectional(K.GRU(4))), signals),
}


@pytest.fixture(params=MODELS)
def case(request: pytest.FixtureRequest) -> tuple[Any, np.ndarray, Any]:
    make, data = MODELS[request.param]
    keras.utils.set_random_seed(0)
    model, batch = make(), data()
    return model, batch, optim.quantize_model(model, calibration_data=batch)


def test_outputs_are_those_of_the_float_model(case: tuple[Any, np.ndarray, Any]) -> None:
    model, batch, quantized = case
    assert sqnr(np.asarray(model(batch)), np.asarray(quantized(batch))) > 28
    report = optim.verify(optim.export(quantized), {"simulation": quantized}, batch)
    # A state of 8 bits that is a step off in one call is so in the next: less than layers without.
    loops = any(isinstance(layer, (K.RNN, K.Bidirectional)) for layer in model.layers)
    assert report.comparisons[0].sqnr > (30 if loops else 40)


def test_they_are_still_after_saving_and_loading(
    case: tuple[Any, np.ndarray, Any], tmp_path: Path
) -> None:
    _, batch, quantized = case
    expected = np.asarray(quantized(batch))
    for ending in ("h5", "keras"):
        quantized.save(tmp_path / f"m.{ending}")
        again = optim.load_model(tmp_path / f"m.{ending}")
        np.testing.assert_allclose(np.asarray(again(batch)), expected, rtol=1e-5, atol=1e-6)


def test_what_goes_by_a_mask_stays_float_and_the_plan_says_why() -> None:
    model = embedded(K.Dense(8, activation="relu"), K.GlobalAveragePooling1D())
    reasons = {entry.node.layer.name: entry.reason for entry in optim.plan(model).floats}
    (pooled,) = (name for name in reasons if name.startswith("global_average"))
    assert "mask" in reasons[pooled]


def test_without_a_mask_nothing_is_float_for_it() -> None:
    model = functional(lambda e: K.Dense(8)(e))
    plain = keras.Sequential(
        [keras.Input((LENGTH, 8)), K.Dense(8), K.GlobalAveragePooling1D(), K.Dense(2)]
    )
    assert optim.plan(plain).floats == []
    assert optim.plan(model).floats != []


def test_a_value_between_two_float_layers_that_goes_by_a_mask() -> None:
    """Two detours of the file, one behind the other, of which the converter makes one."""
    inputs = K.Input((12,), dtype="int32")
    x = K.Dense(8, activation="relu")(K.Embedding(50, 8, mask_zero=True)(inputs))
    model = keras.Model(inputs, [K.Dense(3)(K.GlobalAveragePooling1D()(x)), K.LSTM(4)(x)])
    data = np.random.default_rng(0).integers(1, 50, (16, 12))
    data[:, 7:] = 0
    content = optim.export(optim.quantize_model(model, calibration_data=data))
    report = optim.verify(content, {"float": model}, data)
    assert min(one.sqnr for one in report.comparisons) > 20
    assert not [op for op in report.operations if op.name in ("BITCAST", "BITWISE_XOR")]
