"""Metrics that compare a case with its control: file sizes and latency."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.records import Record
from harness.words import CONTROL


@dataclass(frozen=True)
class Ratio:
    """One comparison.

    Attributes:
      figure: which metric of the case.
      base: with which metric of its control.
      lasting: whether both come out the same in every run; a latency depends on the machine,
        and on what else it did.
    """

    figure: str
    base: str
    lasting: bool = True


RATIOS: Mapping[str, Ratio] = {
    "file_ratio": Ratio("file_bytes", "file_bytes"),
    "deflated_ratio": Ratio("deflated_bytes", "file_bytes"),
    "latency_ratio": Ratio("latency_ms", "latency_ms", lasting=False),
}


def compared(record: Record, control: Record | None, *, same_run: bool) -> Record:
    """Return the record with the ratios to its control that it does not have yet."""
    if control is None or record.technique == CONTROL:
        return record
    mine, base = record.metrics, control.metrics
    new: dict[str, Any] = {
        name: mine[ratio.figure] / base[ratio.base]
        for name, ratio in RATIOS.items()
        if (same_run or ratio.lasting) and mine.get(ratio.figure) and base.get(ratio.base)
    }
    return dataclasses.replace(record, metrics={**new, **record.metrics}) if new else record


def completed(found: Iterable[Record]) -> list[Record]:
    """Return records of several runs, each compared with the control that is among them."""
    found = list(found)
    controls = {(r.application, r.variant): r for r in found if r.technique == CONTROL}
    return [compared(r, controls.get((r.application, r.variant)), same_run=False) for r in found]
