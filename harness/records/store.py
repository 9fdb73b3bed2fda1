"""Files of records: appended to, read, replaced.

Lines are appended in one ``write`` under a lock, so several workers can share a file and an
interrupt can at worst lose the line being written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.records.record import SCHEMA, Record, RecordError, latest

RESULTS_NAME = "results.jsonl"


class NewerSchema(RecordError):
    """The file was written by a newer version: refused as a whole."""


def append(path: Path, record: Record) -> None:
    """Append ``record`` to ``path`` as one line, whole or not at all.

    Raises:
      OSError: the file cannot be written, e.g. because the disk is full. What is in
        the file stays readable: a torn last line is cut off again.
    """
    line = (record.to_json() + "\n").encode("utf-8")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        with _locked(descriptor):
            end = os.lseek(descriptor, 0, os.SEEK_END)
            if end and os.pread(descriptor, 1, end - 1) != b"\n":
                line = b"\n" + line  # a writer was killed mid-line: keep its damage to one line
            written = os.write(descriptor, line)
            if written != len(line):
                os.ftruncate(descriptor, end)
                raise OSError(f"{path}: only {written} of {len(line)} bytes could be written")
    finally:
        os.close(descriptor)


class _locked:
    """An advisory lock on an open file, where the platform has one."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: O_APPEND alone
            return
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        return None  # closing the file releases the lock


@dataclass(frozen=True)
class Broken:
    """A line that is no record: where it is and what is wrong with it."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}; the line is left out"


@dataclass(frozen=True)
class Loaded:
    """The records of one or more files, and the lines that could not be used."""

    records: tuple[Record, ...]
    broken: tuple[Broken, ...] = ()

    def latest(self) -> dict[str, Record]:
        """The last attempt at each case, by case id, in file order."""
        return latest(self.records)


def read(path: Path) -> Loaded:
    """Read one record file.

    Args:
      path: a ``.jsonl`` file, or a directory that holds ``results.jsonl``.

    Raises:
      RecordError: the file does not exist, cannot be read, or holds a newer schema.
    """
    if path.is_dir():
        path = path / RESULTS_NAME
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from error
    records: list[Record] = []
    broken: list[Broken] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            if not isinstance(data, dict):
                raise RecordError("not a JSON object")
            if isinstance(data.get("schema"), int) and data["schema"] > SCHEMA:
                # Dropping lines of a newer form would look like missing cases.
                try:
                    Record.from_dict(data)
                except RecordError as error:
                    raise NewerSchema(f"{path}:{number}: {error}") from None
            records.append(Record.from_dict(data))
        except NewerSchema:
            raise
        except json.JSONDecodeError as error:
            broken.append(Broken(path, number, f"not JSON ({error.msg})"))
        except RecordError as error:
            broken.append(Broken(path, number, str(error)))
    return Loaded(tuple(records), tuple(broken))


def read_all(paths: Iterable[Path]) -> Loaded:
    """Read several record files, in order, as if they were one."""
    loaded = [read(p) for p in paths]
    return Loaded(
        tuple(r for one in loaded for r in one.records),
        tuple(b for one in loaded for b in one.broken),
    )


def write(path: Path, records: Iterable[Record]) -> None:
    """Write ``records`` to ``path``, replacing it in one step."""
    replace_text(path, "".join(r.to_json() + "\n" for r in records))


def replace_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
