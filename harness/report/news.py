"""What changed since an earlier run, as page and summary show it: plain text, ready made.

Reports know nothing of how it is found out: `harness.changes` and `harness.stacks` write it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.report.text import code, md, table


@dataclass(frozen=True)
class Line:
    """One thing that changed.

    Attributes:
      what: what it is, e.g. a column and a number, or a case.
      says: how it changed.
      tokens: the filter that shows the cases, e.g. ``{"technique": "qat", "changed": "sqnr"}``.
      variant: of the cases, if they are all of one.
      case: its id, if it is about a single one.
    """

    what: str
    says: str
    tokens: Mapping[str, str] = field(default_factory=dict)
    variant: str = ""
    case: str = ""


@dataclass(frozen=True)
class Group:
    """Lines of one kind.

    Attributes:
      kind: ``worse``, ``better`` or ``other``.
      title: what a reader calls it, with the number of cases.
    """

    kind: str
    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class News:
    """Everything that changed.

    Attributes:
      title: of the card and the section.
      verdict: all of it in a sentence.
      groups: the gravest first.
      words: by case, what changed of it, in the words of the filter ``changed:``.
    """

    title: str
    verdict: str
    groups: tuple[Group, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def markdown(news: News, most: int) -> Iterator[str]:
    """Write news as a section of Markdown, of each kind at most so many lines."""
    yield ""
    yield f"## {md(news.title)}"
    yield ""
    yield f"**{md(news.verdict)}**"
    for group in news.groups:
        yield ""
        yield f"### {md(group.title)}"
        yield ""
        shown = group.lines[:most]
        rows = [[code(line.what) if line.case else md(line.what), md(line.says)] for line in shown]
        yield from table(("what", "how"), rows)
        if left := len(group.lines) - len(shown):
            yield ""
            yield f"... and {left} more"
