"""Layers with functions that no config has words for: rules make the new layers of them even so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf

K = keras.layers


class Penalty(keras.regularizers.Regularizer):  # type: ignore[misc]
    def __call__(self, x: Any) -> Any:
        return 0.1 * tf.reduce_sum(x * x)


class Bound(keras.constraints.Constraint):  # type: ignore[misc]
    def __call__(self, w: Any) -> Any:
        return tf.clip_by_value(w, -1.0, 1.0)


def doubled(x: Any) -> Any:
    return 2.0 * tf.nn.silu(x)


def unequal(x: Any) -> Any:
    y = K.Concatenate()([x, x * 1000.0])
    return K.BatchNormalization(gamma_regularizer=Penalty(), beta_constraint=Bound())(y)


LAYERS: dict[str, Any] = {
    "lambda": lambda: K.Dense(4, activation=lambda x: tf.nn.silu(x) * 2.0),
    "function": lambda: K.Conv2D(4, 3, activation=doubled),
    "penalty": lambda: K.Dense(4, kernel_regularizer=Penalty(), bias_constraint=Bound()),
    "separable": lambda: K.SeparableConv2D(
        4, 3, depthwise_regularizer=Penalty(), pointwise_constraint=Bound(), activation=doubled
    ),
    "groups": lambda: K.Conv2D(8, 3, groups=4, kernel_regularizer=Penalty(), activation="swish"),
    "axes": lambda: K.EinsumDense("abcd,de->abce", (8, 8, 4), activation=doubled),
    "normalization": lambda: K.BatchNormalization(gamma_regularizer=Penalty()),
    "branches": lambda: unequal,
}


@pytest.mark.parametrize("part", LAYERS)
def test_a_layer_with_such_a_function_is_quantized(part: str) -> None:
    inputs = K.Input((8, 8, 4))
    model = keras.Model(inputs, LAYERS[part]()(inputs))
    data = np.random.default_rng(0).random((16, 8, 8, 4)).astype("float32")
    quantized = optim.quantize_model(model, calibration_data=data)
    model(data), quantized(data)
    wanted, found = (sum(float(x) for x in each.losses) for each in (model, quantized))
    assert found == pytest.approx(wanted, rel=1e-4)
    report = optim.verify(optim.export(quantized), {"float": model}, data)
    assert report.comparisons[0].sqnr > 20
