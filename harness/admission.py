"""Admission: a case that needs most of the machine's memory runs while no other does."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

#: Of the machine's memory: a case that is expected to take more gets the machine alone.
ALONE_ABOVE = 0.4

TURN, ROOM = "turn.lock", "room.lock"


def needs_all(peak: int | None) -> bool:
    """Whether a case whose process is expected to take ``peak`` bytes has to run alone."""
    return peak is not None and peak > ALONE_ABOVE * psutil.virtual_memory().total


@contextmanager
def admitted(folder: Path, *, alone: bool) -> Iterator[None]:
    """Wait until a case may start, and keep others from starting beside it if it is alone.

    The workers of a run agree through locks on two files, which end with whoever holds them.
    Who waits for the machine to be empty holds the turn, so that nobody overtakes.

    Args:
      folder: one that the workers share.
      alone: whether no other case may run meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TURN).open("w") as turn, (folder / ROOM).open("w") as room:
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        yield
