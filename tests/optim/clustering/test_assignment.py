"""Which of few values a weight takes, looked up in a table."""

from __future__ import annotations

import numpy as np
import pytest

from optim._keras import tf
from optim.clustering.assignment import nearest_by_table, pull

CENTROIDS = {
    "spread": np.linspace(-0.1, 0.1, 16),
    "two": [-1.0, 1.0],
    "one": [0.25],
    "repeated": [-0.05, -0.05, 0.0, 0.0, 0.05],
    "close": 0.03 + np.arange(16) * 1e-8,
    "far": [-1e38, -1e-38, 0.0, 1e-42, 1e38],
}


def weights(rng: np.random.Generator, centroids: np.ndarray) -> np.ndarray:
    """Some of each kind: on a limit and next to it, zeros, the largest and the smallest."""
    limits = (centroids[:-1] + centroids[1:]) / 2
    near = [limits, *(np.nextafter(limits, end) for end in (-np.inf, np.inf))]
    odd = np.array([0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38, np.inf, -np.inf])
    many = rng.normal(0, 0.05, 40_000)
    return np.concatenate([many, *near, centroids, odd]).astype("float32")


@pytest.mark.parametrize("name", CENTROIDS)
def test_a_table_finds_what_a_search_finds(rng, name):
    centroids = np.asarray(CENTROIDS[name], "float32")
    limits = (centroids[:-1] + centroids[1:]) / 2
    flat = weights(rng, centroids)
    assert np.array_equal(nearest_by_table(flat, limits), tf.searchsorted(limits, flat))
    flat[::7] = np.nan
    assert np.array_equal(nearest_by_table(flat, limits), tf.searchsorted(limits, flat))


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("name", CENTROIDS)
def test_eager_and_compiled_values_and_gradients_are_equal(rng, name, average):
    centroids = tf.constant(CENTROIDS[name], tf.float32)
    kernel = tf.constant(weights(rng, centroids.numpy()))
    upstream = tf.constant(rng.normal(size=kernel.shape), tf.float32)

    def step(kernel, centroids):
        with tf.GradientTape() as tape:
            tape.watch((kernel, centroids))
            values = pull(kernel, centroids, average)
            loss = tf.reduce_sum(values * upstream)
        return values, *tape.gradient(loss, (kernel, centroids))

    for eager, compiled in zip(
        step(kernel, centroids), tf.function(step)(kernel, centroids), strict=True
    ):
        assert np.array_equal(eager, compiled)
