"""Whose baseline a case belongs to: that of this package, or one beside a user's own code."""

from __future__ import annotations

from pathlib import Path

from harness.baseline import expectations
from harness.baseline.expectations import Expectations
from harness.baseline.marking import compared
from harness.paths import EXPECTATIONS, OWN_EXPECTATIONS
from harness.records import Record


def file_of(given: Path, *, own: bool) -> Path:
    """Return the file of a baseline.

    Args:
      given: the one that was asked for: it holds every case, unless it is this package's.
      own: whether the case is of an application of a user's own. This package's baseline has
        none: whoever else runs the matrix does not have that application.
    """
    return OWN_EXPECTATIONS if own and _is_ours(given) else given


def _is_ours(path: Path) -> bool:
    return path.absolute() == EXPECTATIONS or path.resolve() == EXPECTATIONS


class Baselines:
    """The baselines of a run, each read when it is first asked for.

    Args:
      given: the one that was asked for.
    """

    def __init__(self, given: Path) -> None:
        self._given = given
        self._read: dict[Path, Expectations] = {}

    def of(self, *, own: bool) -> Expectations:
        """Return that of a user's own applications, or that of the others."""
        path = file_of(self._given, own=own)
        if path not in self._read:
            self._read[path] = expectations.read(path)
        return self._read[path]

    def mark(self, record: Record) -> Record:
        """Return a record with what the baseline says of its case."""
        return compared(record, self.of(own=bool(record.constructor)))
