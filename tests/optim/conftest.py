"""Small models that have what the big ones are made of."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def keras():
    from optim._keras import keras

    return keras


@pytest.fixture(scope="session")
def tfmot():
    from optim._keras import tfmot

    return tfmot


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def conv_model(keras):
    """Every layer of the annotate recipe, and some that tfmot knows; (8, 8, 3) -> (2,)."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)
    x = layers.Normalization(mean=[0.4] * 3, variance=[0.1] * 3, name="normalize")(x)
    x = layers.ZeroPadding2D(1, name="pad")(x)
    x = layers.Conv2D(4, 3, use_bias=False, name="conv")(x)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(name="relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(y)
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="gate")(gate)
    x = layers.Add(name="add")([x, layers.Multiply(name="multiply")([y, gate])])
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, layers.Dense(2, name="logits")(x), name="small")


@pytest.fixture
def nested_model(keras):
    """A Sequential without input shape inside a model inside a model, and op layers."""
    layers = keras.layers
    stem = keras.Sequential(
        [layers.Conv2D(4, 3, name="conv"), layers.LayerNormalization(name="norm")], name="stem"
    )
    inner_input = keras.Input((8, 8, 3))
    inner = keras.Model(inner_input, stem(inner_input) * 2.0, name="inner")
    inputs = keras.Input((8, 8, 3))
    x = inner(layers.Rescaling(1 / 255, name="rescale")(inputs))[:, 1:]
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(2, name="logits")(x), name="outer")


@pytest.fixture
def photos(rng):
    return rng.uniform(0, 255, (4, 8, 8, 3)).astype("float32")


@pytest.fixture
def untouched():
    """A function that notes the state of a model and returns a check that it is the same."""

    def note(model):
        def state():
            layers = list(model._flatten_layers())
            return (
                [(x.name, len(x._inbound_nodes), len(x._outbound_nodes)) for x in layers],
                [weight.numpy().copy() for weight in model.weights],
                [weight.name for weight in model.weights],
            )

        before = state()

        def check():
            after = state()
            assert after[0] == before[0]
            assert after[2] == before[2]
            for old, new in zip(before[1], after[1], strict=True):
                np.testing.assert_array_equal(old, new)

        return check

    return note


@pytest.fixture
def reloaded(tmp_path):
    """A function that saves a model in a format and loads it through the public API."""

    def reload(model, suffix, **options):
        import optim

        path = tmp_path / f"model{suffix}"
        model.save(path)
        return optim.load_model(path, **options)

    return reload
