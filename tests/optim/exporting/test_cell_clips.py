"""The cells of an LSTM go as far in a float file as they do in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras

K = keras.layers


def counting(steps: int, both: bool) -> Any:
    """A cell that adds nearly one at each step, and is read through a gate that opens slowly."""
    inputs = keras.Input((steps, 3))
    layer = K.LSTM(4, return_sequences=True, bias_initializer=keras.initializers.Constant(3.0))
    model = keras.Model(inputs, (K.Bidirectional(layer) if both else layer)(inputs))
    for weight in model.weights:
        if "kernel" in weight.name:
            weight.assign(np.random.default_rng(0).normal(0, 0.3, weight.shape))
    return model


@pytest.mark.parametrize("both", [False, True])
def test_a_float_file_has_no_bound(both: bool) -> None:
    model = counting(40, both)
    rng = np.random.default_rng(1)
    up, down = rng.normal(3.0, 1.0, (8, 20, 3)), rng.normal(-6.0, 1.0, (8, 20, 3))
    data = np.concatenate([up, down], axis=1).astype("float32")
    content = optim.export(model)
    (report,) = optim.verify(content, {"keras": model}, data).comparisons
    assert report.sqnr > 100
    for optimize, least in (("float16", 55), ("dynamic", 35)):
        content = optim.export(model, optimize=optimize)
        (report,) = optim.verify(content, {"keras": model}, data).comparisons
        assert report.sqnr > least
