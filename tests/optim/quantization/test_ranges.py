"""Ranges are sane: of some width, finite, and of a file that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras
from optim.errors import ConfigError, ExportError
from optim.verification.compare import sqnr

K = keras.layers


def residual() -> Any:
    """A residual branch as it is initialised: BatchNormalization makes zeros of it."""
    inputs = keras.Input((16, 16, 8))
    x = K.BatchNormalization(gamma_initializer="zeros")(K.Conv2D(8, 1, use_bias=False)(inputs))
    return keras.Model(inputs, K.Conv2D(4, 3, activation="relu")(K.Add()([inputs, x])))


def dead(layer: Any) -> Any:
    return keras.Sequential([keras.Input((16, 16, 8)), layer, K.ReLU(), K.Conv2D(4, 1)])


LOW = keras.initializers.Constant(-50.0)
MODELS: dict[str, Callable[[], Any]] = {
    "residual": residual,
    "dead dense": lambda: dead(K.Dense(4, bias_initializer=LOW)),
    "dead conv": lambda: dead(K.Conv2D(4, 3, bias_initializer=LOW)),
    "dead depthwise": lambda: dead(K.DepthwiseConv2D(3, bias_initializer=LOW)),
    "dead transposed": lambda: dead(K.Conv2DTranspose(4, 3, bias_initializer=LOW)),
    "zero kernel": lambda: dead(K.Conv2D(4, 3, kernel_initializer="zeros")),
    "zero depthwise": lambda: dead(K.DepthwiseConv2D(3, depthwise_initializer="zeros")),
    "zero input": lambda: dead(K.Rescaling(0.0)),
}


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).random((16, 16, 16, 8)).astype("float32")


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_zero_for_all_data_gives_a_file_that_runs(
    name: str, method: str, images: np.ndarray
) -> None:
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    quantized = optim.quantize_model(model)
    with pytest.warns(UserWarning, match="zero for all data"):
        optim.calibrate(quantized, images, method=method)
    expected = np.asarray(quantized(images))
    assert sqnr(np.asarray(model(images)), expected) > 25
    report = optim.verify(optim.export(quantized), {"simulation": quantized}, images)
    assert report.comparisons[0].sqnr > 40


def test_a_small_signal_keeps_its_own_range() -> None:
    inputs = keras.Input((16,))
    small = K.Dense(8, use_bias=False)
    model = keras.Model(inputs, K.Dense(4, use_bias=False)(small(inputs)))
    small.kernel.assign(small.kernel * 1e-9)
    data = np.random.default_rng(0).normal(size=(32, 16)).astype("float32")
    quantized = optim.quantize_model(model, calibration_data=data)
    assert sqnr(np.asarray(model(data)), np.asarray(quantized(data))) > 28


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused_with_the_layer(bad: float) -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, K.Dense(2)(K.ReLU(name="first")(inputs)))
    data = np.ones((8, 4), "float32")
    data[3, 1] = bad
    with pytest.raises(ConfigError, match="NaN or infinite values"):
        optim.quantize_model(model, calibration_data=data)


def test_a_file_that_litert_does_not_run_is_refused_with_the_layer(images: np.ndarray) -> None:
    model = keras.Sequential(
        [keras.Input((16, 16, 8)), K.Conv2D(4, 3, name="narrow"), K.Conv2D(2, 1, name="last")]
    )
    quantized = optim.quantize_model(model, calibration_data=images)
    for variable in quantized.weights:
        if variable.name in ("narrow/output_min:0", "narrow/output_max:0"):
            variable.assign(variable * 1e-9)
    with pytest.raises(ExportError, match="does not run") as caught:
        optim.export(quantized)
    assert [problem.layer for problem in caught.value.problems] == ["narrow"]
    assert "calibrate" in caught.value.problems[0].remedy


def test_files_with_open_sizes_are_written_untried() -> None:
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, K.Conv2D(4, 5)(K.Conv2D(4, 5)(inputs)))
    assert optim.export(model, input_shape=(None, None, None, 3))
