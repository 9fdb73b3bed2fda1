"""A pass that is of little use: what makes it weak, and from where on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.records import Record
from harness.report import metrics


@dataclass(frozen=True)
class Bound:
    """What a number of a case has to reach for its pass to be a full one.

    Attributes:
      metric: its name in the record.
      least: the value from which on it is enough.
      says: what it means to be below.
    """

    metric: str
    least: float
    says: str


BOUNDS: tuple[Bound, ...] = (
    Bound(
        "top1_agreement",
        0.9,
        "the file names another class first than the float model does, too often to stand in for "
        "it",
    ),
)


def reasons(record: Record) -> Iterator[str]:
    """Say of a case that passes what is weak about it, a line each."""
    for bound, value in _below(record):
        known, least = (metrics.written(bound.metric, v) for v in (value, bound.least))
        yield f"{metrics.about(bound.metric).title} {known}, of {least} wanted: {bound.says}"


def values(record: Record) -> Iterator[str]:
    """Write the numbers that make a pass weak."""
    for bound, value in _below(record):
        yield metrics.written(bound.metric, value)


def _below(record: Record) -> Iterator[tuple[Bound, float]]:
    for bound in BOUNDS if record.passed else ():
        value = metrics.number(record.metrics.get(bound.metric))
        if value is not None and value < bound.least:
            yield bound, value
