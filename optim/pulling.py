"""Few values for many weights: each weight takes the nearest one, in training too."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from optim._keras import tf

__all__ = ["pull"]

_MANY = 1 << 14  # weights that are worth a table
_PLACES = 1 << 16  # of the upper half of a float's bits
_UNKNOWN = 0xFFFF
_UPPER = 1 if sys.byteorder == "little" else 0


def pull(kernel: Any, centroids: Any, average: bool = False) -> Any:
    """Take the nearest of the sorted centroids for each value of a kernel.

    A centroid gets the gradients of all weights that take it, and a weight its own, as if
    it were taken as it is.

    Args:
        kernel: tensor of any shape.
        centroids: tensor of shape (clusters,), ascending.
        average: whether a centroid gets the mean of the gradients, not the sum.
    """
    limits = tf.stop_gradient((centroids[:-1] + centroids[1:]) / 2)
    count = int(centroids.shape[0])
    many = (kernel.shape.num_elements() or 0) >= _MANY
    if many and tf.executing_eagerly() and kernel.dtype == centroids.dtype == tf.float32:
        # NumPy takes a fifth of the time that TensorFlow's operations do.
        index = nearest_by_table(kernel.numpy().reshape(-1), limits.numpy())
        taken = centroids.numpy().take(index)
    else:
        index = tf.searchsorted(limits, tf.reshape(kernel, [-1]))
        taken = None

    @tf.custom_gradient
    def pull(kernel: Any, centroids: Any) -> Any:
        def gradient(upstream: Any) -> tuple[Any, Any]:
            flat = tf.reshape(upstream, [-1])
            places = tf.cast(index, tf.int32)
            total = tf.math.unsorted_segment_sum(flat, places, count)
            if average:
                sizes = tf.math.unsorted_segment_sum(tf.ones_like(flat), places, count)
                total = tf.math.divide_no_nan(total, sizes)
            return upstream, total

        values = tf.gather(centroids, index) if taken is None else taken
        return tf.reshape(values, tf.shape(kernel)), gradient

    values = pull(kernel, centroids)
    values.set_shape(kernel.shape)
    return values


def nearest_by_table(flat: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return what `tf.searchsorted(limits, flat)` does, in a fifth of the time for many values.

    The upper half of the bits of a float says where it is up to half a percent, and for almost
    all values that is enough: only those next to a limit are searched.
    """
    limits = _flushed(limits)
    found = _table(limits)[flat.view(np.uint16)[_UPPER::2]]
    rest = np.flatnonzero(found == _UNKNOWN)
    near = _flushed(flat[rest])
    # What is no number is before all others in TensorFlow.
    found[rest] = np.where(np.isnan(near), 0, np.searchsorted(limits, near))
    return found


def _flushed(x: np.ndarray) -> np.ndarray:
    """TensorFlow takes numbers for zero that are too small to have all bits."""
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.float32(0), x)


def _table(limits: np.ndarray) -> np.ndarray:
    """The upper half of a float's bits -> how many limits are below it, where that is known."""
    first = np.arange(_PLACES, dtype=np.uint32) << 16
    with np.errstate(invalid="ignore"):
        ends = [
            np.searchsorted(limits, _flushed((first | low).view(np.float32)))
            for low in (0, _PLACES - 1)
        ]
    known = ends[0] == ends[1]
    known &= np.isfinite(first.view(np.float32))
    return np.where(known, ends[0], _UNKNOWN).astype(np.uint16)
