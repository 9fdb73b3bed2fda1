"""Reading records for a command: what is wrong with them is told in its words."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness import records
from harness.records import Record
from harness.vocabulary import BENCH, UsageError


def of_matrix(paths: Sequence[Path]) -> list[Record]:
    """Return all records of files or folders, as `read` does.

    Raises:
      UsageError: as `read`; or they are of the benchmark, whose units are no cases.
    """
    found = read(paths)
    if found[0].variant == BENCH:
        raise UsageError(
            f"the {len(found)} records in {_names(paths)} are of the benchmark, not of the matrix: "
            "`python -m harness bench --only-report --results DIR` writes their page"
        )
    return found


def of_benchmark(paths: Sequence[Path]) -> list[Record]:
    """Return all records of files or folders, as `read` does.

    Raises:
      UsageError: as `read`; or they are of the matrix.
    """
    found = read(paths)
    if found[0].variant != BENCH:
        raise UsageError(
            f"no record of the benchmark in {_names(paths)}, whose {len(found)} are of the "
            "matrix: give another folder with --results DIR (default: reports/bench)"
        )
    return found


def read(paths: Sequence[Path]) -> list[Record]:
    """Return all records of files or folders, and warn of lines that are none.

    They are all of the matrix or all of the benchmark.

    Raises:
      UsageError: a path cannot be read, there is no record in any, or there are records of
        both kinds.
    """
    try:
        loaded = records.read_all(paths)
    except records.RecordError as error:
        raise UsageError(str(error)) from error
    for broken in loaded.broken:
        print(f"warning: {broken}", file=sys.stderr)
    if not loaded.records:
        raise UsageError(f"no record in {_names(paths)}")
    units = [r.case for r in loaded.records if r.variant == BENCH]
    if 0 < len(units) < len(loaded.records):
        raise UsageError(
            f"{len(units)} of the {len(loaded.records)} records in {_names(paths)} are of the "
            f"benchmark (first: {units[0]}), the others of the matrix: keep them apart"
        )
    return list(loaded.records)


def refuse_others(found: Iterable[Record], file: Path, *, bench: bool) -> None:
    """Stop before a run of one kind adds to, or puts aside, what one of the other kind has left.

    Args:
      found: what is left.
      file: where the run is to write its records.
      bench: whether it is a run of the benchmark.

    Raises:
      UsageError: there are records of the other kind.
    """
    others = [r.case for r in found if (r.variant == BENCH) is not bench]
    if others:
        kind = "matrix" if bench else "benchmark"
        raise UsageError(
            f"{file} holds {len(others)} records of the {kind} (first: {others[0]}): "
            "choose another folder with --results DIR"
        )


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))
