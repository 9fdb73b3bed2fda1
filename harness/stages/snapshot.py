"""Weights on disk, one after the other: a copy of all in memory would not fit everywhere."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

#: Bytes that are compared at a time: those of a weight that has moved tell so at once.
_PART = 1 << 20


def write(weights: Iterable[Any], path: Path) -> None:
    """Write the values of weights."""
    import numpy as np

    with path.open("wb") as file:
        for weight in weights:
            np.save(file, weight.numpy())


def restore(weights: Iterable[Any], path: Path, but: tuple[str, ...] = ()) -> None:
    """Set weights to what they were when they were written.

    Args:
      weights: in the order in which they were written.
      path: what `write` wrote.
      but: parts of the names of those that stay as they are.
    """
    for weight, value in _pairs(weights, path):
        if not any(part in weight.name for part in but):
            weight.assign(value)


def changed(weights: Iterable[Any], path: Path) -> list[Any]:
    """Return the weights that are not what they were when they were written."""
    pairs = _looked_at(weights, path)
    return [weight for weight, value in pairs if not equal(weight.numpy(), value)]


def equal(one: Any, other: Any) -> bool:
    """Whether two arrays hold the same values, no number being like any other such."""
    import numpy as np

    if one.shape != other.shape or one.dtype != other.dtype:
        return bool(np.array_equal(one, other))
    a, b = (np.ascontiguousarray(x).reshape(-1) for x in (one, other))
    step = max(1, _PART // a.itemsize)
    return all(_equal(a[i : i + step], b[i : i + step]) for i in range(0, a.size, step))


def _equal(one: Any, other: Any) -> bool:
    import numpy as np

    # What has the same bits is the same, and to compare bits takes a tenth of the time.
    if np.array_equal(one.view(np.uint8), other.view(np.uint8)):
        return True
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def _pairs(weights: Iterable[Any], path: Path) -> Iterator[tuple[Any, Any]]:
    import numpy as np

    with path.open("rb") as file:
        for weight in weights:
            yield weight, np.load(file)


def _looked_at(weights: Iterable[Any], path: Path) -> Iterator[tuple[Any, Any]]:
    """Like `_pairs`, for values that nobody keeps: they stay on disk."""
    import numpy as np
    from numpy.lib import format

    whole = None
    with path.open("rb") as file:
        for weight in weights:
            whole = whole or mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            header = _HEADERS[format.read_magic(file)]
            shape, transposed, dtype = getattr(format, header)(file)
            count = math.prod(shape)
            flat = np.frombuffer(whole, dtype, count, file.tell())
            file.seek(count * dtype.itemsize, 1)
            yield weight, flat.reshape(shape, order="F" if transposed else "C")


#: Version of the format -> the function of NumPy that reads what is before the values.
_HEADERS = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}
