"""A check in the terminal: a line for each technique, and the verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from harness.checking.asked import Asked
from harness.checking.verdict import Verdict, number
from harness.failures.classify import BY_NAME
from harness.failures.facts import headline
from harness.records import Record

_WIDTH = 96

#: Float islands that are named.
_NAMED = 3


def head(asked: Asked) -> str:
    """Return the line that says what is checked."""
    return f"{asked.source.word}: {asked.source.title}"


def about(record: Record) -> list[str]:
    """Return what the control has found out of model and inputs."""
    known = record.metrics
    if "parameters" not in known:
        return []
    inputs = ", ".join(
        f"{one['name']} {'x'.join(map(str, one['shape']))} {one['dtype']}"
        for one in known["inputs"]
    )
    # Of a graph without layers none can be counted: its weights are constants.
    size = f"{known['parameters']:,} parameters in {known['layers']} layers; "
    return [
        f"  {size if known['parameters'] else ''}input {inputs}",
        f"  data: {known['data']}",
        "",
    ]


def line(record: Record, facts: Mapping[str, Any], width: int) -> list[str]:
    """Return the lines of a technique that has ended.

    Args:
      record: of it.
      facts: what is known beside the record.
      width: of the longest name.
    """
    name = f"  {record.technique:<{width}}"
    if record.passed:
        first = f"{name}  pass   {'  '.join(figures(record))}".rstrip()
        return [first, *_indented(islands(facts))]
    label = f" ({record.label})" if record.label else ""
    return [
        f"{name}  {record.status} at {record.stage}{label}",
        *_indented(reasons(record)),
    ]


def _indented(texts: list[str]) -> list[str]:
    return [f"      {one}" for text in texts for one in textwrap.wrap(text, _WIDTH - 6)]


def islands(facts: Mapping[str, Any]) -> list[str]:
    """Say where a file leaves int8, and what to do."""
    found = facts.get("islands", [])
    if not found:
        return []
    named = ", ".join(", ".join(one["layers"]) or "?" for one in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return [
        f"{len(found)} float {'island' if len(found) == 1 else 'islands'} in it: {named}{more}. "
        "Each costs two conversions and runs in float: replace the layer by one that LiteRT has "
        "in int8."
    ]


def figures(record: Record) -> Iterator[str]:
    """Yield the figures of a technique that passed, each with its unit."""
    known = record.metrics
    if "file_bytes" in known:
        share = f" ({known['file_ratio']:>4.0%})" if "file_ratio" in known else " " * 7
        yield f"{size(known['file_bytes']):>8}{share}"
    if "int8_ops" in known:
        yield f"int8 {known['int8_ops']:>4.0%}"
    if "sqnr_float_db" in known:
        yield f"SQNR {decibels(known['sqnr_float_db'])}"
    if "latency_ratio" in known:
        doubt = " (busy machine)" if known.get("latency_noisy") else ""
        yield f"latency {known['latency_ratio']:.2f} of float{doubt}"
    elif "latency_ms" in known:
        yield f"latency {known['latency_ms']:.3g} ms"


def reasons(record: Record) -> list[str]:
    """Return what a technique failed of, and what to change, for whoever owns the model."""
    told = []
    if record.failure is not None:
        lines = [one.strip() for one in record.failure.message.splitlines() if one.strip()]
        whole = record.failure.type.endswith(("ModelError", "ExportError", "FileError"))
        told += lines[:4] if whole else [headline(record.failure.message)]
    label = BY_NAME.get(record.label or "")
    if label is not None and record.label != "control":
        told.append(f"{label.title}: {label.cause}")
        told.append(f"What to do: {label.remedy}")
    return told


def verdict(found: Verdict) -> list[str]:
    """Return the recommendation."""
    lines = [""]
    for sentence in found.says:
        lines += textwrap.wrap(sentence, _WIDTH)
    if found.lines:
        lines += ["", *(f"    {one}" for one in found.lines)]
    return lines


def size(count: float) -> str:
    """Return a number of bytes for a reader."""
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} B"


def decibels(value: Any) -> str:
    return f"{number(value):5.1f} dB"
