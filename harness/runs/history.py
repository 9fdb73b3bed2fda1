"""What the results of a run already say of a case."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from harness.records import Record


class FileHistory:
    """What a record file that others append to meanwhile says of a case; read at every call."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, case_id: str) -> list[Record]:
        """Return the records of a case, the oldest first."""
        return find(self._path, case_id)

    def add(self, record: Record) -> None:
        """Nothing is to be noted: the file is asked again."""


class MemoryHistory:
    """What a record file says of a case, if nobody else appends to it.

    Args:
      before: what it had when the run began.
    """

    def __init__(self, before: Iterable[Record] = ()) -> None:
        self._by_case: dict[str, list[Record]] = {}
        for record in before:
            self.add(record)

    def of(self, case_id: str) -> list[Record]:
        """Return the records of a case, the oldest first."""
        return self._by_case.get(case_id, [])

    def add(self, record: Record) -> None:
        """Note a record that has been appended to the file."""
        self._by_case.setdefault(record.case, []).append(record)


def find(path: Path, case_id: str) -> list[Record]:
    """Return the records of one case in a file that others append to meanwhile."""
    try:
        raw = path.read_bytes()
    except OSError:
        return []
    mark = f'"case":{json.dumps(case_id)}'.encode()
    found = []
    for line in raw.split(b"\n"):
        if mark in line:
            try:
                found.append(Record.from_dict(json.loads(line)))
            except ValueError:
                continue
    return found
