"""Accuracy against a cost, one panel per application, as data for the template's SVG.

Everything is computed here, in the units of the panel's view box: the template only writes
it down.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.report import text
from harness.training.figures import Row, Spread
from harness.training.marks import RADIUS, mark

WIDTH, HEIGHT = 480.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 14.0, 12.0, 36.0

#: Of the labels, for placing them: how wide a character is, how high a line, and how far they
#: stay from each other and from markers.
_CHARACTER, _LINE, _PADDING = 5.8, 11.0, 3.0


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
    label: Label


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
    bars = [
        (across(x_low), across(x_high), up(max(y_low, 0.0)), up(min(y_high, 100.0)))
        for (x_low, x_high), (y_low, y_high) in ((_ends(x), _ends(y)) for _, x, y in found)
    ]
    covering = [
        line
        for (px, py), (x_low, x_high, y_low, y_high) in zip(places, bars, strict=True)
        for line in ((x_low, py, x_high, py), (px, y_low, px, y_high))
    ]
    labels = _labels(places, [row.technique for row, _, _ in found], covering)
    points = [
        Point(row.technique, *place, *bar, *mark(row.technique), _title(row, x, y, axis), label)
        for (row, x, y), place, bar, label in zip(found, places, bars, labels, strict=True)
    ]
    return Panel(
        name,
        axis,
        tuple(points),
        _x_ticks(axis, *x_range, across),
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


def _x_ticks(
    axis: Axis, low: float, high: float, across: Callable[[float], float]
) -> tuple[Tick, ...]:
    """Three to six ticks whose texts do not touch, of the roundest values that give so many."""
    found = []
    for values in (*_powers(low, high), *_multiples(low, high)):
        ticks = tuple(Tick(across(v), axis.tick(v)) for v in values)
        if _apart(ticks):
            if 3 <= len(ticks) <= 6:
                return ticks
            found.append(ticks)
    return max(found, key=len, default=())


def _apart(ticks: Sequence[Tick]) -> bool:
    halves = [len(tick.text) * _CHARACTER / 2 for tick in ticks]
    return all(
        a.at + half + 2 * _PADDING <= b.at - other
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


# -- labels --------------------------------------------------------------------------------

#: Left, top, right, bottom.
_Box = tuple[float, float, float, float]
#: From a point to its label: x and y of both ends.
_Line = tuple[float, float, float, float]


@dataclass(frozen=True)
class Label:
    """Where a label stands.

    Attributes:
      x, y: of its anchor, and of the middle of its line.
      anchor: the end of the text that is at `x`, as SVG calls it.
      leads: whether a line leads there, because nothing beside the marker was free.
      box: that it covers.
      cost: how far it is from where a reader looks for it.
    """

    x: float
    y: float
    anchor: str
    leads: bool
    box: _Box
    cost: float = 0.0


#: From the middle of a marker to a label beside it.
_BESIDE = RADIUS + _PADDING + 1

#: Where a label may stand that is not beside its marker: right (1) or left (-1) of it, how
#: much further out, and how much lower; the cheapest first. A step outwards costs more than
#: one up or down, so the labels of a crowd stand in columns.
_AWAY: tuple[tuple[int, float, float], ...] = tuple(
    sorted(
        (
            (side, float(out), float(sign * lift))
            for out in range(8, int(WIDTH), 12)
            for lift in range(0, int(HEIGHT), int((_LINE + _PADDING) / 2))
            for sign in ((-1, 1) if lift else (1,))
            for side in (1, -1)
        ),
        key=lambda spot: 2 * spot[1] + abs(spot[2]),
    )
)

#: What a line that crosses something costs, and a label on an error bar.
_CROSSING, _BARRED = 120.0, 40.0


def _labels(
    places: Sequence[tuple[float, float]], names: Sequence[str], bars: Sequence[_Line] = ()
) -> list[Label]:
    """Find a place for each label, clear of markers and other labels.

    One is placed after the other. Which order leaves the best places is tried out.
    """
    if not places:
        return []
    middle = statistics.median(y for _, y in places)
    count = range(len(places))
    orders = [
        sorted(count, key=lambda i: places[i][1]),
        sorted(count, key=lambda i: -places[i][1]),
        sorted(count, key=lambda i: abs(places[i][1] - middle)),
        sorted(count, key=lambda i: -abs(places[i][1] - middle)),
    ]
    found = (_in_order(places, names, bars, order) for order in orders)
    return min(found, key=lambda labels: sum(one.cost for one in labels))


def _in_order(
    places: Sequence[tuple[float, float]],
    names: Sequence[str],
    bars: Sequence[_Line],
    order: Sequence[int],
) -> list[Label]:
    markers = [_around(*place) for place in places]
    found: dict[int, Label] = {}
    lines: list[_Line] = []
    for i in order:
        x, y = places[i]
        labels = [one.box for one in found.values()]
        label = _place(x, y, names[i], markers, labels, lines, bars)
        found[i] = label
        if label.leads:
            lines.append((x, y, label.x, label.y))
    return [found[i] for i in range(len(places))]


def _place(
    x: float,
    y: float,
    name: str,
    markers: Sequence[_Box],
    labels: Sequence[_Box],
    lines: Sequence[_Line],
    bars: Sequence[_Line],
) -> Label:
    """Find a place for the label of a point: beside it, else where a line can lead.

    No other label and no marker is ever in that place. That it is on an error bar, or that
    a line crosses something, is avoided unless the place is much further away then.
    """
    # A line starts within the markers of the points at the same spot.
    others = [box for box in markers if not _within(x, y, box)]
    best = None
    for label in _candidates(x, y, name):
        if best and label.cost >= best.cost:
            break
        if not _inside(label.box) or any(_close(label.box, box) for box in (*markers, *labels)):
            continue
        line = (x, y, label.x, label.y)
        cost = label.cost
        if any(_cuts(other, label.box) for other in lines) or (
            label.leads
            and (
                any(_cuts(line, box) for box in (*others, *labels))
                or any(_cross(line, other) for other in lines)
            )
        ):
            cost += _CROSSING
        if any(_cuts(bar, label.box) for bar in bars):
            cost += _BARRED
        if not best or cost < best.cost:
            best = replace(label, cost=cost)
    # A name may be too long for the panel.
    return best or _label(x, y - _BESIDE - _LINE / 2, "middle", name)


def _candidates(x: float, y: float, name: str) -> Iterator[Label]:
    """Yield the places for the label of a point, the best first."""
    yield _label(x + _BESIDE, y, "start", name)
    yield _label(x - _BESIDE, y, "end", name)
    yield _label(x, y - _BESIDE - _LINE / 2, "middle", name)
    yield _label(x, y + _BESIDE + _LINE / 2, "middle", name)
    for side, out, lift in _AWAY:
        anchor = "start" if side > 0 else "end"
        yield _label(x + side * (_BESIDE + out), y + lift, anchor, name, 2 * out + abs(lift))


def _label(x: float, y: float, anchor: str, name: str, cost: float = 0.0) -> Label:
    width = len(name) * _CHARACTER
    left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
    box = (left, y - _LINE / 2, left + width, y + _LINE / 2)
    return Label(x, y, anchor, cost > 0, box, cost)


def _around(x: float, y: float) -> _Box:
    return x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS


def _within(x: float, y: float, box: _Box) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _inside(box: _Box) -> bool:
    left, top, right, bottom = box
    return left > LEFT and right < WIDTH and top > 0 and bottom < HEIGHT - BOTTOM


def _close(a: _Box, b: _Box) -> bool:
    """Whether two boxes overlap, or are so close that they read as one."""
    return (
        a[0] < b[2] + _PADDING
        and b[0] < a[2] + _PADDING
        and a[1] < b[3] + _PADDING
        and b[1] < a[3] + _PADDING
    )


def _cuts(line: _Line, box: _Box) -> bool:
    """Whether a line runs through a box."""
    x, y, to_x, to_y = line
    enters, leaves = 0.0, 1.0
    for at, step, least, most in ((x, to_x - x, box[0], box[2]), (y, to_y - y, box[1], box[3])):
        if step:
            first, last = sorted(((least - at) / step, (most - at) / step))
            enters, leaves = max(enters, first), min(leaves, last)
        elif not least < at < most:
            return False
    return enters < leaves


def _cross(a: _Line, b: _Line) -> bool:
    """Whether two lines cross; a common end is no crossing."""

    def side(line: _Line, x: float, y: float) -> float:
        return (line[2] - line[0]) * (y - line[1]) - (line[3] - line[1]) * (x - line[0])

    return all(side(one, *other[:2]) * side(one, *other[2:]) < 0 for one, other in ((a, b), (b, a)))
