"""Names and numbers that the engine's tests share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optim._keras import keras, tf


@pytest.fixture(autouse=True)
def fresh_names() -> None:
    """Layer names do not depend on the tests that ran before."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)


@pytest.fixture
def outputs() -> Any:
    """A function: flat list of a model's outputs for a batch, in inference."""

    def run(model: Any, batch: Any) -> list[np.ndarray]:
        return [np.asarray(y) for y in tf.nest.flatten(model(batch, training=False))]

    return run
