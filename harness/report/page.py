"""The page: one self-contained file that needs no network and reads without JavaScript.

Jinja2 writes the table; what a cell's detail needs travels beside it as JSON.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from importlib import resources
from itertools import groupby
from typing import Any
from urllib.parse import quote_plus

from jinja2 import Environment
from markupsafe import Markup

from harness.baseline.compare import MARKS, TITLES, counted, describe
from harness.records import Record
from harness.report import cells, headings, metrics, order, overview, tables, text, weak
from harness.report.news import News
from harness.report.overview import Explanations
from harness.report.payload import EXCERPTS, embedded, payload
from harness.report.rendering import environment
from harness.vocabulary import Expectation

#: The page must stay easy to send and quick to open.
MOST_BYTES = 2_000_000

_STATIC = resources.files("harness.report") / "static"

#: In the order in which they are joined: what a module uses stands before it.
_SCRIPTS = (
    "dom.js", "words.js", "formats.js", "quantities.js", "state.js", "tip.js", "theme.js",
    "tokens.js", "filter.js", "suggest.js", "table.js", "sort.js", "view.js", "list.js",
    "scatter.js", "chart.js", "evidence.js", "detail.js", "application.js", "grid.js",
    "complete.js", "main.js",
)  # fmt: skip


def html(
    records: Iterable[Record],
    *,
    title: str,
    explanations: Explanations,
    pages: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    lapsed: Mapping[str, Sequence[str]] | None = None,
    news: News | None = None,
) -> str:
    """Write the page for the latest record of each case.

    Args:
      records: all attempts.
      title: the heading.
      explanations: causes and remedies by label.
      pages: others to link to, by address: what they tell.
      files: data and documents to link to, by address: what they are.
      lapsed: by case: why its record holds no more.
      news: what changed since an earlier run, or differs between stacks.
    """
    latest = order.cases(records)
    gone = {r.case: tuple(lapsed[r.case]) for r in latest if r.case in lapsed} if lapsed else {}
    changed = news.words if news else {}
    view = {
        **_view(latest, title, explanations, gone, changed),
        "pages": pages or {},
        "files": files or {},
    }
    view["news"] = news
    template = _environment().get_template("index.html.j2")
    for excerpt in EXCERPTS:
        data = Markup(embedded(payload(latest, explanations, excerpt, gone, changed)))
        written = template.render(view, data=data)
        if len(written.encode("utf-8", "replace")) <= MOST_BYTES:
            break
    return written


@cache
def _environment() -> Environment:
    found = environment("harness.report")
    found.filters |= {"duration": text.seconds, "moment": overview.moment}
    found.filters |= {
        "titled": lambda name: metrics.about(name).title,
        "number_of": lambda value, name: metrics.written(name, value),
    }
    found.globals |= {"counted": counted}
    return found


def filter_link(**tokens: str) -> str:
    """The address, within the page, of a filter such as ``label:nested-model``.

    Args:
      tokens: of the filter; the variant is written as it is, so that ``*`` means all of them.
    """
    words = [
        f"{key}:{value if key == 'variant' and value == ANY else _quoted(value)}"
        for key, value in tokens.items()
        if value
    ]
    return "#q=" + quote_plus(" ".join(words))


#: The variant in a filter that means all of them.
ANY = "*"


def _quoted(value: str) -> str:
    if value and not set(value) & set(' \t"\\,*:'):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _view(
    latest: list[Record],
    title: str,
    explanations: Explanations,
    lapsed: Mapping[str, Any],
    changed: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    table = tables.frame(latest)
    run = overview.run(latest)
    variants = order.variants(latest)
    known = headings.headings(r.technique for r in latest)
    every = {"variant": ANY} if len(variants) > 1 else {}
    columns = [
        {
            **t,
            "index": i,
            "heading": known[t["technique"]],
            "fails": t["passes"] < t["cases"],
            "link": _link_within(t, variants),
        }
        for i, t in enumerate(_columns(tables.totals(table), list(known)))
    ]
    marked = cells.Marked.of(run, len(lapsed), len(latest))
    script, style = _script(), _read("page.css")
    blockers = tables.blockers(table)
    return {
        "title": title,
        "verdict": overview.verdict(latest),
        "run": run,
        "applications": len({r.application for r in latest}),
        "cases": len(latest),
        "statuses": tables.counts(table["status"], order.STATUSES),
        "expectations": tables.counts(
            table["expectation"], tuple(str(e) for e in (*overview.CHANGES, Expectation.EXPECTED))
        ),
        "unjudged": int(table["expectation"].isna().sum()),
        "glyphs": overview.GLYPHS,
        "weak_glyph": overview.WEAK_GLYPH,
        "changed_mark": cells.CHANGED_MARK,
        "marks": {str(kind): mark for kind, mark in MARKS.items()},
        "titles": {str(kind): title for kind, title in TITLES.items()},
        "columns": columns,
        "techniques": list(known),
        "headings": known,
        "groups": [
            {"name": name, "tells": headings.TELLS[name], "columns": len(list(members))}
            for name, members in groupby(columns, key=lambda c: c["heading"].group)
        ],
        "variants": variants,
        "opening": headings.opening(variants),
        "spoken": {name: headings.spoken(name, latest) for name in variants},
        "shipped": headings.shipped(latest, variants),
        "weak": sum(1 for r in latest if any(weak.reasons(r))),
        "bounds": weak.BOUNDS,
        "lapsed": len(lapsed),
        "because": list(dict.fromkeys(why for reasons in lapsed.values() for why in reasons)),
        "marked": marked,
        "link": partial(filter_link, **every),
        "families": cells.families(latest, columns, marked, lapsed, changed),
        "changes": _changes(latest),
        "blockers": blockers,
        "blocked_by": Counter(t for b in blockers for t in b["techniques"]),
        "most_blocked": max((b["cases"] for b in blockers), default=0),
        "explained": {b["label"]: overview.wording(b["label"], explanations) for b in blockers},
        "style": Markup(style),
        "script": Markup(script),
        "script_digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }


def _link_within(column: Mapping[str, Any], variants: list[str]) -> Callable[..., str]:
    """How to link to cases of a column: its variant is the one that is shown then."""
    within = {"variant": column["variant"]} if len(variants) > 1 else {}
    return partial(filter_link, technique=column["technique"], **within)


def _columns(totals: list[dict[str, Any]], techniques: list[str]) -> list[dict[str, Any]]:
    """Variants of one technique side by side, techniques in their order."""
    return sorted(totals, key=lambda t: techniques.index(t["technique"]))


def _changes(latest: list[Record]) -> list[dict[str, Any]]:
    return [
        {
            "kind": str(kind),
            "cases": [
                {
                    "case": r.case,
                    "before": describe(overview.expected_outcome(r)),
                    "after": describe(r.outcome()),
                    "link": "#open=" + quote_plus(r.case),
                }
                for r in found
            ],
        }
        for kind, found in overview.changes(latest).items()
    ]


@cache
def _read(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    return bundled(_SCRIPTS)


def bundled(names: Iterable[str], *more: str) -> str:
    """Join modules of the page's folder, and other code behind them, into one script."""
    parts = "\n".join([*(_read(name) for name in names), *more])
    return f'(() => {{\n"use strict";\n{parts}\n}})();\n'
