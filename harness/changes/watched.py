"""Which numbers of a case are watched from run to run, and from where on they count: data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.records import Record
from harness.report import metrics, origins
from harness.report.metrics import NOISY


@dataclass(frozen=True)
class Measured:
    """A number, and the factor by which it may be off: 1 for what is not a time."""

    value: float
    spread: float = 1.0


Measure = Callable[[Record, str], Measured | None]


def plain(record: Record, name: str) -> Measured | None:
    """Read a metric as it stands."""
    value = metrics.number(record.metrics.get(name))
    return None if value is None else Measured(value)


def timed(record: Record, name: str) -> Measured | None:
    """Read a time or a ratio of times, with the spread of the inferences it is of."""
    found = plain(record, name)
    return found and Measured(found.value, spread(record))


def of_control(record: Record, name: str) -> Measured | None:
    """Read the latency of a file that was not timed in turns with the float model's.

    It is compared between runs of one machine only, and a busy machine makes it several times
    as long.
    """
    return None if "float_latency_ms" in record.metrics else timed(record, name)


def beside_float(record: Record, name: str) -> Measured | None:
    """Read a latency as a multiple of the float model's, timed in turns with it.

    Between two runs a machine may be several times as busy; the two files were so alike.
    """
    found, base = timed(record, name), plain(record, "float_latency_ms")
    if found is None or base is None or not base.value > 0:
        return None
    return Measured(found.value / base.value, found.spread)


#: The least spread of a time that is marked noisy; percentiles may say more.
DOUBTFUL = 2.0


def spread(record: Record) -> float:
    """Return by which factor the times of a record vary: the 90th percentile over the 10th."""
    found = [DOUBTFUL if record.metrics.get(NOISY) else 1.0]
    for name in ("latency", "float_latency"):
        low = metrics.number(record.metrics.get(f"{name}_p10_ms"))
        high = metrics.number(record.metrics.get(f"{name}_p90_ms"))
        if low and high and 0 < low <= high < math.inf:
            found.append(high / low)
    return max(found)


@dataclass(frozen=True)
class Watched:
    """A number that is looked at.

    Attributes:
      metric: its name in a record. Which direction is better, `harness.report.metrics` says.
      word: what the page's filter calls a change of it: ``changed:sqnr``.
      absolute: a difference up to this, in the metric's unit, is noise. Used where `factor` is 0.
      factor: a ratio of the larger to the smaller up to this, or up to the spread of either
        side, is noise; 0: differences are compared, not ratios.
      most: values above this count as this.
      measure: how it is read from a record.
      same_machine: whether runs of different machines are not compared in it.
    """

    metric: str
    word: str
    absolute: float = 0.0
    factor: float = 0.0
    most: float = math.inf
    measure: Measure = plain
    same_machine: bool = False

    @property
    def better(self) -> str:
        return metrics.about(self.metric).better

    @property
    def is_time(self) -> bool:
        return self.measure is not plain

    def differ(self, before: Measured, after: Measured) -> bool:
        """Whether two values differ by more than their noise."""
        a, b = min(before.value, self.most), min(after.value, self.most)
        if a == b:
            return False
        if not self.factor:
            return not abs(a - b) <= self.absolute + _ROUNDING
        low, high = sorted((a, b))
        return low <= 0 or high / low > max(self.factor, before.spread, after.spread)


#: Decimals are not exact in binary: a difference of just `absolute` may come out larger by this.
_ROUNDING = 1e-9

#: In the order in which they are told. SQNR above 60 dB is how two orders of summation differ.
WATCHED: tuple[Watched, ...] = (
    Watched("sqnr_float_db", "sqnr", absolute=1.0, most=60.0),
    Watched("sqnr_simulation_db", "sqnr", absolute=1.0, most=60.0),
    Watched("top1_agreement", "top1", absolute=0.05),
    Watched("int8_macs", "int8", absolute=0.005),
    Watched("int8_ops", "int8", absolute=0.005),
    Watched("float_islands", "int8"),
    Watched("file_bytes", "size", factor=1.02),
    Watched("deflated_bytes", "size", factor=1.02),
    Watched("latency_ms", "latency", factor=1.5, measure=beside_float),
    Watched("latency_ms", "latency", factor=3.0, measure=of_control, same_machine=True),
    Watched("latency_ratio", "latency", factor=1.5, measure=timed),
    Watched("sparsity", "sparsity", absolute=0.005),
    Watched("pattern", "sparsity", absolute=1e-6),
    Watched("unique_weights", "clusters"),
)

#: Words for changes of the outcome, and for cases that only one of the runs has.
STATUS, LABEL, NEW, REMOVED = "status", "label", "new", "removed"

#: All words that ``changed:`` takes, in their order.
WORDS: tuple[str, ...] = tuple(
    dict.fromkeys((STATUS, LABEL, *(one.word for one in WATCHED), NEW, REMOVED))
)

#: What tells machines apart: as in `harness.report.origins`, without the version of LiteRT, since
#: a new one is a change to be told of, not another machine.
MACHINE = tuple(name for name in origins.MACHINE if name != "ai_edge_litert")


def machine(record: Record) -> Mapping[str, object]:
    """Return what a record says of the machine that it was made on."""
    return {name: record.environment[name] for name in MACHINE if name in record.environment}
