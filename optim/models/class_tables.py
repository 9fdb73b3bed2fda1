"""Tables by layer class: the entry of the most derived class wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def nearest(table: Mapping[type, Any], classes: Iterable[type]) -> Any:
    """Return the entry of the first of some classes that has one; None if none has.

    Args:
        table: class -> entry.
        classes: the most derived first, such as a class's `__mro__`.
    """
    return next((table[cls] for cls in classes if cls in table), None)


def lookup(table: Mapping[type, Any], cls: type) -> tuple[bool, Any]:
    """Find the entry of `cls` or of its nearest base class in a table keyed by class.

    Returns:
        `(found, value)`; `(False, None)` if neither `cls` nor a base class is a key.
    """
    for base in cls.__mro__:
        if base in table:
            return True, table[base]
    return False, None
