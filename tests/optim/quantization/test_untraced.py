"""A model loaded without tracing its layers is the one that tracing gives."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import toys

from optim import cluster_weights, load_model, prune_low_magnitude
from optim._keras import keras, tf
from optim.quantization.building.untraced import untraced

K = keras.layers


def convolutional() -> Any:
    x = inputs = K.Input((None, None, 3))
    for filters in (4, 8):
        x = K.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = K.BatchNormalization()(x)
        x = K.Add()([x, K.DepthwiseConv2D(3, padding="same")(x)])
        x = K.MaxPooling2D()(K.Concatenate()([x, x]))
    return keras.Model(inputs, K.Dense(5, activation="softmax")(K.GlobalAveragePooling2D()(x)))


def specs(model: Any) -> dict[str, Any]:
    """Name of each layer -> types of its outputs, and names and shapes of its variables."""
    return {
        layer.name: (
            tf.nest.map_structure(lambda t: t.type_spec, [n.outputs for n in layer._inbound_nodes]),
            [(w.name, w.shape) for w in layer.weights],
        )
        for layer in model._flatten_layers(include_self=False)
    }


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Load a model as Keras does."""

    def load(path: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(sys.modules[untraced.__module__], "untraced", nullcontext)
            return load_model(path)

    return load


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("make", [lambda m: m, prune_low_magnitude, cluster_weights])
def test_a_loaded_model_is_as_if_traced(tmp_path, traced, make, suffix):
    model = make(convolutional())
    path = tmp_path / f"model.{suffix}"
    model.save(path)
    quick, slow = load_model(path), traced(path)
    assert specs(quick) == specs(slow)
    for ours, theirs in zip(quick.weights, slow.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    images = np.random.default_rng(0).uniform(size=(2, 16, 16, 3)).astype("float32")
    np.testing.assert_array_equal(quick(images).numpy(), slow(images).numpy())


@pytest.mark.parametrize("name", ["attention", "recurrent", "shared_layers_and_models"])
def test_layers_of_other_kinds_are_traced_as_ever(tmp_path, traced, name):
    model = toys.TOYS[name]()
    model.save(tmp_path / "model.h5")
    keras.backend.clear_session()  # it counts the names of inner layers
    quick = specs(load_model(tmp_path / "model.h5"))
    keras.backend.clear_session()
    assert quick == specs(traced(tmp_path / "model.h5"))


def test_what_is_told_begins_with_zeros_and_nothing_else_does():
    class Own(K.Dense):
        pass

    inputs = K.Input((4,))
    with untraced():
        model = keras.Model(inputs, Own(3, name="own")(K.Dense(4, name="plain")(inputs)))
    assert not model.get_layer("plain").kernel.numpy().any()
    assert model.get_layer("own").kernel.numpy().all()


def test_variables_are_named_as_if_traced_in_a_scope_of_the_caller():
    with untraced(), keras.backend.name_scope("block"):
        model = keras.Model(inputs := K.Input((4,)), K.Dense(4, name="plain")(inputs))
    assert model.weights[0].name == "plain/kernel:0"


def test_afterwards_keras_draws_and_traces_again():
    before = K.Layer._infer_output_signature
    with pytest.raises(ZeroDivisionError), untraced():
        raise ZeroDivisionError
    assert K.Layer._infer_output_signature is before
    layer = K.Dense(3)
    layer.build((None, 4))
    assert layer.kernel.numpy().any()
