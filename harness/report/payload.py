"""What the page's script reads: everything a detail shows, every distinct text once.

Most tracebacks, messages and environments of a run are repeated; without tables of them
the page of a large run would not be small.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.baseline.compare import MARKS
from harness.records import Record, iter_metrics
from harness.report import headings, metrics, order, origins, overview, snippets, text, weak
from harness.report.overview import Explanations


@dataclass(frozen=True)
class Excerpt:
    """How much of a failure the page shows; the record holds all of it."""

    message: int
    output: int
    frames: int


#: The first that keeps the page within its size is taken.
EXCERPTS = (
    Excerpt(6000, 6000, 60),
    Excerpt(2000, 1500, 24),
    Excerpt(500, 300, 8),
    Excerpt(160, 0, 2),
)


def embedded(data: Any) -> str:
    """JSON that is safe within a ``<script>``: no character there can end it."""
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written


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


class Numbered(dict[Any, int]):
    """Every distinct thing once, in the order of coming; it holds the number of each."""

    def __call__(self, thing: Any) -> int:
        return self.setdefault(thing, len(self))


@dataclass
class Tables:
    """What the cases of a page refer to by number."""

    strings: Strings
    tracebacks: Numbered
    environments: Numbered
    origins: Numbered


def payload(
    latest: list[Record],
    explanations: Explanations,
    excerpt: Excerpt = EXCERPTS[0],
    lapsed: Mapping[str, Sequence[str]] | None = None,
    changed: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Everything the details show, in tables: texts, tracebacks, environments, cases.

    Args:
      latest: the last record of each case.
      explanations: causes and remedies by label.
      excerpt: how much of a failure is shown.
      lapsed: by case: why its record holds no more.
      changed: by case: what of it is not what it was, in the words of the filter ``changed:``.
    """
    strings = Strings()
    names = metrics.ordered(iter_metrics(latest))
    made = Tables(strings, Numbered(), Numbered(), Numbered())
    rows = [_fields(r, made, names, excerpt, (lapsed or {}).get(r.case, ())) for r in latest]
    variants = order.variants(latest)
    labels = {r.label for r in latest if r.label}
    for record, row in zip(latest, rows, strict=True):
        row["changed"] = list((changed or {}).get(record.case, ()))
    return {
        "fields": list(rows[0]) if rows else [],
        "cases": [list(row.values()) for row in rows],
        "metrics": names,
        "quantities": _quantities(latest, names),
        "groups": list(metrics.GROUPS),
        "tracebacks": list(made.tracebacks),
        "environments": list(made.environments),
        "origins": [dataclasses.asdict(one) for one in made.origins],
        "weak": [dataclasses.asdict(bound) for bound in weak.BOUNDS],
        "techniques": [
            {**dataclasses.asdict(one), "lines": snippets.template(one.id)}
            for one in headings.headings(r.technique for r in latest).values()
        ],
        "variants": variants,
        "opening": headings.opening(variants),
        "explanations": {
            label: {
                "title": found.title,
                "cause": found.cause,
                "remedy": found.remedy,
                "handled": found.handled,
                "links": [u for u in found.links if u.startswith(("https://", "http://"))],
            }
            for label in sorted(labels)
            if (found := explanations.get(label))
        },
        "glyphs": dict(overview.GLYPHS),
        "weak_glyph": overview.WEAK_GLYPH,
        "statuses": list(order.STATUSES),
        "marks": {str(kind): mark for kind, mark in MARKS.items()},
        "strings": strings.all,
    }


def _quantities(latest: list[Record], names: list[str]) -> list[dict[str, Any]]:
    """What the page has to know of each number it may show, in their order."""
    stages = [f"{stage}_seconds" for stage in order.stages(latest)]
    known = metrics.ordered((*metrics.OWN, *names))
    return [
        dataclasses.asdict(metrics.about(name))
        for name in (*known, *(s for s in stages if s not in known))
    ]


def _fields(
    record: Record, made: Tables, names: list[str], excerpt: Excerpt, lapsed: Sequence[str]
) -> dict[str, Any]:
    """One case; a number stands for the text of that number in the table of strings."""
    strings = made.strings
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
        "disagrees": [strings(one) for one in record.disagrees],
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
        "metrics": [_metric(record.metrics.get(m), strings) for m in names],
        "failure": _failure(record, strings, made.tracebacks, excerpt),
        "attempt": record.attempt,
        # The same line for every case but for its id: kept once.
        "repro": strings(record.repro.replace(record.case, "{case}")),
        "reused": [strings(reused.get("run_id")), strings(reused.get("date"))] if reused else None,
        "run_id": strings(record.run_id),
        "started": strings(record.started),
        "environment": made.environments(environment),
        "origin": made.origins(origins.of(record)),
        "weak": [strings(one) for one in weak.reasons(record)],
        "lapsed": [strings(one) for one in lapsed],
        # The same for all techniques of an application: kept once.
        "construction": strings(snippets.construction(record)),
    }  # fmt: skip


def _number(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def _metric(value: Any, strings: Strings) -> Any:
    """Numbers as they are, to six digits; anything else as ``[text]``."""
    if (isinstance(value, int) and not isinstance(value, bool)) or value is None:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.6g}")
    if isinstance(value, (list, tuple)):
        return [strings("; ".join(text.line(str(one)) for one in value))]
    return [strings(text.line(str(value)))]


def _failure(
    record: Record,
    strings: Strings,
    tracebacks: Numbered,
    excerpt: Excerpt,
) -> dict[str, Any] | None:
    failure = record.failure
    if failure is None:
        return None
    chain: tuple[Mapping[str, Any], ...] = failure.chain
    if not chain and (failure.type or failure.message):
        chain = ({"type": failure.type, "message": failure.message},)
    frames = tuple(strings(_frame(f)) for f in _middle_out(failure.frames, excerpt.frames))
    found = {
        "chain": [
            [strings(c.get("type")), strings(_shortened(_message(c), excerpt.message))]
            for c in chain[:8]
        ],
        "traceback": tracebacks(frames) if frames else None,
        "signal": strings(failure.signal),
        "exit_code": failure.exit_code,
        # The end of the output is where it says why it died.
        "output": strings(_shortened(failure.output, excerpt.output, end=True)),
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
