"""Layers that hold other layers, or have no faithful config: copies hold the copies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf
from optim.errors import UnsupportedModelError

K = keras.layers
X = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")


class Tied(K.Layer):
    """Decodes by the kernel of another layer; no config."""

    def __init__(self, other: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.other = other

    def call(self, x: Any) -> Any:
        return tf.matmul(x, self.other.kernel, transpose_b=True)


class Applies(K.Layer):
    """Calls a function that it was given; no config."""

    def __init__(self, function: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function

    def call(self, x: Any) -> Any:
        return self.function(x)


class Locked(K.Layer):
    """Holds what cannot be copied, and computes what no trace shows."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lock = threading.Lock()

    def call(self, x: Any) -> Any:
        return tf.ensure_shape(tf.numpy_function(np.abs, [x], tf.float32), x.shape)

    def get_config(self) -> Any:
        raise NotImplementedError


def decoded(dense: Any, x: Any) -> Any:
    return tf.matmul(x, dense.kernel, transpose_b=True)


HOLDS: dict[str, Callable[[Any], Any]] = {
    "attribute": lambda dense: Tied(dense, name="t"),
    "lambda": lambda dense: K.Lambda(lambda x: decoded(dense, x), name="t"),
    "closure": lambda dense: Applies(lambda x: decoded(dense, x), name="t"),
    "default": lambda dense: Applies(lambda x, d=dense: decoded(d, x), name="t"),
}
MADE: dict[str, Callable[[Any], Any]] = {
    "quantized": lambda model: optim.quantize_model(model, calibration_data=X),
    "skipped": lambda model: optim.quantize_model(model, skip="t", calibration_data=X),
    "pruned": optim.prune_low_magnitude,
    "clustered": lambda model: optim.cluster_weights(model, 32, skip="d"),
    "sparse": lambda model: optim.sparsify(model, sparsity=0.01),
}


def autoencoder(holds: str) -> Any:
    keras.utils.set_random_seed(0)
    x = keras.Input((8,))
    dense = K.Dense(4, use_bias=False, name="d")
    return keras.Model(x, HOLDS[holds](dense)(K.ReLU()(dense(x))))


@pytest.mark.parametrize("holds", HOLDS)
@pytest.mark.parametrize("made", MADE)
@pytest.mark.filterwarnings("ignore")
def test_the_copy_computes_with_its_own_layers(holds: str, made: str) -> None:
    model = autoencoder(holds)
    expected = np.asarray(model(X))
    copy = MADE[made](model)
    before = np.asarray(copy(X))
    assert np.abs(before - expected).max() < 0.1 * np.abs(expected).max()

    kernel = model.get_layer("d").kernel
    kernel.assign(3 * kernel)  # of the original: nothing to the copy
    np.testing.assert_array_equal(np.asarray(copy(X)), before)

    (own,) = {id(w): w for w in copy.trainable_weights}.values()
    own.assign(0.5 * own)  # is in there twice
    after = np.asarray(copy(X))
    assert np.abs(after - 0.25 * before).max() < 0.1 * np.abs(before).max()


@pytest.mark.parametrize("made", sorted(set(MADE) - {"skipped"}))
@pytest.mark.filterwarnings("ignore")
def test_a_layer_that_nothing_describes_is_shared(made: str) -> None:
    x = keras.Input((8,))
    model = keras.Model(x, K.Dense(3)(Locked(name="x")(K.Dense(4, name="d")(x))))
    copy = MADE[made](model)
    assert np.abs(copy(X) - model(X)).max() < 0.1 * np.abs(model(X)).max()


def test_an_operator_in_a_model_that_is_called_twice() -> None:
    inputs = keras.Input((6, 6, 4))
    inner = keras.Model(inputs, K.ReLU()(K.Conv2D(4, 1)(inputs)) + inputs)
    x = keras.Input((6, 6, 4))
    model = keras.Model(x, K.Dense(2)(K.GlobalAveragePooling2D()(inner(inner(x)))))
    data = np.random.default_rng(0).normal(size=(8, 6, 6, 4)).astype("float32")
    for scheme in ("int8", "int16x8"):
        quantized = optim.quantize_model(model, scheme=scheme, calibration_data=data)
        assert np.abs(quantized(data) - model(data)).max() < 0.1
        assert len({layer.name for layer in quantized.layers}) == len(quantized.layers)


@pytest.mark.parametrize("holds", HOLDS)
def test_what_another_layer_holds_is_not_clustered(holds: str) -> None:
    """It would go on with the kernel as it was, not with the few values of it."""
    with pytest.raises(UnsupportedModelError, match="d: cannot be clustered, for t holds it"):
        optim.cluster_weights(autoencoder(holds), 4)


class Forgetful(K.Layer):
    """Its config leaves out how many units it has."""

    def __init__(self, units: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = K.Dense(units)

    def call(self, x: Any) -> Any:
        return self.dense(x)

    def get_config(self) -> Any:
        return super().get_config()


def test_a_layer_that_is_made_again_otherwise_is_refused() -> None:
    model = keras.Sequential([keras.Input((8,)), Forgetful(7, name="f"), K.Dense(2)])
    with pytest.raises(UnsupportedModelError, match="f: a Forgetful made from its config has oth"):
        optim.quantize_model(model, skip="f")
