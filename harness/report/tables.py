"""The tables behind every report, as pandas frames: cases, totals, what blocks most."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from harness.records import Record, iter_metrics
from harness.report import metrics, order, text
from harness.vocabulary import VARIANTS, Expectation, Status

#: Outcomes that only echo another case's or nobody's failure.
NOT_BLOCKING = (Status.PASS.value, Status.BLOCKED.value, Status.SKIPPED.value)


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row per case, flat: what it is, what became of it, what it took, its metrics.

    Metrics of the vocabulary stand in its order, ahead of all others.
    """
    latest = order.cases(records)
    stages = order.stages(latest)
    found = metrics.ordered(iter_metrics(latest))
    rows = [_row(r, stages) for r in latest]
    fixed = list(_row(_EMPTY, stages))
    # A metric must not take the place of a column of the table itself.
    names = {m: f"metric_{m}" if m in fixed else m for m in found}
    for row, record in zip(rows, latest, strict=True):
        row.update({names[m]: _metric(m, v) for m, v in record.metrics.items()})
    columns = [*fixed, *names.values()]
    table: pd.DataFrame = pd.DataFrame(
        {name: _typed([row.get(name) for row in rows]) for name in columns}
    )
    return table


_EMPTY = Record("", "", "", "", "", "", "", "")


def _row(record: Record, stages: list[str]) -> dict[str, Any]:
    expected: Mapping[str, Any] = record.expected or {}
    reused: Mapping[str, Any] = record.reused or {}
    taken = {s.name: s.seconds for s in record.stages}
    return {
        "application": record.application,
        "family": record.family,
        "technique": record.technique,
        "variant": record.variant,
        "status": record.status,
        "stage": record.stage,
        "label": record.label,
        "expectation": record.expectation,
        "expected_status": expected.get("status"),
        "expected_stage": expected.get("stage"),
        "expected_label": expected.get("label"),
        "blocker_kind": record.blocker_kind,
        "blocker": record.blocker,
        "blocker_name": record.blocker_name,
        "exception": record.failure.type or None if record.failure else None,
        "message": text.line(record.failure.message) or None if record.failure else None,
        "fingerprint": record.fingerprint,
        "until": record.until,
        "reused": reused.get("date"),
        "run_here": not reused,
        "disagrees": "; ".join(record.disagrees) or None,
        **{f"{s}_seconds": taken.get(s) for s in stages},
        "seconds": record.seconds,
        "cpu_seconds": record.cpu_seconds,
        "peak_rss_bytes": record.peak_rss_bytes,
        "attempt": record.attempt,
        "run_id": record.run_id or None,
        "date": record.started or None,
    }


def _metric(name: str, value: Any) -> Any:
    """Infinity may come as a text, which must not make a text column of a numeric one."""
    found = metrics.number(value) if name in metrics.NAMES else None
    return _scalar(value if found is None else found)


def _scalar(value: Any) -> Any:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _typed(values: list[Any]) -> pd.Series[Any]:
    """Make a column; whole numbers stay whole beside missing ones."""
    values = [None if isinstance(v, float) and math.isnan(v) else v for v in values]
    kinds = frozenset(type(v) for v in values if v is not None)
    column: pd.Series[Any] = pd.Series(values, dtype=_TYPES.get(kinds, "object"))
    return column


_TYPES: Mapping[frozenset[type], str] = {
    frozenset({int}): "Int64",
    frozenset({float}): "Float64",
    frozenset({int, float}): "Float64",
    frozenset({bool}): "boolean",
}


def to_csv(table: pd.DataFrame) -> str:
    """Write a frame as CSV that neither a spreadsheet nor a line reader can misread."""
    safe = table.copy()
    # Text alone: mapping a column of whole numbers may turn them into floats.
    for name in safe.columns[safe.dtypes == "object"]:
        safe[name] = safe[name].map(lambda v: text.cell(v) if isinstance(v, str) else v)
    return str(safe.to_csv(index=False, lineterminator="\n", float_format=_short))


def _short(value: float) -> str:
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.10g}"


def totals(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Per technique and variant: cases, passes, statuses, reused and unexpected ones."""
    found = []
    parts = dict(list(table.groupby(["variant", "technique"], sort=False)))
    techniques = order.ranked(table["technique"], order.TECHNIQUES)
    for variant in order.ranked(table["variant"], tuple(VARIANTS)):
        for technique in techniques:
            part = parts.get((variant, technique))
            if part is not None:
                found.append(
                    {
                        "technique": technique,
                        "variant": variant,
                        "cases": len(part),
                        "passes": int((part["status"] == Status.PASS.value).sum()),
                        "statuses": counts(part["status"], order.STATUSES),
                        "reused": int(part["reused"].notna().sum()),
                        "unexpected": int((~part["expectation"].isin(_QUIET)).sum()),
                        "seconds": sum(float(s) for s in part["seconds"] if pd.notna(s)),
                    }
                )
    return found


_QUIET = (Expectation.EXPECTED.value, None)


def counts(column: pd.Series[Any], known: tuple[str, ...]) -> dict[str, int]:
    """How often each value occurs, known values in their order first."""
    found = Counter(column.dropna())
    return {word: found[word] for word in order.ranked(found, known)}


def blockers(table: pd.DataFrame) -> list[dict[str, Any]]:
    """What blocks most: label and blocker, with cases, applications and techniques."""
    failing = table[~table["status"].isin(NOT_BLOCKING)]
    if failing.empty:
        return []
    keyed = failing.assign(
        label=failing["label"].fillna(failing["status"]),
        blocker=failing["blocker"].fillna(""),
        blocker_kind=failing["blocker_kind"].fillna(""),
    )
    found = [
        {
            "label": label,
            "blocker_kind": kind,
            "blocker": blocker,
            "cases": len(part),
            "applications": int(part["application"].nunique()),
            "techniques": counts(part["technique"], order.TECHNIQUES),
        }
        for (label, kind, blocker), part in keyed.groupby(
            ["label", "blocker_kind", "blocker"], sort=True
        )
    ]
    return sorted(found, key=lambda f: (-f["cases"], f["label"], f["blocker"]))
