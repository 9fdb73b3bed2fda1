"""k-means of the values of a kernel: one dimension, millions of points.

In one dimension a cluster is an interval, so neither distances nor assignments of single
points are needed. The values are reduced once to sorted points with weights (exact for up
to `EXACT` values, else a histogram of `BINS` bins that keeps the mean of each bin); with
running sums over these, an iteration costs k binary searches.

Sources: S. Lloyd, Least squares quantization in PCM, 1982; D. Arthur and S. Vassilvitskii,
k-means++: the advantages of careful seeding, 2007. The other initial positions are those
of S. Han, H. Mao and W. Dally, Deep compression, 2016.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["INITIALIZATIONS", "centroids", "nearest"]

EXACT = 1 << 15
BINS = 1 << 15
_CHUNK = 1 << 22  # values in work at a time: bounds the temporary memory
_SEED = 9
_RUNS = 2
_ITERATIONS = 300
_REST = 1e-5  # of the range: centroids that move less rest
_TAIL = 1e-3  # share of values on each side that may be far from the others
_FEW = 64  # bins that the others have to spread over

Array = np.ndarray


class Points:
    """Sorted points on a line, with weights and running sums.

    Args:
        values: array of any shape, finite.
    """

    def __init__(self, values: Array) -> None:
        flat = values.reshape(-1)
        if flat.size <= EXACT:
            self.at, counts = np.unique(flat.astype(np.float64), return_counts=True)
            self._width = self.at[-1] - self.at[0]
        else:
            self.at, counts, self._width = _reduced(flat)
        self.weights = counts.astype(np.float64)
        self._count = np.concatenate([[0.0], np.cumsum(self.weights)])
        self._sum = np.concatenate([[0.0], np.cumsum(self.weights * self.at)])
        self._square = np.concatenate([[0.0], np.cumsum(self.weights * self.at**2)])

    def quantiles(self, shares: Array) -> Array:
        """Return the points below which these shares of the weight lie."""
        middle = (self._count[:-1] + self._count[1:]) / (2 * self._count[-1])
        return np.asarray(np.interp(shares, middle, self.at))

    def lloyd(self, starts: Array) -> tuple[Array, float]:
        """Move centroids to the means of their intervals until they rest; the best of some starts.

        All starts move at once: the arrays are so short that calls are what takes time.

        Args:
            starts: of shape (starts, k).

        Returns:
            The centroids, sorted, and the sum of squared distances to them.
        """
        at = np.sort(starts, axis=1)
        moving = np.arange(len(at))
        for _ in range(_ITERATIONS):
            before = at[moving]
            count, total = self._between(before, self._count, self._sum)
            moved = np.where(count > 0, total / np.maximum(count, 1.0), before)
            at[moving] = np.sort(moved, axis=1)
            moving = moving[np.abs(moved - before).max(axis=1) > _REST * self._width]
            if not moving.size:
                break
        count, total, square = self._between(at, self._count, self._sum, self._square)
        errors = [float(row.sum()) for row in square - 2 * at * total + at**2 * count]
        best = int(np.argmin(errors))
        return at[best], errors[best]

    def _between(self, at: Array, *sums: Array) -> list[Array]:
        """For each centroid, what running sums grow by in its interval."""
        edges = np.empty((len(at), at.shape[1] + 1), np.intp)
        edges[:, 0], edges[:, -1] = 0, len(self.at)
        edges[:, 1:-1] = self.at.searchsorted((at[:, :-1] + at[:, 1:]) / 2)
        taken = (one[edges] for one in sums)
        return [one[:, 1:] - one[:, :-1] for one in taken]


def _reduced(flat: Array) -> tuple[Array, Array, float]:
    """Return points for many values, their counts, and the width of where most of them lie.

    A few values that are far away make the bins too wide for the others: these then get bins
    of their own.
    """
    low, high = float(flat.min()), float(flat.max())
    at, counts = _histogram(flat, low, high)
    reached = np.cumsum(counts) / flat.size
    first, last = np.searchsorted(reached, (_TAIL, 1 - _TAIL))
    bin_width = (high - low) / BINS
    if at[last] - at[first] >= _FEW * bin_width or high == low:
        return at, counts, at[-1] - at[0]
    low, high = max(low, at[first] - bin_width), min(high, at[last] + bin_width)
    apart = (flat < low) | (flat > high)
    inner, inner_counts, width = _reduced(flat[~apart])
    outer, outer_counts = np.unique(flat[apart].astype(np.float64), return_counts=True)
    points = np.concatenate([inner, outer])
    order = np.argsort(points)
    return points[order], np.concatenate([inner_counts, outer_counts])[order], width


def _histogram(flat: Array, low: float, high: float) -> tuple[Array, Array]:
    """Return the means of the occupied bins between the extremes, and their counts."""
    scale = BINS / (high - low) if high > low else 0.0
    counts, sums = np.zeros(BINS), np.zeros(BINS)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK].astype(np.float64)
        index = np.minimum(((part - low) * scale).astype(np.int32), BINS - 1)
        counts += np.bincount(index, minlength=BINS)
        sums += np.bincount(index, weights=part, minlength=BINS)
    held = counts > 0
    return sums[held] / counts[held], counts[held]


def _kmeans(points: Points, k: int) -> Array:
    """The best of some runs of Lloyd's algorithm: seeded by k-means++, and by quantiles."""
    rng = np.random.default_rng(_SEED)
    starts = [points.quantiles((np.arange(k) + 0.5) / k)]
    for _ in range(_RUNS):
        chosen: list[float] = []
        distance = np.ones_like(points.at)  # the first one as the weights are
        while len(chosen) < k:
            chances = np.cumsum(points.weights * distance)
            if not chances[-1] > 0:  # fewer different points than centroids
                break
            drawn = np.searchsorted(chances, rng.uniform(0, chances[-1]), side="right")
            chosen.append(points.at[min(drawn, len(points.at) - 1)])
            away = (points.at - chosen[-1]) ** 2
            distance = np.minimum(distance, away) if len(chosen) > 1 else away
        starts.append(np.array(chosen + chosen[-1:] * (k - len(chosen))))
    return points.lloyd(np.stack(starts))[0]


