"""The file of a history: read, and appended to by whole nights.

One file for each stack, `STACK.jsonl`. A night is written in one go, the line that closes it
last; what a writer that was stopped has left without that line counts for nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.changes import compare
from harness.history.rows import Night, Row, as_record, environment_of, of_change
from harness.records import Record, latest
from harness.vocabulary import Status, UsageError

SUFFIX = ".jsonl"

_STACK = re.compile(r"[\w.+-]+")
_NIGHT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?")


@dataclass(frozen=True)
class History:
    """The nights of one stack, the oldest first."""

    stack: str
    nights: tuple[Night, ...] = ()

    def state(self) -> dict[str, Record]:
        """Return what the last line of each case says, as records."""
        found: dict[str, Record] = {}
        environment: dict[str, Any] = {}
        for night in self.nights:
            environment = {**environment, **night.environment}
            for row in night.rows:
                if row.outcome is None:
                    found.pop(row.case, None)
                else:
                    found[row.case] = as_record(row, environment, night.night)
        return found

    @property
    def environment(self) -> dict[str, Any]:
        """Return versions and machine of the last night."""
        found: dict[str, Any] = {}
        for night in self.nights:
            found.update(night.environment)
        return {name: value for name, value in found.items() if value is not None}


def file_of(folder: Path, stack: str) -> Path:
    """Return where the nights of a stack are.

    Raises:
      UsageError: the name is none for a file.
    """
    if not _STACK.fullmatch(stack) or stack.startswith("."):
        raise UsageError(f"{stack!r} is no name for a stack: letters, digits, '.', '+', '-', '_'")
    return folder / f"{stack}{SUFFIX}"


def is_one(path: Path) -> bool:
    """Whether a file is that of a history: its last whole line closes a night."""
    try:
        lines = path.read_bytes().rpartition(b"\n")[0].splitlines()
        return path.is_file() and "night" in json.loads(lines[-1])
    except (OSError, ValueError, IndexError, TypeError):
        return False


def stacks(folder: Path) -> list[str]:
    """Return the stacks that a folder has nights of."""
    return sorted(one.stem for one in folder.glob(f"*{SUFFIX}") if is_one(one))


def read(folder: Path, stack: str) -> History:
    """Read the nights of a stack; none, if there is no file.

    Raises:
      UsageError: the file cannot be read, or holds something else.
    """
    path = file_of(folder, stack)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return History(stack)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    return History(stack, tuple(_nights(text, path)[0]))


def _nights(text: str, path: Path) -> tuple[list[Night], int]:
    """Return the nights of a text, and where the last one ends."""
    nights: list[Night] = []
    rows: list[Row] = []
    end = at = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        at += len(line.encode())
        try:
            data = json.loads(line)
            if "night" in data:
                nights.append(_closed(data, rows))
                rows, end = [], at
            else:
                rows.append(Row.read(data))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            if not line.endswith("\n"):
                break  # a writer was stopped within it
            raise UsageError(f"{path}:{number} is no line of a history: {error}") from error
    return nights, end


def _closed(data: Mapping[str, Any], rows: list[Row]) -> Night:
    if data.get("rows", 0) != len(rows):
        raise ValueError(f"a night of {data.get('rows', 0)} rows has {len(rows)}")
    return Night(
        night=str(data["night"]),
        rows=tuple(rows),
        cases=int(data["cases"]),
        passed=int(data["passed"]),
        environment=dict(data.get("environment") or {}),
    )


def next_night(history: History, found: Iterable[Record], night: str = "") -> Night:
    """Return what a run adds to a history.

    Args:
      history: what is known so far.
      found: the records of the run.
      night: ISO date, or date and time; by default that of the newest record.

    Raises:
      UsageError: it is no date, or not after the last night.
    """
    records = latest(found)
    night = night or max((r.started for r in records.values()), default="")[:16]
    if not _NIGHT.fullmatch(night):
        raise UsageError(f"{night!r} is no date such as 2026-01-31 or 2026-01-31T02:17")
    last = history.nights[-1].night if history.nights else ""
    if night <= last:
        raise UsageError(f"the night {night} is not after the last one, {last}")
    told = {case: r for case, r in records.items() if r.status != Status.SKIPPED}
    before = history.state()
    changes = compare.between(before, told)
    known, now = history.environment, environment_of(told.values())
    gone = dict.fromkeys(known.keys() - now.keys())
    return Night(
        night=night,
        rows=tuple(
            of_change(one, first=not before)
            for one in sorted(changes.cases, key=lambda one: one.case)
        ),
        cases=len(told),
        passed=sum(r.passed for r in told.values()),
        environment={**{k: v for k, v in now.items() if known.get(k) != v}, **gone},
    )


def append(folder: Path, stack: str, night: Night) -> int:
    """Add a night to the file of a stack, whole or not at all; return how many bytes it takes.

    Raises:
      OSError: it cannot be written.
      UsageError: what is there is no history.
    """
    path = file_of(folder, stack)
    folder.mkdir(parents=True, exist_ok=True)
    block = night.lines().encode("utf-8")
    with path.open("ab+") as file:
        file.seek(0)
        there = file.read()
        _, end = _nights(there.decode("utf-8", "replace"), path)
        file.truncate(end)  # what a writer that was stopped has left
        file.seek(0, os.SEEK_END)
        file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return len(block)
