"""What the metrics come to per technique: the median, and the worst case by name."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.records import Record
from harness.report import metrics, order
from harness.report.metrics import Metric


@dataclass(frozen=True)
class Figure:
    """One metric of one column of the matrix.

    ``application`` has the worst value; it is empty where no value is worse than another.
    """

    technique: str
    variant: str
    metric: Metric
    cases: int
    median: float
    worst: float
    application: str
    least: float
    most: float

    @property
    def said(self) -> tuple[str, str]:
        """Median and worst as a reader reads them; the latter empty where there is none."""
        name = self.metric.name
        worst = metrics.written(name, self.worst) if self.application else ""
        return metrics.written(name, self.median), worst


def figures(records: Iterable[Record], names: Sequence[str]) -> list[Figure]:
    """Sum up those of the metrics ``names`` that occur: by technique, variant and metric."""
    return [
        figure
        for column in order.columns(order.cases(records)).values()
        for name in names
        for figure in _figure(column, metrics.about(name))
    ]


def _figure(column: list[Record], metric: Metric) -> Iterator[Figure]:
    values = [(metrics.comparable(metric.name, r.metrics), r) for r in column]
    found = [(value, record) for value, record in values if value is not None]
    if not found:
        return
    numbers = [value for value, _ in found]
    # Of equals the first counts: cases stand in the order of the matrix.
    pick = {metrics.HIGHER: min, metrics.LOWER: max}.get(metric.better)
    worst, record = pick(found, key=lambda pair: pair[0]) if pick else found[0]
    told = pick is not None and min(numbers) < max(numbers)
    yield Figure(
        technique=record.technique,
        variant=record.variant,
        metric=metric,
        cases=len(found),
        median=statistics.median(numbers),
        worst=worst,
        application=record.application if told else "",
        least=min(numbers),
        most=max(numbers),
    )