def _linear(points: Points, k: int) -> Array:
    return np.linspace(points.at[0], points.at[-1], k)


def _random(points: Points, k: int) -> Array:
    return np.sort(np.random.default_rng(_SEED).uniform(points.at[0], points.at[-1], k))


def _density(points: Points, k: int) -> Array:
    return points.quantiles((np.arange(k) + 0.5) / k)


INITIALIZATIONS: dict[str, Callable[[Points, int], Array]] = {
    "kmeans++": _kmeans,
    "linear": _linear,
    "random": _random,
    "density": _density,
}
"""Name -> function of (points, k) that returns k sorted positions.

`kmeans++` runs Lloyd's algorithm to its end; the others are initial positions only, which
training has to move: evenly spaced, uniformly random, or as dense as the values are.
"""


def centroids(values: Array, k: int, initialization: str = "kmeans++") -> Array:
    """Return k centroids for the values of a kernel.

    Deterministic. 25 million values take less than a second and 100 MB.

    Args:
        values: array of any shape, finite.
        k: number of centroids, at least 1.
        initialization: a key of `INITIALIZATIONS`.

    Returns:
        Sorted float64 array of shape `(k,)`; with repetitions if there are fewer values. If
        there are at most k different values, it holds each of them (`kmeans++`).
    """
    if values.size == 0:
        return np.zeros(k)
    points = Points(values)
    if initialization == "kmeans++" and len(points.at) <= k and values.size <= EXACT:
        return np.pad(points.at, (0, k - len(points.at)), mode="edge")
    return INITIALIZATIONS[initialization](points, k)


def nearest(values: Array, at: Array) -> Array:
    """Return the nearest of the sorted centroids for each value, in the shape of `values`."""
    at = np.sort(np.asarray(at, values.dtype))
    return at[np.searchsorted((at[:-1] + at[1:]) / 2, values)]
