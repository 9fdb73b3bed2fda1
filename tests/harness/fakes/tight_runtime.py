"""The grouped runtime, whose processes may hardly grow."""

from __future__ import annotations

from fakes.grouped_runtime import check, group, run
from fakes.scripted_runtime import SEEN
from harness.execution import child

__all__ = ["check", "group", "kept_bytes", "preload", "run"]


def kept_bytes() -> int:
    """What a script has left under this name is meant to stay."""
    return sum(len(one) for one in SEEN if isinstance(one, bytes))


def preload() -> None:
    child.GROWTH_BYTES = 32 * 2**20
