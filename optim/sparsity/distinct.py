"""How many different values an array has, up to a number beyond which nobody asks.

Sorting tells, and takes as long for a kernel of 16 values as for any other. Numbers of few bits
are counted in a table. Of floats the upper half of the bits picks a place in a table, where the
first of them to come is left for all others to be compared with.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["MANY", "count_both", "count_unique", "count_unique_by_channel"]

MANY = 1024
"""Different values are counted up to this number."""

_AT_ONCE = 1 << 22  # values in work at a time: bounds the temporary memory
_SAMPLE = 1 << 12  # many values are noticed after a few
_TABLE = 1 << 16

Array = np.ndarray


def count_unique(values: Array) -> int | None:
    """Return the number of different values; None if there are more than `MANY`."""
    flat = values.reshape(-1)
    if flat.dtype.kind in "iub" and flat.dtype.itemsize <= 2:
        count = int(np.count_nonzero(_tally(flat[None])))
        return count if count <= MANY else None
    known = np.empty(0, flat.dtype)
    for part in _parts(flat):
        known = np.unique(np.concatenate([known, _unlike(part)]))
        if len(known) > MANY:
            return None
    return len(known)


def count_unique_by_channel(values: Array, axis: int) -> int | None:
    """Return the most different values that one slice along an axis has; None above `MANY`."""
    if values.size == 0:
        return 0
    channels = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    if _is_byte(channels):
        return int(np.count_nonzero(_tally(channels), axis=1).max())
    if count_unique(channels[0]) is None:  # of many values, one channel tells
        return None
    most = 0
    for part in _parts(channels, channels.shape[1]):
        ordered = np.sort(part, axis=1)
        changes = np.count_nonzero(ordered[:, 1:] != ordered[:, :-1], axis=1)
        most = max(most, int(changes.max()) + 1)
        if most > MANY:
            return None
        if most == channels.shape[1]:  # no channel can have more
            break
    return most


def count_both(values: Array, axis: int) -> tuple[int | None, int | None]:
    """Return `count_unique` and `count_unique_by_channel`."""
    if values.size == 0 or not _is_byte(values):
        return count_unique(values), count_unique_by_channel(values, axis)
    tally = _tally(np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1))
    most = int(np.count_nonzero(tally, axis=1).max())
    return int(np.count_nonzero(tally.any(axis=0))), most


def _is_byte(values: Array) -> bool:
    return values.dtype.kind in "iub" and values.dtype.itemsize == 1


def _tally(rows: Array) -> Array:
    """How often each number occurs in each row, for numbers of one or two bytes."""
    places = 1 << (8 * rows.dtype.itemsize)
    numbers = rows.view(f"u{rows.dtype.itemsize}")
    tally = np.zeros((len(rows), places), np.intp)
    width = max(1, min(rows.shape[1], _AT_ONCE))
    step = max(1, _AT_ONCE // width)
    for first in range(0, len(rows), step):
        for left in range(0, rows.shape[1], width):
            part = numbers[first : first + step, left : left + width]
            start = np.arange(0, len(part) * places, places, dtype=np.intp)[:, None]
            counts = np.bincount((part + start).reshape(-1), minlength=len(part) * places)
            tally[first : first + step] += counts.reshape(-1, places)
    return tally


def _unlike(part: Array) -> Array:
    """The different values of a part: all of them, or more than `MANY`."""
    if part.dtype != np.float32 or part.size <= _SAMPLE:  # the table takes longer
        return np.unique(part)
    place = (part.view(np.uint32) >> 16).astype(np.intp)
    table = np.full(_TABLE, np.nan, np.float32)
    table[place] = part
    found = table[~np.isnan(table)]
    if len(found) > MANY:  # whatever the others are
        return found
    return np.unique(np.concatenate([found, part[table[place] != part]]))


def _parts(rows: Array, length: int = 1) -> Iterator[Array]:
    """Cut into parts that grow, so that many values are noticed after a few.

    Args:
        rows: an array.
        length: how many values each entry of its first axis has.
    """
    start, size = 0, _SAMPLE
    while start < len(rows):
        count = max(1, size // length)
        yield rows[start : start + count]
        start, size = start + count, min(8 * size, _AT_ONCE)
