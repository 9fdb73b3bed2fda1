"""Changes for a reader: column by column and number by number, the gravest first."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.baseline.compare import describe
from harness.changes.compare import CaseChange, Changes, Direction, NumberChange
from harness.changes.watched import LABEL, NEW, REMOVED, STATUS
from harness.records import Record
from harness.report import metrics, order, overview
from harness.report.diff import Numbers
from harness.report.news import Group, Line, News, markdown
from harness.vocabulary import Expectation

TITLE = "What changed"


def news(changes: Changes, before: Iterable[Record], title: str = TITLE) -> News:
    """Write what changed since a run.

    Args:
      changes: what `harness.changes.compare.between` found.
      before: records of the older run.
      title: of the card.
    """
    worse, better = list(changes.worse), list(changes.better)
    other = [one for one in changes.cases if not (one.worse or one.better)]
    groups = (
        _group(Direction.WORSE, "became worse", worse),
        _group(Direction.BETTER, "became better", better),
        _group(Direction.OTHER, "changed otherwise", other),
    )
    return News(
        title=f"{title} since {_date(before)}",
        verdict=headline(changes),
        groups=tuple(group for group in groups if group.lines),
        words={one.case: one.words for one in changes.cases if one.after is not None},
    )


def numbers(changes: Changes, before: Iterable[Record], most: int) -> Numbers | None:
    """Write what changed of the numbers alone, where outcomes are told by other means.

    Args:
      changes: what `harness.changes.compare.between` found.
      before: records of the older run.
      most: lines of Markdown of each kind.
    """
    alone = [replace(one, kind=Expectation.EXPECTED) for one in changes.cases if one.numbers]
    if not alone:
        return None
    told = news(replace(changes, cases=tuple(alone)), before, "Numbers")
    same = [one for one in alone if one.before == one.after]
    worse = sum(one.worse for one in same)
    better = sum(one.better for one in same)
    counts = {
        "with worse numbers": worse,
        "with better numbers": better,
        "with other numbers": len(same) - worse - better,
    }
    return Numbers(
        ", ".join(f"{count} {says}" for says, count in counts.items() if count),
        ["numbers, beyond their noise:", *to_lines(told)],
        list(markdown(told, most)),
        changes.unchanged,
    )


def headline(changes: Changes) -> str:
    """Count what changed, in one line, the gravest first."""
    outcome = sum(one.outcome_worse for one in changes.worse)
    other = len(changes.cases) - len(changes.worse) - len(changes.better)
    counts = {
        "with a worse outcome": outcome,
        "with worse numbers": len(changes.worse) - outcome,
        "better": len(changes.better),
        "changed otherwise": other,
    }
    parts = [f"{count} {says}" for says, count in counts.items() if count]
    return ", ".join([*parts, f"{changes.unchanged} unchanged"])


def _date(records: Iterable[Record]) -> str:
    dates = sorted(r.started for r in records if r.started)
    return f"the run of {overview.moment(dates[-1])}" if dates else "the earlier run"


def _group(direction: Direction, says: str, cases: Sequence[CaseChange]) -> Group:
    title = f"{len(cases)} {'case' if len(cases) == 1 else 'cases'} {says}"
    return Group(str(direction), title, (*_outcomes(cases), *_numbers(cases)))


#: So many cases of one column with one change of the outcome are told one by one.
ONE_BY_ONE = 5

#: What a change of the outcome is called.
_CALLED = {
    Expectation.REGRESSION: ("no longer pass", STATUS),
    Expectation.NEWLY_PASSING: ("pass now", STATUS),
    Expectation.CHANGED_LABEL: ("fail in another way", LABEL),
    Expectation.NEW: ("new", NEW),
    Expectation.REMOVED: ("gone", REMOVED),
}


def _outcomes(cases: Sequence[CaseChange]) -> list[Line]:
    """Tell of outcomes: case by case where they are few, else column by column."""
    lines = []
    found = [one for one in cases if one.kind in _CALLED]
    for kind, (says, word) in _CALLED.items():
        of_kind = [one for one in found if one.kind is kind]
        for (technique, variant), column in _by_column(of_kind):
            if len(column) <= ONE_BY_ONE and kind is not Expectation.NEW:
                lines += [Line(one.case, _transition(one), case=one.case) for one in column]
                continue
            tokens = {} if word == REMOVED else {"technique": technique, "changed": word}
            failing = sum(one.outcome_worse for one in column) if kind is Expectation.NEW else 0
            more = f", {failing} of them fail" if failing else ""
            count = f"{len(column)} {'case' if len(column) == 1 else 'cases'}"
            what = f"{technique} {variant}"
            lines.append(Line(what, f"{count} {says}{more}", tokens, variant))
    return lines


def _transition(one: CaseChange) -> str:
    return f"{describe(one.before)} → {describe(one.after)}"


def _by_column(
    cases: Sequence[CaseChange],
) -> list[tuple[tuple[str, str], list[CaseChange]]]:
    found: dict[tuple[str, str], list[CaseChange]] = {
        name: [] for name in order.columns([one.record for one in cases])
    }
    for one in cases:
        found[one.record.technique, one.record.variant].append(one)
    return list(found.items())


@dataclass(frozen=True)
class _Number:
    case: CaseChange
    change: NumberChange


def _numbers(cases: Sequence[CaseChange]) -> list[Line]:
    """Tell of numbers: a line for each column and number, with its typical and its worst case."""
    lines = []
    for (technique, variant), column in _by_column(cases):
        found: dict[tuple[str, Direction], list[_Number]] = {}
        for one in column:
            for change in one.numbers:
                key = (change.watched.metric, change.direction)
                found.setdefault(key, []).append(_Number(one, change))
        for (metric, direction), numbers in found.items():
            lines.append(_line(technique, variant, metric, direction, numbers))
    return lines


def _line(
    technique: str, variant: str, metric: str, direction: Direction, numbers: Sequence[_Number]
) -> Line:
    watched = numbers[0].change.watched
    way = "changed" if direction is Direction.OTHER else str(direction)
    what = f"{technique} {variant}: {metrics.about(metric).title} {way}"
    says = f"{len(numbers)} {'case' if len(numbers) == 1 else 'cases'}"
    sizes = [n.change.size for n in numbers if n.change.size is not None]
    if len(sizes) > 1:
        says += f", median {written(metric, statistics.median(sizes), bool(watched.factor))}"
    extreme = max(numbers, key=lambda n: _gravity(n.change))
    worst = extreme.change
    says += (
        f"; {'most: ' if len(numbers) > 1 else ''}{extreme.case.record.application} "
        f"{_value(metric, worst.before)} → {_value(metric, worst.after)}"
    )
    return Line(what, says, {"technique": technique, "changed": watched.word}, variant)


def _gravity(change: NumberChange) -> float:
    """Return how far a number went; one that is gone went furthest."""
    size = change.size
    if size is None:
        return math.inf
    if not change.watched.factor:
        return abs(size)
    return abs(math.log(size)) if size > 0 else math.inf


def written(metric: str, size: float, ratio: bool) -> str:
    """Write by how much a number changed: ``×3``, ``−12.0 dB``, ``+2``."""
    if ratio:
        return f"×{size:.3g}"
    sign = "−" if size < 0 else "+"
    if not math.isfinite(size):
        return f"{sign}∞"
    return sign + metrics.written(metric, _alike(metric, abs(size)))


def _alike(metric: str, size: float) -> float | int:
    """Keep counts counts, which are written without a decimal."""
    return int(size) if metrics.about(metric).unit == "count" and size == int(size) else size


def _value(metric: str, value: float | None) -> str:
    return "not there" if value is None else metrics.written(metric, value)


def to_lines(found: News) -> list[str]:
    """Write news for a terminal, a thing a line."""
    lines = []
    for group in found.groups:
        width = min(60, max(len(line.what) for line in group.lines))
        lines += [f"{group.title}:"]
        lines += [f"{MARKS[group.kind]} {line.what:{width}}  {line.says}" for line in group.lines]
    return lines


#: What stands before a line, by the kind of its group.
MARKS = {Direction.WORSE.value: "-", Direction.BETTER.value: "+", Direction.OTHER.value: "="}
