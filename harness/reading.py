"""Reading records for a command: what is wrong with them is told in its words."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from harness import records
from harness.records import Record
from harness.words import UsageError


def read(paths: Sequence[Path]) -> list[Record]:
    """Return all records of files or folders, and warn of lines that are none.

    Raises:
      UsageError: a path cannot be read, or there is no record in any.
    """
    try:
        loaded = records.read_all(paths)
    except records.RecordError as error:
        raise UsageError(str(error)) from error
    for broken in loaded.broken:
        print(f"warning: {broken}", file=sys.stderr)
    if not loaded.records:
        raise UsageError(f"no record in {', '.join(map(str, paths))}")
    return list(loaded.records)
