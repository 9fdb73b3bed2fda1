"""What was discovered in a package, kept until one of its files changes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from harness.matrix.application import Application


def read(cache: Path, stamp: list[object]) -> tuple[Application, ...] | None:
    """Return what is kept; None if it is of another stamp, or of files that have changed."""
    try:
        data = json.loads(cache.read_text(encoding="utf-8"))
        files = data["files"]
        if data["stamp"] != stamp or files != {name: _file_stamp(Path(name)) for name in files}:
            return None
        return tuple(Application(**a) for a in data["applications"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(
    cache: Path, stamp: list[object], files: Iterable[Path], found: Iterable[Application]
) -> None:
    """Keep what was found, with the state of every file it was read from."""
    temporary = cache.with_suffix(f".{os.getpid()}")
    try:
        data = {
            "stamp": stamp,
            "files": {str(file): _file_stamp(file) for file in files},
            "applications": [asdict(a) for a in found],
        }
        cache.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(data), encoding="utf-8")
        os.replace(temporary, cache)
    except OSError:
        pass  # a read-only home costs a few hundred milliseconds, not the run


def _file_stamp(file: Path) -> list[int]:
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns]
