"""The axes of the plots: what they span, and the values written along them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.benchmark.report.plots.canvas import CHARACTER, PADDING


@dataclass(frozen=True)
class Tick:
    """A line of the grid: its place, and the value there."""

    at: float
    text: str


#: So many times the width of the middle half a value may be beyond it and still be shown in its
#: place, and so far beyond it in any case: a factor, and points.
_REACH, _FACTOR, _POINTS = 3.0, 10.0, 5.0


def _within(values: Sequence[float], reach: float) -> list[float]:
    """Return the values that an axis has to span: without those that would crush the others."""
    ordered = sorted(values)
    if len(ordered) < 4:
        return ordered
    low, _, high = statistics.quantiles(ordered, n=4, method="inclusive")
    reach = max(_REACH * (high - low), reach)
    return [v for v in ordered if low - reach <= v <= high + reach]


def logarithmic(values: Sequence[float]) -> tuple[float, float]:
    """Return a range for a logarithmic axis, with room at both ends; without what is far away."""
    known = [
        math.exp(v) for v in _within([math.log(v) for v in values if v > 0], math.log(_FACTOR))
    ]
    low, high = min(known), max(known)
    # A panel with one size would else have no extent.
    grown = max(1.12, (high / low) ** 0.08)
    return low / grown, high * grown


def linear(values: Sequence[float]) -> tuple[float, float]:
    """Return a range for accuracy in percent, with room at both ends and two points at least.

    It is without what is far away from all others.
    """
    known = _within(values, _POINTS)
    low, high = max(0.0, min(known)), min(100.0, max(known))
    room = max(1.0, 0.08 * (high - low))
    return low - room, high + room


def round_values(low: float, high: float) -> list[float]:
    """Return round values between two, about five, that a share in percent can have."""
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 50) if (high - low) / s <= 6)
    first = math.ceil(low / step)
    last = math.floor(min(high, 100.0) / step)
    return [n * step for n in range(first, last + 1) if n >= 0]


def logarithmic_ticks(
    low: float, high: float, across: Callable[[float], float], write: Callable[[float], str]
) -> tuple[Tick, ...]:
    """Return three to six ticks whose texts do not touch, of the roundest such values.

    Args:
      low, high: the ends of the axis.
      across: where a value is.
      write: a value on the axis.
    """
    found = []
    for values in (*_powers(low, high), *_multiples(low, high)):
        ticks = tuple(Tick(across(v), write(v)) for v in values)
        if _apart(ticks):
            if 3 <= len(ticks) <= 6:
                return ticks
            found.append(ticks)
    return max(found, key=len, default=())


def _apart(ticks: Sequence[Tick]) -> bool:
    halves = [len(tick.text) * CHARACTER / 2 for tick in ticks]
    return all(
        a.at + half + 2 * PADDING <= b.at - other
        for (a, half), (b, other) in pairwise(zip(ticks, halves, strict=True))
    )


def _powers(low: float, high: float) -> Iterator[list[float]]:
    """Yield round values between two, evenly on a logarithmic axis: of many to few decades."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        yield [v for p in powers for s in steps if low <= (v := s * 10.0**p) <= high]
    for apart in (2, 3, 5):
        yield [v for p in powers if p % apart == 0 and low <= (v := 10.0**p) <= high]


def _multiples(low: float, high: float) -> Iterator[list[float]]:
    """Yield the multiples between two of ever smaller steps, for less than a decade."""
    power = math.floor(math.log10(high))
    for steps in ((5, 2, 1), (4, 2.5)):
        for step in (s * 10.0**p for p in (power, power - 1, power - 2) for s in steps):
            first, last = math.ceil(low / step), math.floor(high / step)
            if last - first < 12:
                yield [n * step for n in range(first, last + 1)]
