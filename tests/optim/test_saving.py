"""Custom objects that `load_model` knows without being told."""

from __future__ import annotations

import numpy as np
import pytest

import optim


def same(model):
    return model


def pruned_and_back(model):
    return optim.unprune(optim.prune_low_magnitude(model))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    "transform", [same, optim.prune_low_magnitude, pruned_and_back, optim.quantize_model]
)
def test_a_layer_that_keras_itself_forgets_is_read_back(keras, tmp_path, transform, suffix):
    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.SpectralNormalization(layers.Conv2D(3, 3)),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    model = transform(net)
    path = tmp_path / f"model{suffix}"
    model.save(path)
    x = np.linspace(-1, 1, 144, dtype="float32").reshape(2, 6, 6, 2)
    loaded = optim.load_model(path)
    np.testing.assert_array_equal(loaded(x, training=False), model(x, training=False))
