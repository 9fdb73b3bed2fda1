"""Whether a case that was run again comes out as its record says, figure by figure.

The key of the record holds, so code, libraries and options are the same: what differs by
more than two machines may differ is a fault of one of the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.baseline.compare import describe
from harness.records import Record

#: What SQNR above it says is how two orders of summation differ: it counts as equal.
EQUAL_DB = 60.0


@dataclass(frozen=True)
class Tolerance:
    """How far a figure may be from the one recorded.

    Attributes:
      absolute: in the unit of the metric.
      relative: as a share of the recorded one.
      most: both are taken to be this at most.
    """

    absolute: float = 0.0
    relative: float = 0.0
    most: float = math.inf

    def allows(self, found: float, known: float) -> bool:
        found, known = min(found, self.most), min(known, self.most)
        room = max(self.absolute, self.relative * abs(known))
        return found == known or abs(found - known) <= room


#: By metric. Times and memory are the machine's, and are not compared.
TOLERANCES: Mapping[str, Tolerance] = {
    "int8_ops": Tolerance(absolute=1e-6),
    "int8_macs": Tolerance(absolute=1e-6),
    "float_islands": Tolerance(),
    "file_bytes": Tolerance(relative=0.001),
    "sqnr_simulation_db": Tolerance(absolute=0.5, most=EQUAL_DB),
    "sqnr_float_db": Tolerance(absolute=0.5, most=EQUAL_DB),
    "sparsity": Tolerance(absolute=0.0005),
    "pattern": Tolerance(absolute=1e-6),
    "unique_weights": Tolerance(),
}


def disagreements(found: Record, known: Record) -> tuple[str, ...]:
    """Say where an outcome is not what the record of the same key says, with both figures.

    Args:
      found: of the attempt made now.
      known: the earlier record, whose key holds.
    """
    date = known.started[:10] or "an earlier run"
    if found.outcome() != known.outcome():
        here, there = describe(found.outcome()), describe(known.outcome())
        return (f"{here} here, {there} in the record of {date}",)
    return tuple(_figures(found.metrics, known.metrics, date))


def _figures(found: Mapping[str, Any], known: Mapping[str, Any], date: str) -> Iterator[str]:
    for name, tolerance in TOLERANCES.items():
        if name not in found and name not in known:
            continue
        here, there = _number(found.get(name)), _number(known.get(name))
        if here is None or there is None or not tolerance.allows(here, there):
            yield (
                f"{name} is {_said(found.get(name))} here, "
                f"{_said(known.get(name))} in the record of {date}"
            )


def _number(value: Any) -> float | None:
    """Read a metric; JSON has no infinity, so it comes as text."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _said(value: Any) -> str:
    if value is None:
        return "not there"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
