"""Comparing models of Keras 3 with their twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim

#: Largest difference, of the largest value.
TOLERANCE = 1e-5


@pytest.fixture
def keras3() -> Any:
    import keras

    return keras


@pytest.fixture(autouse=True)
def _seeded(keras3: Any) -> None:
    """The same weights in every run."""
    keras3.utils.set_random_seed(0)


@pytest.fixture
def tf() -> Any:
    from optim._keras import tf

    return tf


def numbers(spec: Any, batch: int = 3, size: int = 8) -> np.ndarray:
    """Random numbers for an input: normal, or whole ones below 5."""
    rng = np.random.default_rng(0)
    shape = [n or (size if i else batch) for i, n in enumerate(spec.shape)]
    if "float" in spec.dtype:
        return rng.normal(size=shape).astype(spec.dtype)
    return rng.integers(0, 5, shape).astype(spec.dtype)


def randomize(model: Any) -> None:
    """Give weights that start as zeros or ones others."""
    rng = np.random.default_rng(1)
    for variable in model.weights:
        name = variable.path.rpartition("/")[2]
        if name in ("gamma", "moving_variance", "variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif name in ("beta", "bias", "moving_mean", "mean", "alpha"):
            variable.assign(rng.normal(0, 0.1, variable.shape))


def difference(wanted: Any, got: Any) -> float:
    """The largest difference, of the largest value; infinite if shapes or dtypes differ."""
    a, b = np.asarray(wanted), np.asarray(got)
    if a.shape != b.shape or a.dtype != b.dtype:
        return float("inf")
    if not a.size:
        return 0.0
    a, b = a.astype("float64"), b.astype("float64")
    return float(np.max(np.abs(a - b)) / max(np.max(np.abs(a)), 1e-30))


@pytest.fixture
def twin(tf: Any) -> Callable[..., Any]:
    """A function that makes the twin of a model, and asserts that both compute the same."""

    def make(
        model: Any,
        data: Any = None,
        training: tuple[bool, ...] = (False,),
        tolerance: float = TOLERANCE,
    ) -> Any:
        randomize(model)
        twin = optim.from_keras3(model)
        if data is None:
            functional = getattr(model, "_functional", None) or model
            data = tf.nest.map_structure(numbers, functional._inputs_struct)
        for mode in training:
            before = [np.asarray(v.value) for v in model.weights]
            wanted, got = model(data, training=mode), twin(data, training=mode)
            tf.nest.assert_same_structure(wanted, got)
            for a, b in zip(tf.nest.flatten(wanted), tf.nest.flatten(got), strict=True):
                assert difference(a, b) <= tolerance
            for variable, value in zip(model.weights, before, strict=True):
                variable.assign(value)
        assert twin.name == model.name
        return twin

    return make
