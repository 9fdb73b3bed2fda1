"""Few values for many weights: each weight takes the nearest one, in training too."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from optim._keras import tf

__all__ = ["pull"]

_MANY = 1 << 14  # weights that are worth a table
_PLACES = 1 << 16  # of the upper half of a float's bits
_ZEROS = 0x0080  # upper halves of what is taken for zero, of either sign
_INFINITE = 0x7F80  # upper half of what is no finite number, and from there on
_UNKNOWN = 0xFFFF
_UPPER = 1 if sys.byteorder == "little" else 0
_AT_ONCE = 1 << 15  # values in work at a time: they stay in the cache of a core


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
    # NumPy takes a tenth of the time that TensorFlow's operations do.
    by_table = many and tf.executing_eagerly() and kernel.dtype == centroids.dtype == tf.float32
    index = None if by_table else tf.searchsorted(limits, tf.reshape(kernel, [-1]))

    def places() -> Any:
        """Which centroid each weight takes: of a table, only gradients have to know."""
        if index is not None:
            return tf.cast(index, tf.int32)
        found = nearest_by_table(np.asarray(kernel).reshape(-1), np.asarray(limits))
        return tf.convert_to_tensor(found.astype(np.int32))

    @tf.custom_gradient
    def pull(kernel: Any, centroids: Any) -> Any:
        def gradient(upstream: Any) -> tuple[Any, Any]:
            flat, taken = tf.reshape(upstream, [-1]), places()
            total = tf.math.unsorted_segment_sum(flat, taken, count)
            if average:
                sizes = tf.math.unsorted_segment_sum(tf.ones_like(flat), taken, count)
                total = tf.math.divide_no_nan(total, sizes)
            return upstream, total

        if index is not None:
            return tf.reshape(tf.gather(centroids, index), tf.shape(kernel)), gradient
        flat = np.asarray(kernel).reshape(-1)
        values = nearest_values(flat, np.asarray(limits), np.asarray(centroids))
        return tf.convert_to_tensor(values.reshape(kernel.shape)), gradient

    values = pull(kernel, centroids)
    values.set_shape(kernel.shape)
    return values


def nearest_by_table(flat: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return what `tf.searchsorted(limits, flat)` does, in a tenth of the time for many values."""
    return _looked_up(flat, limits, np.arange(len(limits) + 1, dtype=np.uint16), _UNKNOWN)


def nearest_values(flat: np.ndarray, limits: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return what `tf.gather(values, tf.searchsorted(limits, flat))` does."""
    return _looked_up(flat, limits, values, np.nan)


def _looked_up(
    flat: np.ndarray, limits: np.ndarray, values: np.ndarray, unknown: float
) -> np.ndarray:
    """Find values by the limits between them.

    The upper half of the bits of a float says where it is up to half a percent, and for almost
    all values that is enough: only those next to a limit are searched.
    """
    limits = _flushed(limits)
    table = _table(limits, values, unknown)
    upper = flat.view(np.uint16)[_UPPER::2]
    found = np.empty(flat.size, values.dtype)
    for start in range(0, flat.size, _AT_ONCE):
        part = found[start : start + _AT_ONCE]
        table.take(upper[start : start + _AT_ONCE].astype(np.intp), out=part, mode="clip")
        rest = np.flatnonzero(part == unknown if unknown == unknown else part != part)
        if rest.size:
            near = _flushed(flat[start : start + _AT_ONCE][rest])
            # What is no number is before all others in TensorFlow.
            part[rest] = values[np.where(np.isnan(near), 0, np.searchsorted(limits, near))]
    return found


def _flushed(x: np.ndarray) -> np.ndarray:
    """TensorFlow takes numbers for zero that are too small to have all bits."""
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.float32(0), x)


def _table(limits: np.ndarray, values: np.ndarray, unknown: float) -> np.ndarray:
    """The upper half of a float's bits -> its value, where no limit has the same.

    Made of runs, as the limits are ascending: to search all places takes longer than what is
    then looked up in most kernels.
    """
    table = np.full(_PLACES, unknown, values.dtype)
    if not np.isfinite(limits).all():
        return table
    upper = (limits.view(np.uint32) >> 16).astype(np.intp)
    # Places in the order of the numbers: of negative ones, larger bits are smaller numbers.
    half = _PLACES // 2
    place = np.where(upper < half, half + upper, _PLACES - 1 - upper)
    runs = np.diff(place + 1, prepend=0, append=_PLACES)
    ordered = np.repeat(values, runs)
    ordered[place] = unknown
    table[:half], table[half:] = ordered[half:], ordered[half - 1 :: -1]
    for sign in (0, half):
        table[sign : sign + _ZEROS] = values[np.searchsorted(limits, np.float32(0))]
        table[sign + _INFINITE : sign + half] = unknown
    return table
