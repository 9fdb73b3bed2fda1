"""The end of a run as a terminal shows it: totals, labels, and what is not as expected."""

from __future__ import annotations

import shutil
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby

from harness.baseline.compare import MARKS, TITLES, describe
from harness.records import Record
from harness.report import metrics, order, overview
from harness.report.figures import Figure, figures
from harness.report.text import line
from harness.vocabulary import Expectation, Status

_STYLES = {"pass": "32", "bad": "31", "warn": "33", "dim": "2", "bold": "1"}

_VERDICTS = {
    Expectation.EXPECTED.value: "pass",
    Expectation.REGRESSION.value: "bad",
    Expectation.CHANGED_LABEL.value: "bad",
    "error": "bad",
    Expectation.NEWLY_PASSING.value: "warn",
}

#: Verdicts that only a complete run may have.
_QUIET = (Expectation.EXPECTED.value, "none")

#: Lists longer than this are cut; the page has them all.
MOST = 20


def summary(
    records: Iterable[Record],
    *,
    color: bool = False,
    width: int | None = None,
    incomplete: bool = False,
) -> str:
    """Write the summary of a run for a terminal.

    Args:
      records: all attempts; the last one at each case counts.
      color: whether to use colour; the text says everything without it.
      width: columns to fit into; the terminal's own by default.
      incomplete: whether cases are missing, so that the rest says nothing of the whole.
    """
    latest = order.cases(records)
    width = max(40, width or shutil.get_terminal_size((100, 24)).columns)
    paint = _painter(color)
    found = overview.verdict(latest)
    verdict = paint(_VERDICTS.get(found.kind, "bold"), found.text)
    blocks = [
        _totals(latest, width, paint),
        _labels(latest, width),
        _numbers(latest, width, paint),
        _changes(latest, width, paint),
        [] if incomplete and found.kind in _QUIET else [verdict],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


Paint = Callable[[str, str], str]


def _painter(color: bool) -> Paint:
    def paint(style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if color else text

    return paint


def _totals(latest: list[Record], width: int, paint: Paint) -> list[str]:
    several = len(order.variants(latest)) > 1
    columns: dict[str, list[Record]] = {}
    for variant in order.variants(latest):
        for technique in order.techniques(latest):
            cases = [r for r in latest if (r.technique, r.variant) == (technique, variant)]
            if cases:
                columns[f"{technique} {variant}" if several else technique] = cases
    name = min(max((_width(_safe(c)) for c in columns), default=0), width // 2)
    digits = len(str(max((len(c) for c in columns.values()), default=0)))
    lines = []
    for column, cases in columns.items():
        statuses = Counter(r.status for r in cases)
        passes = statuses.pop(Status.PASS.value, 0)
        others = "  ".join(f"{statuses[s]} {s}" for s in order.ranked(statuses, order.STATUSES))
        head = f"{_pad(_fit(_safe(column), name), name)}  {passes:>{digits}}/{len(cases):<{digits}}"
        bar_width = min(24, width - name - 2 * digits - 5)
        full = bar_width * passes // len(cases)
        bar = paint("pass", "█" * full) + paint("dim", "░" * (bar_width - full))
        room = width - name - 2 * digits - bar_width - 7
        tail = f"  {_fit(others, room)}" if others and room > 6 else ""
        lines.append(f"{head}  {bar}{tail}".rstrip())
    return lines


def _labels(latest: list[Record], width: int) -> list[str]:
    quiet = (Status.PASS, Status.BLOCKED, Status.SKIPPED)
    found = Counter(r.label or r.status for r in latest if r.status not in quiet)
    if not found:
        return []
    lines = ["what blocks most:"]
    ranked = sorted(found, key=lambda label: (-found[label], label))
    for label in ranked[:MOST]:
        named = Counter(r.blocker for r in latest if (r.label or r.status) == label and r.blocker)
        names = ", ".join(sorted(named, key=lambda b: (-named[b], b)))
        said = f"{_safe(label)}: {_safe(names)}" if names else _safe(label)
        lines.append(_fit(f"  {found[label]:>4}  {said}", width))
    return [*lines, *_more(len(ranked))]


def _numbers(latest: list[Record], width: int, paint: Paint) -> list[str]:
    """Per technique a line for each headline: its median, its worst value and whose it is."""
    found = figures(latest, metrics.HEADLINES)
    if not found:
        return []
    several = len(order.variants(latest)) > 1
    title = max(len(f.metric.title) for f in found)
    median, worst = (
        max(len(text) for text in column) for column in zip(*_said(found), strict=True)
    )
    lines = [f"  {'':{title}}  {'median':>{median}}  {'worst':>{worst}}"]
    for (technique, variant), column in groupby(found, key=lambda f: (f.technique, f.variant)):
        head = _fit(_safe(f"{technique} {variant}" if several else technique), width)
        lines.append(paint("bold", head))
        for f in column:
            middle, low = f.said
            said = f"  {f.metric.title:<{title}}  {middle:>{median}}  {low:>{worst}}"
            lines.append(_fit(f"{said}  {_safe(f.application)}".rstrip(), width))
    return lines


def _said(found: list[Figure]) -> list[tuple[str, str]]:
    return [("median", "worst"), *(f.said for f in found)]


def _changes(latest: list[Record], width: int, paint: Paint) -> list[str]:
    lines: list[str] = []
    for kind, cases in overview.changes(latest).items():
        style = "warn" if kind in (Expectation.NEWLY_PASSING, Expectation.NEW) else "bad"
        lines.append(paint(style, f"{MARKS[kind]} {TITLES[kind]} ({len(cases)})"))
        for record in cases[:MOST]:
            before = overview.expected_outcome(record)
            was = f", was {describe(before)}" if before else ""
            # The name of the case is what gets copied: it is never shortened.
            name = _safe(record.case)
            said = _safe(f"{describe(record.outcome())}{was}")
            lines.append(f"  {name}  {_fit(said, max(12, width - _width(name) - 4))}")
            lines += [f"    {_fit(_safe(one), width - 4)}" for one in record.disagrees]
        lines += _more(len(cases))
    return lines


def _more(count: int) -> list[str]:
    return [f"  ... and {count - MOST} more"] if count > MOST else []


def _safe(text: str) -> str:
    """One line without control characters: a record must not drive the terminal."""
    return "".join(c if c.isprintable() else " " for c in line(text))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _fit(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    while text and _width(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…"
