"""Labels beside the points of a plot, or at the end of a line where it is crowded there."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.benchmark.report.plots.canvas import (
    BOTTOM,
    CHARACTER,
    HEIGHT,
    LEFT,
    LINE,
    PADDING,
    WIDTH,
)
from harness.benchmark.report.plots.marks import RADIUS

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
_BESIDE = RADIUS + PADDING + 1

#: Where a label may stand that is not beside its marker: right (1) or left (-1) of it, how
#: much further out, and how much lower; the cheapest first. A step outwards costs more than
#: one up or down, so the labels of a crowd stand in columns.
_AWAY: tuple[tuple[int, float, float], ...] = tuple(
    sorted(
        (
            (side, float(out), float(sign * lift))
            for out in range(8, int(WIDTH), 12)
            for lift in range(0, int(HEIGHT), int((LINE + PADDING) / 2))
            for sign in ((-1, 1) if lift else (1,))
            for side in (1, -1)
        ),
        key=lambda spot: 2 * spot[1] + abs(spot[2]),
    )
)

#: What a line that crosses something costs, and a label on an error bar.
_CROSSING, _BARRED = 120.0, 40.0


def place(
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
        label = _place_one(x, y, names[i], markers, labels, lines, bars)
        found[i] = label
        if label.leads:
            lines.append((x, y, label.x, label.y))
    return [found[i] for i in range(len(places))]


def _place_one(
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
    return best or _label(x, y - _BESIDE - LINE / 2, "middle", name)


def _candidates(x: float, y: float, name: str) -> Iterator[Label]:
    """Yield the places for the label of a point, the best first."""
    yield _label(x + _BESIDE, y, "start", name)
    yield _label(x - _BESIDE, y, "end", name)
    yield _label(x, y - _BESIDE - LINE / 2, "middle", name)
    yield _label(x, y + _BESIDE + LINE / 2, "middle", name)
    for side, out, lift in _AWAY:
        anchor = "start" if side > 0 else "end"
        yield _label(x + side * (_BESIDE + out), y + lift, anchor, name, 2 * out + abs(lift))


def _label(x: float, y: float, anchor: str, name: str, cost: float = 0.0) -> Label:
    width = len(name) * CHARACTER
    left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
    box = (left, y - LINE / 2, left + width, y + LINE / 2)
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
        a[0] < b[2] + PADDING
        and b[0] < a[2] + PADDING
        and a[1] < b[3] + PADDING
        and b[1] < a[3] + PADDING
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
