"""Kernels that the converter does not fold, for their size."""

from __future__ import annotations

from typing import Any

import numpy as np

import optim
import optim.litert
from optim._keras import keras
from optim.quantization.quantizers import wrappers


def test_a_kernel_beyond_what_is_folded_is_int8_and_the_same(monkeypatch: Any) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Dense(64, "relu", input_shape=(48,), name="large"),
            keras.layers.Dense(8, name="small"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(16, 48)).astype("f4")
    quantized = optim.quantize_model(model, calibration_data=[x])
    before = optim.export(quantized)
    monkeypatch.setattr(wrappers, "FOLDED_BYTES", 48 * 64 * 4 - 1)
    after = optim.export(quantized)
    report = optim.verify(after, {"simulation": quantized}, x)
    assert (report.int8_ops, len(report.islands)) == (1, 0)
    assert report.comparisons[0].sqnr > 40
    runs = [optim.litert.Runtime(file).run(x)[0] for file in (before, after)]
    np.testing.assert_array_equal(*runs)

    # The model is as it was: it trains, and its functions read the kernel anew.
    y = quantized.predict(x, verbose=0)
    kernel = quantized.get_layer("large").layer.kernel
    kernel.assign(2 * kernel)
    optim.calibrate(quantized, [x])
    assert np.abs(quantized.predict(x, verbose=0) - y).max() > 0.1


def test_a_kernel_that_is_really_too_large_leaves_nothing_to_the_runtime() -> None:
    large = keras.layers.Dense(8200, "relu", input_shape=(4100,))
    model = keras.Sequential([large, keras.layers.Dense(4)])
    assert 4 * large.kernel.shape.num_elements() > wrappers.FOLDED_BYTES
    x = np.random.default_rng(0).normal(size=(4, 4100)).astype("f4")
    quantized = optim.quantize_model(model, calibration_data=[x])
    report = optim.verify(optim.export(quantized), {"simulation": quantized}, x)
    assert set(report.histogram) == {"FULLY_CONNECTED", "QUANTIZE", "DEQUANTIZE"}
    assert report.comparisons[0].sqnr > 40
