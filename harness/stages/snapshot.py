"""Weights on disk, one after the other: a copy of all in memory would not fit everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


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
    return [weight for weight, value in _pairs(weights, path) if not _same(weight.numpy(), value)]


def _same(one: Any, other: Any) -> bool:
    """Whether arrays are equal, NaNs included, which most have none of."""
    import numpy as np

    if one.shape != other.shape:
        return False
    equal = np.atleast_1d(one == other)
    if equal.all():
        return True
    where = np.unravel_index(equal.argmin(), equal.shape)
    is_nan = one.dtype.kind == "f" and np.isnan(np.atleast_1d(one)[where])
    return bool(is_nan and np.array_equal(one, other, equal_nan=True))


def _pairs(weights: Iterable[Any], path: Path) -> Iterator[tuple[Any, Any]]:
    import numpy as np

    with path.open("rb") as file:
        for weight in weights:
            yield weight, np.load(file)
