"""The grouped runtime, whose processes may hardly grow."""

from __future__ import annotations

from fakes.grouped_runtime import check, group, run
from harness import child

__all__ = ["check", "group", "preload", "run"]


def preload() -> None:
    child.GROWTH_BYTES = 32 * 2**20
