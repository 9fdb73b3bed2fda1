"""Admission: a case that needs most of the machine's memory runs while no other does."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

#: Of the machine's memory: a case that is expected to take more gets the machine alone.
ALONE_ABOVE = 0.4

TURN, ROOM = "turn.lock", "room.lock"

#: What the note of a case says, which lies beside the locks until the case has ended.
WAITS, WORKS = "waits", "works"


@dataclass(frozen=True)
class Note:
    """What a case is at, and the time since when."""

    waits: bool
    since: float


def note(folder: Path, case: str) -> Note | None:
    """Return what a worker has noted of a case; None if it has not."""
    path = _note(folder, case)
    try:
        return Note(path.read_text() == WAITS, path.stat().st_mtime)
    except OSError:
        return None


def _note(folder: Path, case: str) -> Path:
    return folder / f"{case}.note"


def needs_all(peak: int | None) -> bool:
    """Whether a case whose process is expected to take ``peak`` bytes has to run alone."""
    return peak is not None and peak > ALONE_ABOVE * psutil.virtual_memory().total


@contextmanager
def admitted(folder: Path, *, alone: bool, case: str) -> Iterator[None]:
    """Wait until a case may start, and keep others from starting beside it if it is alone.

    The workers of a run agree through locks on two files, which end with whoever holds them.
    Who waits for the machine to be empty holds the turn, so that nobody overtakes.

    Args:
      folder: one that the workers share.
      alone: whether no other case may run meanwhile.
      case: its id, under which it is noted whether it waits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = _note(folder, case)
    with (folder / TURN).open("w") as turn, (folder / ROOM).open("w") as room:
        _write(path, WAITS)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            fcntl.flock(turn, fcntl.LOCK_UN)
            _write(path, WORKS)
            yield
        finally:
            path.unlink(missing_ok=True)


def _write(path: Path, word: str) -> None:
    with contextlib.suppress(OSError):  # a note is no reason not to run
        path.write_text(word)
