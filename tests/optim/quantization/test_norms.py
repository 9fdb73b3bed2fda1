"""Norms over any axes: int8 in the file, or float with a reason in the plan."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf
from optim.graph.reader import read
from optim.quantization.building.builder import build
from optim.quantization.lowering.driver import lower

K = keras.layers


def network(part: Any) -> Any:
    inputs = K.Input((12, 10, 3))
    y = part(K.Conv2D(4, 3, name="before")(inputs))
    return keras.Model(inputs, K.Dense(2, name="after")(K.Flatten(name="flat")(y)))


def images() -> np.ndarray:
    return np.random.default_rng(0).random((16, 12, 10, 3)).astype("float32")


INT8 = {
    "unit, first": lambda x: tf.math.l2_normalize(x, axis=1),
    "unit, middle": lambda x: tf.nn.l2_normalize(x, [-2]),
    "unit, last": lambda x: tf.nn.l2_normalize(x, -1, epsilon=1e-6),
    "unit, map": lambda x: tf.math.l2_normalize(x, axis=(1, 2)),
    "unit, trailing": lambda x: tf.math.l2_normalize(x, axis=(2, 3)),
    "unit, apart": lambda x: tf.math.l2_normalize(x, axis=(3, 1)),
    "unit, sample": lambda x: tf.math.l2_normalize(x, axis=(1, 2, 3)),
    "unit, backend": lambda x: keras.backend.l2_normalize(x, axis=2),
    "layer, first": lambda x: K.UnitNormalization(axis=1)(x),
    "layer, map": lambda x: K.UnitNormalization(axis=(1, 2))(x),
    "layer, apart": lambda x: K.UnitNormalization(axis=[-1, 1])(x),
    "length, middle": lambda x: tf.norm(x, axis=2),
    "length, first": lambda x: tf.linalg.norm(x, axis=1, keepdims=True),
    "length, 2": lambda x: tf.norm(x, 2, -1),
    "reduced": lambda x: tf.math.reduce_euclidean_norm(x, axis=1),
    "reduced, all": lambda x: tf.math.reduce_euclidean_norm(x, [1, 2, 3], keepdims=True),
    "matrix": lambda x: tf.norm(x, axis=(1, 2)),
    "matrix, apart": lambda x: tf.linalg.norm(x, ord="euclidean", axis=(-1, 1)),
    "Frobenius": lambda x: tf.norm(x, ord="fro", axis=[-2, -1], keepdims=True),
}
FLOAT = {
    "unit, batch": lambda x: tf.math.l2_normalize(x),
    "unit, large epsilon": lambda x: tf.math.l2_normalize(x, -1, 0.5),
    "unit, large epsilon elsewhere": lambda x: tf.math.l2_normalize(x, 1, epsilon=0.5),
    "absolute": lambda x: tf.norm(x, ord=1, axis=1),
    "largest": lambda x: tf.norm(x, ord=np.inf, axis=-1),
    "columns": lambda x: tf.norm(x, ord=1, axis=(1, 2)),
    "cubic": lambda x: tf.norm(x, ord=3, axis=2),
}


def exported(model: Any) -> Any:
    quantized = optim.quantize_model(model, calibration_data=images())
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*float islands")
        content = optim.export(quantized)
    return optim.verify(content, {"float": model}, images())


@pytest.mark.parametrize("part", INT8)
def test_a_norm_of_a_sample_is_int8(part: str, outputs: Any) -> None:
    model = network(INT8[part])
    assert not optim.plan(model).floats
    lowered = build(lower(read(model)))
    wanted, found = (outputs(each, images())[0] for each in (model, lowered))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    report = exported(model)
    assert not report.islands
    assert report.comparisons[0].sqnr > 20


@pytest.mark.parametrize("part", FLOAT)
def test_a_norm_that_has_no_int8_form_is_float_by_plan(part: str) -> None:
    model = network(FLOAT[part])
    (entry, *_) = optim.plan(model).floats
    assert "int8 kernel" in entry.reason
    assert exported(model).islands
