"""What the benchmarks share: CPU times, tables, and the command line.

A folder, because each file beside it is a benchmark. Importing it makes the project
importable wherever it is run from.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
if str(PROJECT) not in sys.path:
    sys.path.insert(0, str(PROJECT))

Rows = list[dict[str, Any]]
Figures = dict[str, Rows]


@dataclass(frozen=True)
class Section:
    """One table of a benchmark.

    Attributes:
        measure: makes its rows, one or more for each subject.
        subjects: what is measured if the command line does not say.
        applications: whether the subjects are names of applications.
    """

    measure: Callable[[tuple[Any, ...]], Rows]
    subjects: tuple[Any, ...]
    applications: bool = True


def application(name: str, size: int | None = None) -> Any:
    """Return a new application without its top, with the same random weights every time."""
    from optim._keras import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    constructor = getattr(keras.applications, name)
    return constructor(weights=None, include_top=False, input_shape=(size, size, 3))


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a call, of all threads of the process, and its result."""
    before = time.process_time()
    result = function()
    return time.process_time() - before, result


def cpu(
    *functions: Callable[[], Any],
    repeat: int,
    of: Callable[[Sequence[float]], float] = min,
) -> list[float]:
    """Return the CPU seconds of a call of each function, the functions taking turns.

    Args:
        functions: what to call.
        repeat: how often; a first round more, which does not count, if more than once.
        of: which of the times to take; the least if not said.
    """
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeat + (repeat > 1)):
        for function, own in zip(functions, times, strict=True):
            own.append(timed(function)[0])
    return [of(own[1:] or own) for own in times]


class Kept:
    """Rows that outlast an interrupt: lines of JSON in a file, each written when it is known.

    Args:
        file: where they are; None to keep none.
        names: the columns that tell one row from another.

    Attributes:
        rows: what these columns hold -> the last such row.
    """

    def __init__(self, file: Path | None, names: Sequence[str]) -> None:
        self._file = file
        self._names = names
        lines = file.read_text().splitlines() if file and file.exists() else []
        self.rows: dict[tuple[Any, ...], dict[str, Any]] = {
            self._of(row): row for row in map(json.loads, lines)
        }

    def _of(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._names)

    def get(self, *which: Any) -> dict[str, Any] | None:
        """Return the row of an earlier run; None if it has none, or one that failed."""
        row = self.rows.get(which)
        return None if row is None or "failure" in row else row

    def add(self, row: dict[str, Any]) -> None:
        """Keep a new row."""
        self.rows[self._of(row)] = row
        if self._file:
            with self._file.open("a") as lines:
                lines.write(json.dumps(row) + "\n")


def show(title: str, rows: Rows) -> None:
    """Print a table."""
    columns = list(rows[0])
    cells = [[_cell(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    print(f"\n{title}")
    for line in (columns, *cells):
        print("  ".join(x.rjust(w) for x, w in zip(line, widths, strict=True)), flush=True)


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def run(
    doc: str, sections: Mapping[str, Section], before: Callable[[], Any] | None = None
) -> Figures:
    """Measure and print what the command line asks for.

    Args:
        doc: docstring of the benchmark; its first line is the help.
        sections: all of its tables, by name.
        before: called once before measuring.

    Returns:
        The rows of each section that was measured.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(sections)}; all if none")
    parser.add_argument("--models", nargs="+", help="applications to measure instead")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    unknown = sorted(set(given.sections) - set(sections))
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(sections)}")
    if before is not None:
        before()
    figures = {}
    for name in given.sections or sections:
        section = sections[name]
        chosen = given.models if given.models and section.applications else section.subjects
        figures[name] = section.measure(tuple(chosen))
        show(name, figures[name])
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    return figures
