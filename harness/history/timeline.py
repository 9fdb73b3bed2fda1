"""What became of a case, and of a column, over the nights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.baseline.compare import describe
from harness.changes.watched import WATCHED
from harness.history.rows import BETTER, WORSE, Row, names
from harness.history.store import History
from harness.report import metrics


@dataclass(frozen=True)
class Point:
    """A night at which a case changed: what it was, and what it is since."""

    night: str
    before: Row | None
    after: Row

    @property
    def says(self) -> str:
        """Return in words what changed."""
        was = self.before.outcome if self.before else None
        parts = []
        if self.before is None or was != self.after.outcome:
            told = [describe(one) for one in (was, self.after.outcome)]
            parts.append(told[1] if self.before is None else " → ".join(told))
        if self.before is not None:
            parts += list(_numbers(self.before, self.after))
        return ", ".join(parts)


def _numbers(before: Row, after: Row) -> Iterator[str]:
    """Say which of the numbers that the words name went from where to where."""
    for name in dict.fromkeys(w.metric for w in WATCHED if w.word in after.words):
        a, b = before.numbers.get(name), after.numbers.get(name)
        if a == b:
            continue
        told = ["not there" if v is None else metrics.written(name, v) for v in (a, b)]
        yield f"{metrics.about(name).title} {' → '.join(told)}"


def points(history: History) -> Iterator[Point]:
    """Yield everything that changed, the oldest first."""
    known: dict[str, Row] = {}
    for night in history.nights:
        for row in night.rows:
            yield Point(night.night, known.get(row.case), row)
            known[row.case] = row


def of_case(history: History, case: str) -> list[Point]:
    """Return the nights at which a case changed, the oldest first."""
    return [point for point in points(history) if point.after.case == case]


@dataclass(frozen=True)
class Count:
    """A column on a night: its cases, how many pass, and how many went which way."""

    night: str
    cases: int
    passed: int
    worse: int
    better: int


def columns(history: History) -> dict[tuple[str, str], list[Count]]:
    """Return, by technique and variant, a count for every night."""
    state: dict[str, Row] = {}
    of: dict[str, tuple[str, str]] = {}
    found: dict[tuple[str, str], list[Count]] = {}
    for night in history.nights:
        for row in night.rows:
            if row.case not in of:
                of[row.case] = names(row.case)[1:]
            state[row.case] = row
        there = [row for row in state.values() if row.outcome is not None]
        for column in dict.fromkeys(of.values()):
            mine = [row for row in there if of[row.case] == column]
            moved = [row for row in night.rows if of[row.case] == column]
            count = Count(
                night.night,
                len(mine),
                sum(row.passed for row in mine),
                sum(row.way == WORSE for row in moved),
                sum(row.way == BETTER for row in moved),
            )
            found.setdefault(column, []).append(count)
    return found
