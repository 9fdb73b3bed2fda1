"""Options that are whole numbers."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from optim.errors import ConfigError

__all__ = ["is_whole", "pair"]


def is_whole(value: Any) -> bool:
    """Whether it is a whole number, one of numpy's included."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def pair(value: Any, name: str) -> tuple[int, int]:
    """Return two whole numbers as a tuple.

    Raises:
        ConfigError: it is something else; naming the option.
    """
    numbers = () if isinstance(value, str) else value
    try:
        found = tuple(numbers)
    except TypeError:
        found = ()
    if len(found) != 2 or not all(map(is_whole, found)):
        raise ConfigError(f"{name}={value!r}: must be two whole numbers")
    return int(found[0]), int(found[1])
