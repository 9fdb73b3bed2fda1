"""From records to the figures of the page: per application and technique, over the seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.benchmark.definition import applications, techniques
from harness.benchmark.definition.units import VARIANT
from harness.records import Record, latest
from harness.report.order import ranked
from harness.report.text import natural
from harness.vocabulary import CONTROL


@dataclass(frozen=True)
class Spread:
    """A figure over several seeds.

    Attributes:
      values: one per seed, in the order of the seeds.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the values; None for a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Row:
    """One application and one technique: every figure is None where nothing is known of it.

    Attributes:
      application, family, technique: what it is of.
      repeats: how many seeds passed; `failed` how many did not.
      accuracy: of the Keras model on the test images, in percent.
      file_accuracy: of its file, in percent.
      change: points of accuracy against the float Keras model of the same seed.
      file_change: the same of the file.
      bytes, deflated: size of the file as it is, and deflated.
      ratio, deflated_ratio: the same, as shares of the float file as it is.
      latency: milliseconds per image, one thread.
      sparsity: share of zeros of all kernels of the file.
      kernel_sparsity, unique: of all but depthwise kernels: share of zeros; most different
        values in one kernel.
      many: whether a kernel of some seed has more different values than are counted.
      failures: what became of the seeds that did not pass, in words.
    """

    application: str
    family: str
    technique: str
    repeats: int
    failed: int
    accuracy: Spread | None = None
    file_accuracy: Spread | None = None
    change: Spread | None = None
    file_change: Spread | None = None
    bytes: Spread | None = None
    deflated: Spread | None = None
    ratio: Spread | None = None
    deflated_ratio: Spread | None = None
    latency: Spread | None = None
    sparsity: Spread | None = None
    kernel_sparsity: Spread | None = None
    unique: Spread | None = None
    many: bool = False
    failures: tuple[str, ...] = ()


_PERCENT = 100.0

#: Different values of a kernel are counted up to this number (`optim.sparsity.report.MANY`).
COUNTED = 1024


def rows(records: Iterable[Record]) -> list[Row]:
    """Return a row for each application and technique that has a record, in their order."""
    found = ours(records)
    float_of = {
        (r.application, seed_of(r)): r for r in found if r.technique == CONTROL and r.passed
    }
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in found:
        cells.setdefault((record.application, record.technique), []).append(record)
    return [_row(members, float_of) for members in cells.values()]


def ours(records: Iterable[Record]) -> list[Record]:
    """Return the last record of each unit, application by application, in order."""
    found = [r for r in latest(records).values() if r.variant == VARIANT]
    members = ranked((r.application for r in found), [m.name for m in applications.MEMBERS])
    columns = ranked((r.technique for r in found), list(techniques.BY_ID))
    return sorted(
        found,
        key=lambda r: (members.index(r.application), columns.index(r.technique), natural(r.case)),
    )


def seed_of(record: Record) -> str:
    """Return the repeat that a record is of: the last word of its id."""
    return record.case.rpartition("-")[2]


def _row(members: Sequence[Record], float_of: dict[tuple[str, str], Record]) -> Row:
    first = members[0]
    passed = [r for r in members if r.passed]
    pairs = [(r, float_of.get((r.application, seed_of(r)))) for r in passed]

    def own(name: str, factor: float = 1.0) -> Spread | None:
        return _spread(_times(_number(r, name), factor) for r in passed)

    def against(
        name: str, other: str, compare: Callable[[float, float], float | None]
    ) -> Spread | None:
        return _spread(
            compare(a, b)
            for r, f in pairs
            if f is not None
            and (a := _number(r, name)) is not None
            and (b := _number(f, other)) is not None
        )

    return Row(
        application=first.application,
        family=first.family,
        technique=first.technique,
        repeats=len(passed),
        failed=len(members) - len(passed),
        accuracy=own("accuracy", _PERCENT),
        file_accuracy=own("file_accuracy", _PERCENT),
        change=against("accuracy", "accuracy", _points),
        file_change=against("file_accuracy", "accuracy", _points),
        bytes=own("file_bytes"),
        deflated=own("deflated_bytes"),
        ratio=against("file_bytes", "file_bytes", _share),
        deflated_ratio=against("deflated_bytes", "file_bytes", _share),
        latency=own("latency_ms"),
        sparsity=own("sparsity"),
        kernel_sparsity=own("kernel_sparsity"),
        unique=own("unique_weights"),
        many=any(r.metrics.get("unique_weights", 0) is None for r in passed),
        failures=tuple(
            f"{seed_of(r)}: {r.status} at {r.stage}" + (f" ({r.label})" if r.label else "")
            for r in members
            if not r.passed
        ),
    )


def _points(a: float, b: float) -> float:
    return _PERCENT * (a - b)


def _share(a: float, b: float) -> float | None:
    return a / b if b else None


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def _number(record: Record, name: str) -> float | None:
    value = record.metrics.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _spread(values: Iterable[float | None]) -> Spread | None:
    known = tuple(v for v in values if v is not None)
    return Spread(known) if known else None
