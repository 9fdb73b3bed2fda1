"""The page: one self-contained file that needs no network and reads without JavaScript.

Jinja2 writes the table; what a cell's detail needs travels beside it as JSON.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from itertools import groupby
from typing import Any
from urllib.parse import quote_plus

from jinja2 import Environment
from markupsafe import Markup

from harness.baseline.compare import MARKS, TITLES, counted, describe
from harness.records import Record
from harness.report import order, overview, tables, text
from harness.report.overview import Explanations
from harness.report.payload import LIMITS, embedded, payload
from harness.report.rendering import environment
from harness.vocabulary import STAGES, Expectation, Status

#: The page must stay easy to send and quick to open.
MOST_BYTES = 2_000_000

_STATIC = resources.files("harness.report") / "static"
_SCRIPTS = (
    "words.js", "quantities.js", "state.js", "filter.js", "table.js", "view.js", "detail.js",
    "grid.js", "main.js",
)  # fmt: skip


def html(
    records: Iterable[Record],
    *,
    title: str,
    explanations: Explanations,
    pages: Mapping[str, str] | None = None,
) -> str:
    """Write the page for the latest record of each case.

    Args:
      records: all attempts.
      title: the heading.
      explanations: causes and remedies by label.
      pages: others to link to, by address: what they tell.
    """
    latest = order.cases(records)
    view = {**_view(latest, title, explanations), "pages": pages or {}}
    template = _environment().get_template("index.html.j2")
    for limits in LIMITS:
        data = Markup(embedded(payload(latest, explanations, limits)))
        written = template.render(view, data=data)
        if len(written.encode("utf-8", "replace")) <= MOST_BYTES:
            break
    return written


@cache
def _environment() -> Environment:
    found = environment("harness.report")
    found.filters |= {"duration": text.seconds, "moment": overview.moment}
    found.globals |= {"counted": counted}
    return found


def filter_link(shown: str | None = None, /, **tokens: str) -> str:
    """The address, within the page, of a filter such as ``label:nested-model``.

    Args:
      shown: where the page switches between variants, the one to switch to: ``all`` for all,
        the empty string for the first. None leaves the switch as it is.
      tokens: of the filter.
    """
    words = [f"{key}:{_quoted(value)}" for key, value in tokens.items() if value]
    switch = "" if shown is None else f"&variant={quote_plus(shown)}"
    return "#q=" + quote_plus(" ".join(words)) + switch


def _quoted(value: str) -> str:
    if value and not set(value) & set(' \t"\\,*:'):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True)
class Cell:
    """One case as the table shows it."""

    index: int
    status: str
    glyph: str
    text: str
    blocker: str
    mark: str
    expectation: str
    reused: bool
    title: str


def _view(latest: list[Record], title: str, explanations: Explanations) -> dict[str, Any]:
    table = tables.frame(latest)
    run = overview.run(latest)
    variants = order.variants(latest)
    columns = [
        {**t, "index": i, "fails": t["passes"] < t["cases"], "link": _link_within(t, variants)}
        for i, t in enumerate(_columns(tables.totals(table)))
    ]
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
        "marks": {str(kind): mark for kind, mark in MARKS.items()},
        "titles": {str(kind): title for kind, title in TITLES.items()},
        "columns": columns,
        "techniques": order.techniques(latest),
        "variants": variants,
        "link": partial(filter_link, "all" if len(variants) > 1 else None),
        "families": _families(latest, columns),
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
    variant = column["variant"]
    shown = None if len(variants) < 2 else "" if variant == variants[0] else variant
    return partial(filter_link, shown, technique=column["technique"])


def _columns(totals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Variants of one technique side by side, techniques in their order."""
    first = {t["technique"]: i for i, t in reversed(list(enumerate(totals)))}
    rank = {name: i for i, name in enumerate(order.ranked(first, order.TECHNIQUES))}
    return sorted(totals, key=lambda t: rank[t["technique"]])


def _families(latest: list[Record], columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    last_stage = max((r.until for r in latest), key=_stage_position, default="")
    found = []
    indexed = list(enumerate(latest))
    for family, members in groupby(indexed, key=lambda pair: pair[1].family):
        rows = []
        in_family = list(members)
        for application, cases in groupby(in_family, key=lambda pair: pair[1].application):
            by_column = {(r.technique, r.variant): _cell(i, r, last_stage) for i, r in cases}
            rows.append(
                {
                    "application": application,
                    "cells": [by_column.get((c["technique"], c["variant"])) for c in columns],
                }
            )
        sums = []
        for column in columns:
            here = [
                r
                for _, r in in_family
                if (r.technique, r.variant) == (column["technique"], column["variant"])
            ]
            sums.append({"passes": sum(r.passed for r in here), "cases": len(here)})
        found.append({"family": family, "rows": rows, "sums": sums})
    return found


def _stage_position(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def _cell(index: int, record: Record, last_stage: str) -> Cell:
    shown = record.label or (
        record.status if record.status in (Status.BLOCKED, Status.SKIPPED) else record.stage
    )
    if record.passed:
        shown = "pass" if record.until == last_stage else f"pass to {record.stage}"
    kind = record.expectation if record.unexpected else ""
    said = [describe(record.outcome())]
    if record.blocker:
        said.append(f"{record.blocker_kind or 'blocker'} {record.blocker}")
    if kind:
        before = overview.expected_outcome(record)
        said.append(f"{kind}, was {describe(before)}" if before else kind)
    said += record.disagrees
    if record.reused:
        said.append(f"reused from {str(record.reused.get('date') or '')[:10]}")
    return Cell(
        index=index,
        status=record.status,
        glyph=overview.GLYPHS.get(record.status, "?"),
        text=shown or record.status,
        blocker=record.blocker or "",
        mark=next((m for k, m in MARKS.items() if k.value == kind), ""),
        expectation=kind or "",
        reused=bool(record.reused),
        title=text.line("; ".join(said)),
    )


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
    parts = "\n".join(_read(name) for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}\n}})();\n'
