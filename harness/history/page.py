"""The page of a history: columns over the nights, and what changed on which; no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.history.feed import NAME as FEED
from harness.history.rows import BETTER, OTHER, WORSE
from harness.history.store import History
from harness.history.timeline import Count, Point, columns, points
from harness.report import order
from harness.report.rendering import environment
from harness.report.text import clean

NAME = "history.html"

#: Nights with changes that are shown, changes of each, and cases with their own timeline.
NIGHTS, CHANGES, CASES = 60, 60, 60

#: Nights that a curve has room for.
CURVE = 365

WIDTH, HEIGHT = 240, 28

_WAYS = {WORSE: "worse", BETTER: "better", OTHER: "other"}


@dataclass(frozen=True)
class Curve:
    """A column: how many of its cases pass, night by night."""

    technique: str
    variant: str
    counts: Sequence[Count]

    @property
    def last(self) -> Count:
        return self.counts[-1]

    @property
    def path(self) -> str:
        """Return the share that passes as the path of an SVG picture."""
        counts = self.counts[-CURVE:]
        step = WIDTH / max(1, len(counts) - 1)
        found = []
        for i, one in enumerate(counts):
            share = one.passed / one.cases if one.cases else 0.0
            y = 1 + (HEIGHT - 2) * (1 - share)
            found.append(f"{'H' if i else 'M'}{i * step:.1f}" + (f"V{y:.1f}" if i else f" {y:.1f}"))
        return "".join(found)

    @property
    def says(self) -> str:
        first = self.counts[-CURVE:][0]
        last = self.last
        return (
            f"{first.passed} of {first.cases} pass on {first.night}, "
            f"{last.passed} of {last.cases} on {last.night}"
        )


def html(histories: Iterable[History]) -> str:
    """Write the page."""
    view = [_stack(one) for one in histories if one.nights]
    template = environment("harness.history").get_template("history.html.j2")
    return clean(template.render(stacks=view, feed=FEED, width=WIDTH, height=HEIGHT))


def _stack(history: History) -> dict[str, Any]:
    counts = columns(history)
    ranked = order.ranked({technique for technique, _ in counts}, order.TECHNIQUES)
    curves = [
        Curve(technique, variant, found)
        for name in ranked
        for (technique, variant), found in sorted(counts.items())
        if technique == name
    ]
    all_points = list(points(history))
    first = history.nights[0].night
    later = [point for point in all_points if point.night != first]
    return {
        "name": history.stack,
        "nights": len(history.nights),
        "first": first,
        "last": history.nights[-1],
        "environment": history.environment,
        "curves": curves,
        "changed": _by_night(later),
        "cases": _by_case(all_points, later),
    }


def _by_night(later: Sequence[Point]) -> list[dict[str, Any]]:
    found: dict[str, list[Point]] = {}
    for point in later:
        found.setdefault(point.night, []).append(point)
    return [
        {
            "night": night,
            "counts": {name: sum(p.after.way == way for p in of) for way, name in _WAYS.items()},
            "points": [
                (p, _WAYS[p.after.way])
                for p in sorted(of, key=lambda p: list(_WAYS).index(p.after.way))[:CHANGES]
            ],
            "left": max(0, len(of) - CHANGES),
        }
        for night, of in sorted(found.items(), reverse=True)[:NIGHTS]
    ]


def _by_case(every: Sequence[Point], later: Sequence[Point]) -> list[tuple[str, list[Point]]]:
    """Return the timelines of those that changed most often, with where they began."""
    times: dict[str, int] = {}
    for point in later:
        times[point.after.case] = times.get(point.after.case, 0) + 1
    chosen = sorted(times, key=lambda case: (-times[case], case))[:CASES]
    return [(case, [p for p in every if p.after.case == case]) for case in chosen]
