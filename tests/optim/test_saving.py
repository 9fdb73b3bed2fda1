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


def doubled(x):
    return x * 2.0


@pytest.mark.parametrize("suffix", [".h5", ".keras", ""])
@pytest.mark.parametrize("name", ["registered", "given", "hard_silu"])
def test_a_function_as_activation_is_read_back(keras, tmp_path, name, suffix):
    from optim.keras3.layers import hard_silu

    function = hard_silu
    if name == "registered":
        function = keras.utils.register_keras_serializable(package="tests")(doubled)
    elif name == "given":
        function = lambda x: x * 3.0  # noqa: E731
        function.__name__ = name
    given = {name: function} if name == "given" else {}
    inputs = keras.Input((4, 3))
    x = keras.layers.Activation(function)(inputs)
    x = keras.layers.LSTM(3, activation=function)(x)
    model = keras.Model(inputs, keras.layers.Dense(2, activation=function)(x))
    path = tmp_path / f"model{suffix}"
    model.save(path)
    loaded = optim.load_model(path, custom_objects=given)
    assert loaded.layers[-1].activation is function
    x = np.random.default_rng(0).normal(size=(3, 4, 3)).astype("float32")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
