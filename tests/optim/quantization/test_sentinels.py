"""Attention with masks: numbers that stand for none leave room for the others."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf
from optim.quantization.quantizers.quantizers import ScoreQuantizer

K = keras.layers
STEPS, WIDTH = 12, 16
LARGE = -1e9


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)


def signal() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(20, STEPS, WIDTH)).astype("float32")


def _kept(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    kept = np.random.default_rng(1).random((20, *shape)) > 0.4
    kept[..., 0] = True
    return kept.astype(dtype)


def _attention(scores: Any) -> tuple[Any, Any]:
    """A model of attention by its parts; `scores(s, inputs)` returns what the softmax takes."""
    inputs = [keras.Input((STEPS, WIDTH))]
    q, k, v = (K.Dense(WIDTH)(inputs[0]) for _ in range(3))
    data = [signal()]
    s = scores(tf.matmul(q, k, transpose_b=True) / 4.0, inputs, data)
    y = tf.matmul(tf.nn.softmax(s), v)
    return keras.Model(inputs, K.Dense(4)(y)), data


def _given(inputs: list[Any], data: list[Any], shape: tuple[int, ...], dtype: str) -> Any:
    inputs.append(keras.Input(shape, dtype=dtype))
    data.append(_kept(shape, dtype))
    return inputs[-1]


TRIANGLE = np.tril(np.ones((1, STEPS, STEPS), "float32"))


def constant(s: Any, inputs: Any, data: Any) -> Any:
    return s + ((1 - TRIANGLE) * LARGE).astype("float32")


def infinite(s: Any, inputs: Any, data: Any) -> Any:
    return s + np.where(TRIANGLE > 0, 0, -np.inf).astype("float32")


def subtracted(s: Any, inputs: Any, data: Any) -> Any:
    return s - ((1 - TRIANGLE) * 1e9).astype("float32")


def band(s: Any, inputs: Any, data: Any) -> Any:
    return s + (1 - tf.linalg.band_part(tf.ones((STEPS, STEPS)), -1, 0)) * LARGE


def chosen(s: Any, inputs: Any, data: Any) -> Any:
    return tf.where(TRIANGLE > 0, s, LARGE)


def of_floats(s: Any, inputs: Any, data: Any) -> Any:
    return s + (1.0 - _given(inputs, data, (STEPS,), "float32")[:, None, :]) * LARGE


def of_integers(s: Any, inputs: Any, data: Any) -> Any:
    kept = tf.cast(_given(inputs, data, (STEPS,), "int32"), tf.float32)
    return s + (1.0 - kept[:, None, :]) * LARGE


def of_indices(s: Any, inputs: Any, data: Any) -> Any:
    padding = tf.equal(_given(inputs, data, (STEPS,), "int32"), 0)
    return s + tf.cast(padding, tf.float32)[:, None, :] * LARGE


def chosen_by_data(s: Any, inputs: Any, data: Any) -> Any:
    kept = tf.not_equal(_given(inputs, data, (STEPS,), "int32"), 0)
    return tf.where(kept[:, None, :], s, -np.inf)


def _layer(name: str) -> tuple[Any, Any]:
    inputs, data = [keras.Input((STEPS, WIDTH))], [signal()]
    (x,) = inputs
    if name == "Attention":
        y = K.Attention()([x, x], use_causal_mask=True)
    elif name == "AdditiveAttention":
        y = K.AdditiveAttention()([x, x], use_causal_mask=True)
    elif name == "MultiHeadAttention":
        y = K.MultiHeadAttention(2, 8)(x, x, use_causal_mask=True)
    elif name == "MultiHeadAttention by data":
        kept = _given(inputs, data, (STEPS, STEPS), "bool")
        y = K.MultiHeadAttention(2, 8)(x, x, attention_mask=kept)
    elif name == "MultiHeadAttention by a constant":
        y = K.MultiHeadAttention(2, 8)(x, x, attention_mask=tf.constant(TRIANGLE > 0))
    elif name == "Softmax by a constant":
        y = K.Softmax()(tf.matmul(K.Dense(WIDTH)(x), x, transpose_b=True), mask=TRIANGLE > 0)
        y = tf.matmul(y, x)
    else:
        kept = _given(inputs, data, (STEPS, STEPS), "bool")
        scores = K.Dense(WIDTH)(x)
        y = K.Softmax()(tf.matmul(scores, x, transpose_b=True) / 4.0, mask=kept)
        y = tf.matmul(y, x)
    return keras.Model(inputs, K.Dense(4)(y)), data


LAYERS = (
    "Attention", "AdditiveAttention", "MultiHeadAttention", "MultiHeadAttention by data", "Softmax",
    "MultiHeadAttention by a constant", "Softmax by a constant",
)  # fmt: skip
FUNCTIONS = (
    constant, infinite, subtracted, band, chosen, of_floats, of_integers, of_indices,
    chosen_by_data,
)  # fmt: skip


def make(case: Any) -> tuple[Any, Any]:
    return _layer(case) if isinstance(case, str) else _attention(case)


@pytest.mark.parametrize("case", [*LAYERS, *FUNCTIONS])
def test_a_masked_softmax_is_as_good_as_another(case: Any) -> None:
    model, data = make(case)
    quantized = optim.quantize_model(model, calibration_data=[data])
    content = optim.export(quantized)
    report = optim.verify(content, {"sim": quantized, "float": model}, data)
    found = {one.reference: one.sqnr for one in report.comparisons}
    assert found["float"] > 28
    assert found["sim"] > 35
    assert report.int8_macs > 0.99
    assert all(set(one.operations) <= {"CAST", "RESHAPE"} for one in report.islands)


@pytest.mark.parametrize(
    "case", ["MultiHeadAttention", "MultiHeadAttention by a constant", constant, of_floats]
)
def test_sixteen_bits(case: Any) -> None:
    model, data = make(case)
    quantized = optim.quantize_model(model, scheme="int16x8", calibration_data=[data])
    content = optim.export(quantized, representative_data=[data])
    (report,) = optim.verify(content, {"float": model}, data).comparisons
    assert report.sqnr > 38


def test_a_causal_mask_of_a_known_length_is_a_constant() -> None:
    model, _ = _layer("Attention")
    symbols = {entry.node.symbol for entry in optim.plan(model)}
    assert not symbols & {"math.cumsum", "math.greater_equal", "shape", "ones"}


def test_what_is_masked_gets_nothing() -> None:
    model, data = _layer("Attention")
    content = optim.export(optim.quantize_model(model, calibration_data=[data]))
    other = [data[0].copy()]
    other[0][:, -1] = 3.0  # no step before the last sees it
    runtime = optim.litert.Runtime(content)
    first, second = (runtime.run(d)[0] for d in (data, other))
    assert np.array_equal(first[:, :-1], second[:, :-1])
    assert not np.array_equal(first[:, -1], second[:, -1])


def test_the_range_is_that_of_what_is_not_masked() -> None:
    quantizer = ScoreQuantizer(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
    rows = np.array([[1.0, 2.0, -128.0], [0.5, -3.0, -126.0], [-128.0, -128.0, -127.0]], "float32")
    seen = quantizer.seen(rows).numpy()
    room = np.log(256 * 3)
    assert seen.min() == pytest.approx(0.5 - room)
    assert seen.max() == 2.0
    assert np.array_equal(seen[:2, :2], rows[:2, :2])


def test_training_keeps_the_range_sane() -> None:
    model, data = _layer("Attention")
    quantized = optim.quantize_model(model, calibration_data=[data])
    quantized.compile("sgd", "mse")
    quantized.fit(data[0], np.zeros((20, STEPS, 4)), epochs=3, verbose=0)
    lows = [float(v) for v in quantized.weights if "min" in v.name and not v.shape.rank]
    assert min(lows) > -130


def test_large_numbers_elsewhere_stay() -> None:
    inputs = keras.Input((4,))
    x = K.Dense(4)(inputs) * 1e6
    model = keras.Model(inputs, K.Dense(2)(x))
    data = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    content = optim.export(optim.quantize_model(model, calibration_data=data))
    (report,) = optim.verify(content, {"float": model}, data).comparisons
    assert report.sqnr > 30


@pytest.mark.parametrize("shared", ["chosen", "added"])
def test_a_sentinel_that_stays_is_said_at_calibration(shared: str) -> None:
    inputs = keras.Input((STEPS, WIDTH))
    x = K.Dense(6)(inputs)
    low = tf.where(tf.abs(inputs[..., :1]) < 1.5, 0.0, LARGE)
    y = x + low if shared == "added" else tf.where(low < 0.0, LARGE, x)
    model = keras.Model(inputs, K.Dense(3)(tf.reduce_max(y, 1)))
    with pytest.warns(UserWarning, match="values are lost beside a number that is far larger"):
        optim.quantize_model(model, calibration_data=[signal()])


def test_large_numbers_are_not_taken_for_sentinels() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, K.Dense(2)(K.ReLU()(K.Dense(4)(inputs) * 1e6)))
    data = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        optim.quantize_model(model, calibration_data=data)
