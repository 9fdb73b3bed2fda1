"""Two techniques side by side, on the applications that both pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.records import Record
from harness.report import metrics
from harness.report.columns import Column

#: What a reader compares: what `optim` does, and what does the same without it.
PAIRS: tuple[tuple[str, str], ...] = (
    ("qat", "qat-tfmot"),
    ("qat", "qat-annotate"),
    ("qat", "ptq-int8"),
    ("qat", "ptq-tflite"),
    ("qat", "ptq-aeq"),
    ("qat", "ptq-mct"),
    ("ptq-int8", "ptq-tflite"),
    ("ptq-int8", "ptq-aeq"),
    ("ptq-int8", "ptq-mct"),
    ("ptq-dynamic", "ptq-aeq-dynamic"),
    ("prune", "prune-tfmot"),
    ("cluster", "cluster-tfmot"),
)

SQNR = "sqnr_float_db"


@dataclass(frozen=True)
class Pair:
    """The applications that two columns of one variant pass.

    Attributes:
      cases: the records of both, application by application.
    """

    first: str
    second: str
    variant: str
    cases: tuple[tuple[Record, Record], ...]

    @property
    def cpu_ratio(self) -> float | None:
        """Processor time of the first over that of the second, where both were measured."""
        taken = [
            (a.cpu_seconds, b.cpu_seconds)
            for a, b in self.cases
            if all(s > 0 and math.isfinite(s) for s in (a.cpu_seconds, b.cpu_seconds))
        ]
        return math.fsum(a for a, _ in taken) / math.fsum(b for _, b in taken) if taken else None

    @property
    def gains(self) -> list[float]:
        """Decibels to the float model that the first has more, by application."""
        both = [tuple(metrics.number(r.metrics.get(SQNR)) for r in pair) for pair in self.cases]
        found = [a - b for a, b in both if a is not None and b is not None]
        return [gain for gain in found if math.isfinite(gain)]


def pairs(found: Sequence[Column]) -> list[Pair]:
    """Those of `PAIRS` that pass an application in common, variant by variant."""
    passing = {
        (c.technique, c.variant): {r.application: r for r in c.cases if r.passed} for c in found
    }
    told = []
    for first, second in PAIRS:
        for (technique, variant), ours in passing.items():
            theirs = passing.get((second, variant), {})
            if technique == first and (both := [n for n in ours if n in theirs]):
                cases = tuple((ours[name], theirs[name]) for name in both)
                told.append(Pair(first, second, variant, cases))
    return told
