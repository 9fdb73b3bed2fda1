"""Accuracy against a cost, one panel per application, as data for the template's SVG.

Everything is computed here, in the units of the panel's view box: the template only writes
it down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.report import text
from harness.training.figures import Row, Spread
from harness.training.marks import RADIUS, mark

WIDTH, HEIGHT = 480.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 14.0, 12.0, 36.0

#: Of the labels, for placing them: how wide a character is and how high a line.
_CHARACTER, _LINE = 5.8, 11.0


@dataclass(frozen=True)
class Axis:
    """What the x axis of a plot shows.

    Attributes:
      id: its word within the page.
      title: of the axis, with its unit.
      figure: of a row.
      write: a value for a reader.
    """

    id: str
    title: str
    figure: Callable[[Row], Spread | None]
    write: Callable[[float], str]


AXES: tuple[Axis, ...] = (
    Axis("deflated", "file size, deflated", lambda row: row.deflated, text.size),
    Axis("raw", "file size", lambda row: row.bytes, text.size),
    Axis(
        "latency",
        "latency per image, one thread",
        lambda row: row.latency,
        lambda value: f"{text.milliseconds(value)} ms",
    ),
)


@dataclass(frozen=True)
class Point:
    """One technique in a panel; all numbers but those in texts are places in the view box."""

    technique: str
    x: float
    y: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    path: str
    hue: str
    title: str
    label_x: float
    label_y: float
    anchor: str
    leads: bool


@dataclass(frozen=True)
class Tick:
    """A line of the grid: its place, and the value there."""

    at: float
    text: str


@dataclass(frozen=True)
class Panel:
    """One application: its points and its grid."""

    application: str
    axis: Axis
    points: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def panels(rows: Iterable[Row], axis: Axis) -> list[Panel]:
    """Return a panel for each application that has a figure, in the order of the rows."""
    by_application: dict[str, list[tuple[Row, Spread, Spread]]] = {}
    for row in rows:
        x, y = axis.figure(row), row.file_accuracy
        if x is not None and y is not None and min(x.values) > 0:
            by_application.setdefault(row.application, []).append((row, x, y))
    return [_panel(name, axis, found) for name, found in by_application.items()]


def _panel(name: str, axis: Axis, found: Sequence[tuple[Row, Spread, Spread]]) -> Panel:
    x_range = _logarithmic([v for _, x, _ in found for v in _ends(x)])
    y_range = _linear([v for _, _, y in found for v in _ends(y)])

    def across(value: float) -> float:
        low, high = (math.log(v) for v in x_range)
        share = (math.log(max(value, x_range[0])) - low) / (high - low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        low, high = y_range
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    places = [(across(x.mean), up(y.mean)) for _, x, y in found]
    labels = _labels(places, [row.technique for row, _, _ in found])
    points = []
    for (row, x, y), (px, py), (lx, ly, anchor, leads) in zip(found, places, labels, strict=True):
        path, hue = mark(row.technique)
        (x_low, x_high), (y_low, y_high) = _ends(x), _ends(y)
        points.append(
            Point(
                row.technique, px, py,
                across(x_low), across(x_high), up(y_low), up(y_high),
                path, hue, _title(row, x, y, axis), lx, ly, anchor, leads,
            )
        )  # fmt: skip
    return Panel(
        name,
        axis,
        tuple(points),
        tuple(Tick(across(v), axis.write(v)) for v in _log_ticks(*x_range)),
        tuple(Tick(up(v), f"{v:g}") for v in _ticks(*y_range)),
    )


def _ends(found: Spread) -> tuple[float, float]:
    deviation = found.deviation or 0.0
    return found.mean - deviation, found.mean + deviation


def _title(row: Row, x: Spread, y: Spread, axis: Axis) -> str:
    told = [
        f"{row.application}, {row.technique}",
        f"accuracy of the file {spread(y, _percent)} %",
        f"{axis.title} {spread(x, axis.write)}",
    ]
    if row.file_change is not None:
        told.insert(2, f"{spread(row.file_change, signed)} points against float")
    if row.repeats > 1:
        told.append(f"mean ± standard deviation of {row.repeats} seeds")
    return "\n".join(told)


def _percent(value: float) -> str:
    return f"{value:.1f}"


def signed(value: float) -> str:
    """Write points with their sign: ``+0.2``, ``−1.3``."""
    return f"{'−' if round(value, 1) < 0 else '+'}{abs(value):.1f}"


def spread(found: Spread, write: Callable[[float], str]) -> str:
    """Write mean and deviation: ``97.1 ± 0.4``, a bare number with as many digits as the other."""
    mean, deviation = write(found.mean), found.deviation
    if deviation is None:
        return mean
    if mean.replace(".", "", 1).isdecimal():
        return f"{mean} ± {deviation:.{len(mean.partition('.')[2])}f}"
    return f"{mean} ± {write(deviation).lstrip('+')}"


# -- scales --------------------------------------------------------------------------------


def _logarithmic(values: Sequence[float]) -> tuple[float, float]:
    """A range for a logarithmic axis, with room at both ends."""
    known = [v for v in values if v > 0]
    low, high = min(known), max(known)
    # A panel with one size would else have no extent.
    grown = max(1.12, (high / low) ** 0.08)
    return low / grown, high * grown


def _linear(values: Sequence[float]) -> tuple[float, float]:
    """A range for accuracy in percent, with room at both ends and two points at least."""
    low, high = max(0.0, min(values)), min(100.0, max(values))
    room = max(1.0, 0.08 * (high - low))
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Round values between two, about five."""
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 50) if (high - low) / s <= 6)
    first = math.ceil(low / step)
    last = math.floor(min(high, 100.0) / step)
    return [n * step for n in range(first, last + 1) if n >= 0]


def _log_ticks(low: float, high: float) -> list[float]:
    """Round values between two on a logarithmic axis, at most six."""
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high]
        if len(found) <= 6:
            return found
    return found


# -- labels --------------------------------------------------------------------------------

_Box = tuple[float, float, float, float]


def _labels(
    places: Sequence[tuple[float, float]], names: Sequence[str]
) -> list[tuple[float, float, str, bool]]:
    """Find a place for each label beside its marker, clear of markers and other labels.

    Returns:
      By point: x, y of the baseline, text anchor, and whether a line has to lead there
      because nothing close by was free.
    """
    taken: list[_Box] = [(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in places]
    found = []
    for (x, y), name in zip(places, names, strict=True):
        width = len(name) * _CHARACTER
        best = None
        for distance in (0.0, 10.0, 20.0, 32.0, 46.0, 60.0):
            for right in (True, False):
                for lift in dict.fromkeys((0.0, -distance, distance)):
                    anchor_x = x + (1 if right else -1) * (RADIUS + 4 + distance / 3)
                    left = anchor_x if right else anchor_x - width
                    box = (left, y + lift - _LINE / 2, left + width, y + lift + _LINE / 2)
                    if _inside(box) and not any(_overlap(box, other) for other in taken):
                        best = (anchor_x, y + lift, "start" if right else "end", distance > 0)
                        break
                if best:
                    break
            if best:
                taken.append(box)
                break
        found.append(best or (x, y - RADIUS - 3, "middle", False))
    return found


def _inside(box: _Box) -> bool:
    left, top, right, bottom = box
    return left > LEFT and right < WIDTH and top > 0 and bottom < HEIGHT - BOTTOM


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
