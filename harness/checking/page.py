"""The page of a check: one self-contained file that needs no network and reads without scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from harness.checking import terminal
from harness.checking.asked import Asked
from harness.checking.checking import LAYERS, Found
from harness.checking.recipes import RECIPES
from harness.checking.verdict import Verdict, number
from harness.records import Record
from harness.report import text
from harness.report.overview import GLYPHS, flat, moment
from harness.report.rendering import environment

_STYLES = (("harness.report", "page.css"), ("harness.checking", "check.css"))

#: dB at the two ends of the plot: no error that is seen, and as much error as signal.
_BEST, _WORST = 60.0, 0.0

_NOT_LOOKED = "Not looked at: the model itself did not pass."


def html(asked: Asked, found: Found, verdict: Verdict) -> str:
    """Return the page of a check.

    Args:
      asked: of the check.
      found: its records, and what is known beside them.
      verdict: the recommendation.
    """
    layers = found.facts.get(LAYERS, {})
    script = _read("harness.checking", "check.js")
    view = {
        "title": f"{asked.source.name}: which technique to take",
        "source": asked.source,
        "model": found.control.metrics,
        "verdict": verdict,
        "started": found.control.started,
        "environment": _versions(found.control),
        "rows": [_row(record) for record in found.records],
        "islands": list(_islands(found)),
        "errors": [_error(one) for one in layers.get("errors", [])],
        "ticks": [{"at": (_BEST - db) / _BEST, "text": f"{db} dB"} for db in (60, 40, 20, 0)],
        "plan": layers.get("plan", []),
        "sparsity": [_zeros(one) for one in layers.get("sparsity", [])],
        "why_not": _why_not(layers),
        "glyphs": GLYPHS,
        "command": asked.command(),
        "style": Markup("\n".join(_read(*one) for one in _STYLES)),
        "script": Markup(script),
        "script_digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    return text.clean(_environment().get_template("check.html.j2").render(view))


@cache
def _environment() -> Environment:
    found = environment("harness.checking")
    found.filters |= {"moment": moment}
    return found


@cache
def _read(package: str, name: str) -> str:
    return (resources.files(package) / "static" / name).read_text(encoding="utf-8")


def _versions(record: Record) -> Mapping[str, Any]:
    return {k: v for k, v in flat(record.environment).items() if k not in ("revision", "seed")}


def _row(record: Record) -> dict[str, str | list[str]]:
    known = record.metrics
    label = f" ({record.label})" if record.label else ""
    recipe = RECIPES.get(record.technique)
    return {
        "technique": record.technique,
        "what": recipe.what if recipe else "",
        "status": record.status,
        "outcome": "pass" if record.passed else f"{record.status} at {record.stage}{label}",
        "file": terminal.size(known["file_bytes"]) if "file_bytes" in known else "",
        "file_share": _percent(known.get("file_ratio")),
        "int8": _percent(known.get("int8_ops")),
        "sqnr": f"{number(known['sqnr_float_db']):.1f}" if "sqnr_float_db" in known else "",
        "latency": f"{known['latency_ms']:.3g}" if "latency_ms" in known else "",
        "latency_share": _percent(known.get("latency_ratio")),
        "islands": str(known.get("float_islands", "")),
        "reasons": [] if record.passed else terminal.reasons(record),
    }


def _percent(share: Any) -> str:
    return "" if share is None else f"{share:.0%}"


def _islands(found: Found) -> Any:
    """Yield the islands of each file that is quantized at all."""
    for record in found.records:
        facts = found.facts.get(record.technique, {})
        if facts.get("islands") or record.metrics.get("int8_ops"):
            yield {"technique": record.technique, "islands": facts.get("islands", [])}


def _error(one: Mapping[str, Any]) -> dict[str, Any]:
    local, network = one["local_sqnr"], one["sqnr"]
    title = [
        f"weights {one['weight_sqnr']:.1f} dB" if one["weight_sqnr"] is not None else "",
        f"{one['effective_bits']:.1f} bits used" if one["effective_bits"] is not None else "",
        f"{one['saturated']:.2%} of the values cut off" if one["saturated"] else "",
    ]
    return {
        "layer": one["layer"],
        "class": one["class"],
        "local": "" if local is None else f"{local:.1f}",
        "network": "" if network is None else f"{network:.1f}",
        "local_width": f"{_length(local):.3f}",
        "network_at": None if network is None else f"{_length(network):.3f}",
        "title": "; ".join(part for part in title if part),
    }


def _length(sqnr: float | None) -> float:
    """Return how long a bar is, of 1: no error is none of it."""
    if sqnr is None:
        return 0.0
    return (_BEST - min(max(sqnr, _WORST), _BEST)) / (_BEST - _WORST)


def _zeros(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **one,
        "zeros": f"{one['zeros']:.1%}",
        "width": f"{one['zeros']:.3f}",
        "pattern": _percent(one["pattern"]),
        "unique": "many" if one["unique"] is None else f"{one['unique']:,}",
    }


def _why_not(layers: Mapping[str, Any]) -> dict[str, str]:
    told = layers.get("why_not", {})
    every = told.get("", _NOT_LOOKED if not layers else "There is nothing to show.")
    return {name: told.get(name, every) for name in ("plan", "errors", "sparsity")}
