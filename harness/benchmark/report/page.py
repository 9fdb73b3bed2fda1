"""The page: one self-contained file that needs no network and reads without JavaScript."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import cache
from importlib import resources
from itertools import groupby
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from harness.benchmark.definition.settings import DEFAULT
from harness.benchmark.report import figures, targets
from harness.benchmark.report.figures import Row, Spread
from harness.benchmark.report.plots import canvas, marks, plots
from harness.records import Record
from harness.report import text
from harness.report.overview import GLYPHS, flat, moment
from harness.report.page import bundled
from harness.report.payload import embedded
from harness.report.rendering import environment

TITLE = "Training benchmark: what a technique costs on real data"

#: Modules of the matrix' page that this one uses as well.
_SHARED = ("dom.js", "tip.js", "theme.js", "scatter.js")

_STYLES = (("harness.report", "page.css"), ("harness.benchmark.report", "bench.css"))


def html(
    records: Iterable[Record],
    pages: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> str:
    """Write the page for the last record of each unit.

    Args:
      records: of the units.
      pages: others to link to, by address: what they tell.
      files: data and documents to link to, by address: what they are.
    """
    found = figures.ours(records)
    rows = figures.rows(found)
    script = bundled(_SHARED, _read("harness.benchmark.report", "bench.js"))
    view = {
        "title": TITLE,
        "pages": pages or {},
        "files": files or {},
        "data": Markup(embedded(_points(rows))),
        "run": _run(found),
        "rows": _table(rows),
        "techniques": marks.titles(list(dict.fromkeys(r.technique for r in found))),
        "marks": {r.technique: marks.mark(r.technique) for r in found},
        "plots": {axis.id: plots.panels(rows, axis) for axis in plots.AXES},
        "judged": targets.judge(rows),
        "failures": [_failure(r) for r in found if not r.passed],
        "counted": figures.COUNTED,
        "glyphs": GLYPHS,
        "box": {
            name.lower(): getattr(canvas, name)
            for name in ("WIDTH", "HEIGHT", "LEFT", "RIGHT", "TOP", "BOTTOM")
        },
        "style": Markup("\n".join(_read(*one) for one in _STYLES)),
        "script": Markup(script),
        "script_digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    return text.clean(_environment().get_template("bench.html.j2").render(view))


@cache
def _environment() -> Environment:
    found = environment("harness.benchmark.report")
    filters: dict[str, Callable[..., str]] = {
        "place": lambda value: f"{value:.1f}",
        "duration": text.seconds,
        "moment": moment,
    }
    found.filters |= filters
    return found


@cache
def _read(package: str, name: str) -> str:
    return (resources.files(package) / "static" / name).read_text(encoding="utf-8")


def _run(found: list[Record]) -> dict[str, Any]:
    """What the reader has to know of the run: when, how long, on what, with what settings."""
    settings = Counter(_settings(r) for r in found)
    environments = Counter(tuple(sorted(flat(_versions(r)).items())) for r in found)
    seeds = sorted({figures.seed_of(r) for r in found}, key=text.natural)
    return {
        "units": len(found),
        "passed": sum(r.passed for r in found),
        "applications": len({r.application for r in found}),
        "techniques": len({r.technique for r in found}),
        "seeds": seeds,
        "started": max((r.started for r in found), default=""),
        "seconds": sum(r.seconds for r in found),
        "settings": dict(settings.most_common(1)[0][0]) if settings else {},
        "mixed_settings": len(settings) > 1,
        "environment": dict(environments.most_common(1)[0][0]) if environments else {},
        "mixed_environments": len(environments) > 1,
    }


def _settings(record: Record) -> tuple[tuple[str, Any], ...]:
    known = record.environment
    return tuple((name, known[name]) for name in asdict(DEFAULT) if name in known)


def _versions(record: Record) -> Mapping[str, Any]:
    beside = {*asdict(DEFAULT), "seed", "revision"}
    return {k: v for k, v in record.environment.items() if k not in beside}


def _failure(record: Record) -> dict[str, Any]:
    failure = record.failure
    return {
        "case": record.case,
        "status": record.status,
        "stage": record.stage,
        "label": record.label,
        "repro": record.repro,
        "message": f"{failure.type}: {failure.message}" if failure else "",
        "frames": [
            f"{f.get('file')}:{f.get('line')} in {f.get('function')}"
            for f in (failure.frames if failure else ())
        ],
    }


def _points(rows: Iterable[Row]) -> dict[str, Any]:
    """What the plot of all units is drawn from: the means, and the marker of each technique."""
    measured = {
        "deflated": lambda r: r.deflated,
        "bytes": lambda r: r.bytes,
        "latency": lambda r: r.latency,
        "accuracy": lambda r: r.file_accuracy,
        "change": lambda r: r.file_change,
    }
    found = []
    for row in rows:
        path, hue = marks.mark(row.technique)
        values = {
            name: round(spread.mean, 4) if (spread := of(row)) is not None else None
            for name, of in measured.items()
        }
        found.append({"a": row.application, "t": row.technique, "mark": path, "hue": hue, **values})
    return {"points": found}


def _table(rows: list[Row]) -> list[dict[str, Any]]:
    """The table, application by application, every figure as text."""
    return [
        {"application": name, "family": members[0].family, "rows": [_cells(r) for r in members]}
        for name, group in groupby(rows, key=lambda r: r.application)
        if (members := list(group))
    ]


def _cells(row: Row) -> dict[str, Any]:
    def told(found: Spread | None, write: Any) -> str:
        return "" if found is None else plots.spread(found, write)

    def mean(found: Spread | None, write: Any) -> str:
        return "" if found is None else write(found.mean)

    def points(value: float) -> str:
        return f"{value:.1f}"

    return {
        "technique": row.technique,
        "repeats": row.repeats,
        "failures": row.failures,
        "accuracy": told(row.accuracy, points),
        "file_accuracy": told(row.file_accuracy, points),
        "change": told(row.change, plots.signed),
        "file_change": told(row.file_change, plots.signed),
        "bytes": mean(row.bytes, text.size),
        "deflated": mean(row.deflated, text.size),
        "ratio": mean(row.ratio, text.ratio),
        "deflated_ratio": mean(row.deflated_ratio, lambda v: f"{v:.3f}"),
        "latency": told(row.latency, text.milliseconds),
        "sparsity": mean(row.sparsity, text.share),
        "kernel_sparsity": mean(row.kernel_sparsity, text.share),
        "unique": f">{figures.COUNTED}" if row.many else mean(row.unique, lambda v: f"{v:.0f}"),
    }
