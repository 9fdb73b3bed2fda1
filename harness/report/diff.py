"""The differences between two runs, as text and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.baseline.compare import MARKS, TITLES, Diff, counted, describe, transition
from harness.report.text import code, md

#: Lines that Markdown has of each kind of change.
MOST = 100


@dataclass(frozen=True)
class Numbers:
    """What changed of numbers where outcomes did not, for the reports of a diff.

    Attributes:
      says: how many cases, in words, e.g. ``142 with worse numbers``.
      lines: column by column, for a terminal.
      markdown: the same as Markdown.
      unchanged: cases of which neither outcome nor number changed.
    """

    says: str
    lines: Sequence[str]
    markdown: Sequence[str]
    unchanged: int


def headline(diff: Diff, numbers: Numbers | None = None) -> str:
    """Count every kind of change in one line."""
    parts = [
        f"{len(changes)} {counted(kind, len(changes))}"
        for kind, changes in diff.by_kind().items()
        if changes
    ]
    parts += [numbers.says] if numbers and numbers.says else []
    return ", ".join([*parts, f"{(numbers or diff).unchanged} unchanged"])


def unselected(diff: Diff) -> str:
    """Say in one line what the newer run did not select; nothing if there is none."""
    count = diff.unselected
    if not count:
        return ""
    cases = "case of a column or application" if count == 1 else "cases of columns or applications"
    are = "is" if count == 1 else "are"
    return f"{count} {cases} that the newer run did not select {are} not compared"


def to_text(diff: Diff, numbers: Numbers | None = None) -> str:
    """Write a diff for a terminal: a mark, a case and what became of it per line."""
    changes = [(kind, c) for kind, found in diff.by_kind().items() for c in found]
    width = min(60, max((len(c.case) for _, c in changes), default=0))
    lines = [
        f"{MARKS[kind]} {_plain(c.case):{width}}  {_plain(transition(c))}" for kind, c in changes
    ]
    if lines:
        key = "  ".join(f"{mark} {TITLES[kind]}" for kind, mark in MARKS.items())
        lines = [key, "", *lines, ""]
    if diff.times:
        lines += ["time, where it changed notably:"]
        lines += [
            f"  {_plain(t.case)}  {t.before:.1f} s -> {t.after:.1f} s  (x{t.factor:.2f})"
            for t in diff.times
        ]
        lines += [""]
    if numbers:
        lines += [*numbers.lines, ""]
    told = unselected(diff)
    return "\n".join([*lines, *([told] if told else []), headline(diff, numbers)])


def _plain(text: str) -> str:
    """Keep a line of text one line, and control characters away from the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def to_markdown(diff: Diff, numbers: Numbers | None = None, *, most: int = MOST) -> str:
    """Write a diff as Markdown, at most ``most`` lines per kind of change."""
    lines = [f"**{headline(diff, numbers)}**"]
    if diff.unselected:
        lines += ["", unselected(diff)]
    for kind, changes in diff.by_kind().items():
        if changes:
            title = f"### {TITLES[kind].capitalize()} ({len(changes)})"
            lines += ["", title, "", "| case | before | after |", "|---|---|---|"]
            lines += _rows(
                changes,
                most,
                lambda c: (code(c.case), md(describe(c.before)), md(describe(c.after))),
            )
    if numbers:
        lines += numbers.markdown
    if diff.times:
        lines += [
            "",
            f"### Time ({len(diff.times)})",
            "",
            "| case | before | after | factor |",
            "|---|--:|--:|--:|",
        ]
        lines += _rows(
            diff.times,
            most,
            lambda t: (code(t.case), f"{t.before:.1f} s", f"{t.after:.1f} s", f"x{t.factor:.2f}"),
        )
    return "\n".join(lines)


def _rows(items: Iterable[object], most: int, cells: Callable[..., tuple[str, ...]]) -> list[str]:
    items = list(items)
    rows = [f"| {' | '.join(cells(item))} |" for item in items[:most]]
    left = len(items) - most
    return [*rows, "", f"... and {left} more"] if left > 0 else rows
