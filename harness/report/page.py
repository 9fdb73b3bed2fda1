"""The page: one self-contained file that needs no network and reads without JavaScript.

Jinja2 writes the table; what a cell's detail needs travels beside it as JSON, every
distinct text once, because most tracebacks, messages and environments are repeated.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import groupby
from typing import Any
from urllib.parse import quote_plus

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.compare import MARKS, TITLES, counted, describe
from harness.records import Record, iter_metrics
from harness.report import order, overview, tables, text
from harness.report.overview import Explanations
from harness.words import STAGES, Expectation, Status

#: The page must stay easy to send and quick to open.
MOST_BYTES = 2_000_000

_STATIC = resources.files("harness.report") / "static"
_SCRIPTS = ("words.js", "state.js", "filter.js", "table.js", "detail.js", "grid.js", "main.js")


@dataclass(frozen=True)
class Limits:
    """How much of a failure the page shows; the record holds all of it."""

    message: int
    output: int
    frames: int


#: The first that keeps the page within its size is taken.
LIMITS = (Limits(6000, 6000, 60), Limits(2000, 1500, 24), Limits(500, 300, 8), Limits(160, 0, 2))


def html(records: Iterable[Record], *, title: str, explanations: Explanations) -> str:
    """Write the page for the latest record of each case."""
    latest = order.cases(records)
    view = _view(latest, title, explanations)
    template = _environment().get_template("index.html.j2")
    for limits in LIMITS:
        data = Markup(embedded(payload(latest, explanations, limits)))
        written = template.render(view, data=data)
        if len(written.encode("utf-8", "replace")) <= MOST_BYTES:
            break
    return written


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"duration": text.seconds, "moment": overview.moment}
    environment.globals |= {"link": filter_link, "counted": counted}
    return environment


def filter_link(**tokens: str) -> str:
    """The address, within the page, of a filter such as ``label:nested-model``."""
    words = [f"{key}:{_quoted(value)}" for key, value in tokens.items() if value]
    return "#q=" + quote_plus(" ".join(words))


def _quoted(value: str) -> str:
    if value and not set(value) & set(' \t"\\,*:'):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def embedded(data: Any) -> str:
    """JSON that is safe within a ``<script>``: no character there can end it."""
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written


# What the template shows -----------------------------------------------------


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
    columns = [{**t, "index": i} for i, t in enumerate(_columns(tables.totals(table)))]
    script, style = _script(), _read("page.css")
    blockers = tables.blockers(table)
    return {
        "title": title,
        "verdict": overview.verdict(latest),
        "run": overview.run(latest),
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
        "variants": order.variants(latest),
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


# What the script reads -------------------------------------------------------


class Strings:
    """Every distinct text once; a place that needs it holds its number."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}

    def __call__(self, value: Any) -> int | None:
        if value is None or value == "":
            return None
        value = text.clean(str(value))
        if value not in self._numbers:
            self._numbers[value] = len(self.all)
            self.all.append(value)
        return self._numbers[value]


def payload(
    latest: list[Record], explanations: Explanations, limits: Limits = LIMITS[0]
) -> dict[str, Any]:
    """Everything the details show, in tables: texts, tracebacks, environments, cases."""
    strings = Strings()
    metrics = list(iter_metrics(latest))
    tracebacks: dict[tuple[Any, ...], int] = {}
    environments: dict[tuple[Any, ...], int] = {}
    rows = [_fields(r, strings, metrics, tracebacks, environments, limits) for r in latest]
    labels = {r.label for r in latest if r.label}
    return {
        "fields": list(rows[0]) if rows else [],
        "cases": [list(row.values()) for row in rows],
        "metrics": metrics,
        "units": {m: text.unit(m) for m in (*metrics, *_OWN_QUANTITIES)},
        "tracebacks": list(tracebacks),
        "environments": list(environments),
        "explanations": {
            label: {
                "title": found.title,
                "cause": found.cause,
                "remedy": found.remedy,
                "links": [u for u in found.links if u.startswith(("https://", "http://"))],
            }
            for label in sorted(labels)
            if (found := explanations.get(label))
        },
        "glyphs": dict(overview.GLYPHS),
        "statuses": list(order.STATUSES),
        "marks": {str(kind): mark for kind, mark in MARKS.items()},
        "strings": strings.all,
    }


_OWN_QUANTITIES = ("seconds", "cpu_seconds", "peak_rss_bytes")


