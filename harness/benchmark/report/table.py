"""The figures as a CSV: one line per application and technique."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import fields

from harness.benchmark.report.figures import Row, Spread
from harness.report.text import cell

#: Figures of a row, in its order; each has a column for the mean and one for the deviation.
FIGURES: tuple[str, ...] = tuple(f.name for f in fields(Row) if "Spread" in str(f.type))

_FIXED = ("application", "family", "technique", "repeats", "failed")


def to_csv(rows: Iterable[Row]) -> str:
    """Write the rows; a figure that is not known is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [*_FIXED, *(name + end for name in FIGURES for end in ("", "_deviation")), "failures"]
    )
    for row in rows:
        told: list[str] = [cell(str(getattr(row, name))) for name in _FIXED]
        for name in FIGURES:
            told += _two(getattr(row, name))
        writer.writerow([*told, cell("; ".join(row.failures))])
    return out.getvalue()


def _two(found: Spread | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    deviation = found.deviation
    return f"{found.mean:.6g}", "" if deviation is None else f"{deviation:.4g}"
