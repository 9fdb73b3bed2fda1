"""Every constructor of `keras.applications`, both variants. Minutes each for the big ones."""

from __future__ import annotations

import gc
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optim._keras import keras, tf
from optim.engine import build, lower, plan, quantize_model, read
from optim.scope import load_model

NAMES = sorted(
    name
    for name, value in vars(keras.applications).items()
    if isinstance(value, types.FunctionType) and name[0].isupper()
)


def make(name: str, variant: str) -> Any:
    """The model, at a static size if it has no other, and a batch it takes."""
    constructor = getattr(keras.applications, name)
    if variant == "top":
        model = constructor(weights=None, classifier_activation=None)
    else:
        model = constructor(weights=None, include_top=False, input_shape=(None, None, 3))
    size = model.input_shape[1] or 96
    rng = np.random.default_rng(0)
    small = rng.uniform(0, 255, (1, 8, 8, 3))
    return model, tf.image.resize(small, (size, size), "bicubic")


def condition(model: Any, batch: Any) -> None:
    """Unit signals from random weights: variance is the mean square of the whole tensor."""
    norms = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]

    def observe(layer: Any) -> Any:
        def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
            layer.moving_mean.assign(tf.zeros_like(layer.moving_mean))
            mean_square = tf.reduce_mean(inputs**2)
            layer.moving_variance.assign(tf.fill(layer.moving_variance.shape, mean_square))
            return type(layer).call(layer, inputs, training=False)

        return call

    for layer in norms:
        layer.__dict__["call"] = observe(layer)
    try:
        model(batch, training=False)
    finally:
        for layer in norms:
            del layer.__dict__["call"]


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["notop", "top"])
@pytest.mark.parametrize("name", NAMES)
def test_application(name: str, variant: str, tmp_path: Path) -> None:
    model, batch = make(name, variant)
    assert not plan(model).floats
    try:
        condition(model, batch)
    except tf.errors.InvalidArgumentError:
        # Some graphs fit one size only, and at an unknown size no batch fits them.
        default = getattr(keras.applications, name)(weights=None).input_shape[1]
        keras.backend.clear_session()
        shape = (default, default, 3)
        model = getattr(keras.applications, name)(
            weights=None, include_top=False, input_shape=shape
        )
        batch = tf.image.resize(batch, shape[:2])
        condition(model, batch)
    expected = model(batch, training=False).numpy()

    lowered = build(lower(read(model)))
    result = lowered(batch, training=False).numpy()
    assert np.abs(result - expected).max() <= 1e-4 * np.abs(expected).max()
    del lowered
    gc.collect()

    quantized = quantize_model(model, calibration_data=[batch])
    del model
    gc.collect()
    expected = quantized(batch, training=False).numpy()
    assert np.isfinite(expected).all()
    quantized.save(tmp_path / "model.keras")
    del quantized
    gc.collect()
    loaded = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(batch, training=False).numpy(), expected)
