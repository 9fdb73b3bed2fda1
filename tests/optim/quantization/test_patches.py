"""Windows of images, without weights out of proportion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf
from optim.graph.reader import read
from optim.quantization.building.builder import build
from optim.quantization.lowering.driver import lower

K = keras.layers

CASES: dict[str, tuple[Any, ...]] = {
    "tiles": (12, 3, 4, 4, 1, "VALID"),
    "tiles of many channels": (28, 64, 14, 14, 1, "SAME"),
    "small and overlapping": (8, 3, 3, 1, 1, "SAME"),
    "large and overlapping": (28, 64, 14, 7, 1, "VALID"),
    "large, padded": (10, 128, 5, 3, 1, "SAME"),
    "large, with holes": (16, 128, 4, 1, 2, "SAME"),
    "holes and strides": (16, 4, 3, 2, 2, "VALID"),
}


@pytest.mark.parametrize("case", CASES)
def test_patches(case: str) -> None:
    keras.utils.set_random_seed(0)
    size, channels, window, stride, rate, padding = CASES[case]
    inputs = keras.Input((size, size, channels))
    x = K.Conv2D(channels, 1)(inputs)
    x = tf.image.extract_patches(
        x, [1, window, window, 1], [1, stride, stride, 1], [1, rate, rate, 1], padding
    )
    model = keras.Model(inputs, K.Dense(3)(x))
    data = np.random.default_rng(0).normal(size=(4, *inputs.shape[1:])).astype("float32")
    lowered = build(lower(read(model)))
    assert np.allclose(lowered(data), model(data), rtol=1e-4, atol=1e-4)
    assert lowered.count_params() <= model.count_params() + (1 << 20)
    quantized = optim.quantize_model(model, calibration_data=data)
    report = optim.verify(optim.export(quantized), {"float": model}, data)
    assert not report.islands
    assert min(one.sqnr for one in report.comparisons) > 30
