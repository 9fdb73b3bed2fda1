"""Every architecture of the pool: lowered exactly, quantized, trained, saved, read back.

What an architecture's float model cannot do itself (be written to a format and read again
with nothing but its classes) is not asked of the quantized one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import architectures
import numpy as np
import pytest
import toys
from architectures import ARCHITECTURES

from optim._keras import keras, tf
from optim.files.api import load_model
from optim.graph.reader import read
from optim.quantization.api import quantize_model
from optim.quantization.building.builder import build
from optim.quantization.lowering.driver import lower
from optim.quantization.planning.planner import plan

LEAST_DB = 15.0  # far below what a right model has, far above what a wrongly wired one has

# Reasons for which something may stay float. Nothing else may.
REASONS = (
    "LiteRT has no",
    "changes the weights of the layer within",
    "computes a mask",
    "divides by data",
    "a divisor",
    "does something else in training",
    "it is called several times",
    "its axes, shape or precision",
    "its call uses",
    "makes floating-point numbers of integers",
    "makes numbers of categories",
    "joins one of several outputs",
    "recurrent",
    "applies a layer to each step",
)
FLOATS: dict[str, list[Any]] = {}  # what stays float, by architecture, as far as known


@pytest.fixture(autouse=True)
def _precision() -> Any:
    before = keras.mixed_precision.global_policy()
    yield
    keras.mixed_precision.set_global_policy(before)


def make(name: str) -> tuple[Any, Any]:
    """The model, no weight of which is a neutral element, and a batch for it."""
    model = ARCHITECTURES[name]()
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if weight.dtype.is_floating:
            weight.assign(weight + tf.cast(rng.uniform(-0.1, 0.1, weight.shape), weight.dtype))
    return model, toys.batch_for(model, size=4)


def run(model: Any, batch: Any) -> list[np.ndarray]:
    keras.utils.set_random_seed(7)  # some draw random numbers in inference
    results = tf.nest.flatten(model(batch, training=False))
    return [np.asarray(y, "float32" if y.dtype.is_floating else None) for y in results]


def decibels(signal: np.ndarray, other: np.ndarray) -> float:
    power, noise = np.mean(signal**2), np.mean((signal - other) ** 2)
    return float(10 * np.log10((power + 1e-20) / (noise + 1e-20)))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_lowered_quantized_trained_saved(name: str, tmp_path: Path) -> None:
    model, batch = make(name)
    expected = run(model, batch)
    tolerance = 1e-5 if model.compute_dtype == "float32" and not half(model) else 2e-2
    lowered = run(build(lower(read(model))), batch)
    for a, b in zip(expected, lowered, strict=True):
        assert np.abs(a - b).max() <= tolerance * max(np.abs(a).max(), 1e-3)

    FLOATS[name] = plan(model).floats
    assert [e.reason for e in FLOATS[name] if not any(r in e.reason for r in REASONS)] == []

    quantized = quantize_model(model, calibration_data=[batch])
    for a, b in zip(expected, run(quantized, batch), strict=True):
        assert decibels(a, b) >= LEAST_DB

    quantized.compile("sgd", loss="mse", run_eagerly=True)
    targets = tf.nest.map_structure(
        lambda y: np.zeros(y.shape, "float32"), quantized(batch, training=False)
    )
    quantized.fit(batch, targets, batch_size=4, verbose=0)
    trained = run(quantized, batch)
    assert all(np.isfinite(y).all() for y in trained)

    for suffix in ("h5", "keras"):
        loaded = saved_and_loaded(quantized, tmp_path / f"quantized.{suffix}")
        if isinstance(loaded, Exception):
            assert isinstance(saved_and_loaded(model, tmp_path / f"float.{suffix}"), Exception)
            continue
        for a, b in zip(trained, run(loaded, batch), strict=True):
            np.testing.assert_array_equal(a, b)


def half(model: Any) -> bool:
    return any(layer.compute_dtype == "float16" for layer in model._flatten_layers())


def saved_and_loaded(model: Any, path: Path) -> Any:
    """The model as read back from a file, or the error."""
    try:
        model.save(path)
        return load_model(path, custom_objects=architectures.own_classes())
    except Exception as error:
        return error


def test_most_architectures_have_no_float_layer() -> None:
    for name in ARCHITECTURES:
        if name not in FLOATS:
            FLOATS[name] = plan(ARCHITECTURES[name]()).floats
    whole = [name for name in ARCHITECTURES if not FLOATS[name]]
    assert len(whole) >= 0.6 * len(ARCHITECTURES)


def test_two_models_with_an_ellipsis_can_be_read_one_after_the_other(tmp_path: Path) -> None:
    for i in range(2):
        model, batch = make("ellipsis_slices")
        quantized = quantize_model(model)
        quantized.save(tmp_path / f"{i}.keras")
        for a, b in zip(
            run(quantized, batch), run(load_model(tmp_path / f"{i}.keras"), batch), strict=True
        ):
            np.testing.assert_array_equal(a, b)