def _fields(
    record: Record,
    strings: Strings,
    metrics: list[str],
    tracebacks: dict[tuple[Any, ...], int],
    environments: dict[tuple[Any, ...], int],
    limits: Limits,
) -> dict[str, Any]:
    """One case; a number stands for the text of that number in the table of strings."""
    expected, reused = record.expected or {}, record.reused or {}
    environment = tuple(
        (strings(k), strings(v)) for k, v in overview.flat(record.environment).items()
    )
    return {
        "case": strings(record.case),
        "application": strings(record.application),
        "family": strings(record.family),
        "technique": strings(record.technique),
        "variant": strings(record.variant),
        "status": strings(record.status),
        "stage": strings(record.stage),
        "until": strings(record.until),
        "label": strings(record.label),
        "expectation": strings(record.expectation),
        "expected": [strings(expected.get(k)) for k in ("status", "stage", "label")]
        if expected else None,
        "blocker_kind": strings(record.blocker_kind),
        "blocker": strings(record.blocker),
        "blocker_name": strings(record.blocker_name),
        "fingerprint": strings(record.fingerprint),
        "stages": [
            [strings(s.name), strings(s.status), _number(s.seconds), _number(s.cpu_seconds)]
            for s in record.stages
        ],
        "seconds": _number(record.seconds),
        "cpu_seconds": _number(record.cpu_seconds),
        "peak_rss_bytes": record.peak_rss_bytes,
        "metrics": [_metric(record.metrics.get(m), strings) for m in metrics],
        "failure": _failure(record, strings, tracebacks, limits),
        "attempt": record.attempt,
        # The same line for every case but for its id: kept once.
        "repro": strings(record.repro.replace(record.case, "{case}")),
        "reused": [strings(reused.get("run_id")), strings(reused.get("date"))] if reused else None,
        "run_id": strings(record.run_id),
        "started": strings(record.started),
        "environment": environments.setdefault(environment, len(environments)),
    }  # fmt: skip


def _number(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def _metric(value: Any, strings: Strings) -> Any:
    """Numbers as they are, to six digits; anything else as ``[text]``."""
    if (isinstance(value, int) and not isinstance(value, bool)) or value is None:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.6g}")
    return [strings(text.line(str(value)))]


def _failure(
    record: Record,
    strings: Strings,
    tracebacks: dict[tuple[Any, ...], int],
    limits: Limits,
) -> dict[str, Any] | None:
    failure = record.failure
    if failure is None:
        return None
    chain: tuple[Mapping[str, Any], ...] = failure.chain
    if not chain and (failure.type or failure.message):
        chain = ({"type": failure.type, "message": failure.message},)
    frames = tuple(strings(_frame(f)) for f in _middle_out(failure.frames, limits.frames))
    found = {
        "chain": [
            [strings(c.get("type")), strings(_shortened(_message(c), limits.message))]
            for c in chain[:8]
        ],
        "traceback": tracebacks.setdefault(frames, len(tracebacks)) if frames else None,
        "signal": strings(failure.signal),
        "exit_code": failure.exit_code,
        # The end of the output is where it says why it died.
        "output": strings(_shortened(failure.output, limits.output, end=True)),
    }
    return {key: value for key, value in found.items() if value not in (None, [])}


def _message(link: Mapping[str, Any]) -> str:
    notes = link.get("notes") or ()
    return "\n".join(str(part) for part in (link.get("message") or "", *notes) if part)


def _shortened(text_: str, most: int, *, end: bool = False) -> str:
    if len(text_) <= most:
        return text_
    note = f"[{len(text_) - most} characters left out; the record has them]"
    if not most:
        return note
    return f"{note}\n{text_[-most:]}" if end else f"{text_[:most]}\n{note}"


def _middle_out(frames: tuple[Mapping[str, Any], ...], most: int) -> list[Mapping[str, Any]]:
    """Keep the ends of a long traceback: who called, and where it broke."""
    if len(frames) <= most:
        return list(frames)
    head = most // 3
    left = {"file": f"[{len(frames) - most} frames left out; the record has them]"}
    return [*frames[:head], left, *frames[len(frames) - (most - head) :]]


def _frame(frame: Mapping[str, Any]) -> str:
    if "line" not in frame:
        return str(frame.get("file", ""))
    where = f"{frame.get('file', '?')}:{frame['line']} in {frame.get('function', '?')}"
    code = text.line(str(frame.get("code") or ""), 160)
    return f"{where}\n    {code}" if code else where
