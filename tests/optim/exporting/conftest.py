"""Small models and data that the tests of export, verification and debugging share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import toys

import optim
from optim._keras import keras

K = keras.layers


@pytest.fixture(autouse=True)
def fresh_names() -> None:
    """Layer names and weights do not depend on the tests that ran before."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)


@pytest.fixture
def images() -> np.ndarray:
    """Standard normal values of shape (16, 8, 8, 4), float32."""
    return np.random.default_rng(0).normal(size=(16, 8, 8, 4)).astype("float32")


@pytest.fixture
def small() -> Any:
    """Convolution, BatchNormalization, ReLU, mean, Dense: (8, 8, 4) -> (3,)."""
    x = keras.Input((8, 8, 4), name="image")
    y = K.Conv2D(6, 3, use_bias=False, name="conv")(x)
    y = K.ReLU(name="relu")(K.BatchNormalization(name="norm")(y))
    y = K.GlobalAveragePooling2D(name="mean")(y)
    return toys.randomize(keras.Model(x, K.Dense(3, name="logits")(y), name="small"))


@pytest.fixture
def small_qat(small: Any, images: np.ndarray) -> Any:
    return optim.quantize_model(small, calibration_data=[images])


@pytest.fixture
def with_elu() -> Any:
    """An ELU, for which LiteRT has no int8 kernel, between two convolutions."""
    x = keras.Input((8, 8, 4), name="image")
    y = K.Conv2D(4, 3, name="before")(x)
    y = K.ELU(name="odd_one")(y)
    return toys.randomize(keras.Model(x, K.Conv2D(2, 1, name="after")(y), name="islands"))


@pytest.fixture
def two_ends() -> Any:
    """Two inputs and two outputs whose order is not that of their names."""
    b, a = keras.Input((8, 8, 4), name="b"), keras.Input((6,), name="a")
    y = K.Conv2D(3, 1, name="z")(b)
    z = K.Dense(2, name="m")(a)
    return toys.randomize(keras.Model([b, a], [y, z], name="ends"))


@pytest.fixture
def state_of() -> Callable[[Any], Any]:
    """A function: everything about a model that an export could disturb."""

    def note(model: Any) -> Any:
        layers = list(model._flatten_layers())
        return (
            [(x.name, x.trainable, len(x._inbound_nodes), sorted(vars(x))) for x in layers],
            [[w.name for w in x.weights] for x in layers],
            [id(getattr(x, "kernel", None)) for x in layers],
            [w.numpy().tobytes() for w in model.weights],
            model.optimizer is None or model.optimizer.get_config(),
        )

    return note
