"""Accuracy against a cost, one panel per application, as data for the template's SVG.

Everything is computed here, in the units of the panel's view box: the template only writes
it down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.benchmark.report.figures import Row, Spread
from harness.benchmark.report.plots import labels, scales
from harness.benchmark.report.plots.canvas import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from harness.benchmark.report.plots.marks import mark
from harness.benchmark.report.plots.scales import Tick
from harness.report import text


@dataclass(frozen=True)
class Axis:
    """What the x axis of a plot shows.

    Attributes:
      id: its word within the page.
      title: of the axis, with its unit.
      figure: of a row.
      write: a value for a reader.
      tick: a value on the axis, which is a round one.
    """

    id: str
    title: str
    figure: Callable[[Row], Spread | None]
    write: Callable[[float], str]
    tick: Callable[[float], str]


AXES: tuple[Axis, ...] = (
    Axis("deflated", "file size, deflated", lambda row: row.deflated, text.size, text.size),
    Axis("raw", "file size", lambda row: row.bytes, text.size, text.size),
    Axis(
        "latency",
        "latency per image, one thread",
        lambda row: row.latency,
        lambda value: f"{text.milliseconds(value)} ms",
        lambda value: f"{text.three(value)} ms",
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
    label: labels.Label


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
    x_range = scales.logarithmic([v for _, x, _ in found for v in _ends(x)])
    y_range = scales.linear([v for _, _, y in found for v in _ends(y)])

    def across(value: float) -> float:
        low, high = (math.log(v) for v in x_range)
        share = (math.log(max(value, x_range[0])) - low) / (high - low)
        share = min(share, 1.0)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        low, high = y_range
        value = min(max(value, low), high)
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    places = [(across(x.mean), up(y.mean)) for _, x, y in found]
    bars = [
        (across(x_low), across(x_high), up(max(y_low, 0.0)), up(min(y_high, 100.0)))
        for (x_low, x_high), (y_low, y_high) in ((_ends(x), _ends(y)) for _, x, y in found)
    ]
    covering = [
        line
        for (px, py), (x_low, x_high, y_low, y_high) in zip(places, bars, strict=True)
        for line in ((x_low, py, x_high, py), (px, y_low, px, y_high))
    ]
    texts = labels.place(places, [row.technique for row, _, _ in found], covering)
    # What is beyond the axes stands at their edge.
    beyond = [
        not (x_range[0] <= x.mean <= x_range[1] and y_range[0] <= y.mean <= y_range[1])
        for _, x, y in found
    ]
    points = [
        Point(
            row.technique,
            *place,
            *bar,
            *(mark(row.technique, far)),
            _title(row, x, y, axis) + ("\nbeyond the axes" if far else ""),
            label,
        )
        for (row, x, y), place, bar, label, far in zip(
            found, places, bars, texts, beyond, strict=True
        )
    ]
    return Panel(
        name,
        axis,
        tuple(points),
        scales.logarithmic_ticks(*x_range, across, axis.tick),
        tuple(Tick(up(v), f"{v:g}") for v in scales.round_values(*y_range)),
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
    low, high = _ends(y)
    for beyond, end in ((low < 0, 0), (high > 100, 100)):
        if beyond:
            told.append(f"error bar cut off at {end} %")
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
