"""The cells of the matrix, row by row: what each shows, and what is worth a mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from harness.baseline.compare import MARKS, describe
from harness.records import Record
from harness.report import overview, text, weak
from harness.vocabulary import STAGES, Status


@dataclass(frozen=True)
class Cell:
    """One case as the table shows it."""

    index: int
    status: str
    glyph: str
    text: str
    aside: str
    mark: str
    expectation: str
    here: bool
    reused: bool
    weak: bool
    lapsed: bool
    title: str


@dataclass(frozen=True)
class Marked:
    """What of a cell is worth a mark: only what holds of few."""

    here: bool
    reused: bool
    lapsed: bool

    @staticmethod
    def of(run: overview.Run, lapsed: int, cases: int) -> Marked:
        """Tell from a run, and from how many of its cases have lapsed."""
        return Marked(run.sampled, 0 < 2 * run.reused < run.here, 0 < 2 * lapsed < cases)


def families(
    latest: list[Record],
    columns: list[dict[str, Any]],
    marked: Marked,
    lapsed: Mapping[str, Any],
    changed: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    """Return the families with their rows, and how many of each column pass.

    Args:
      latest: the last record of each case, in the order of the matrix.
      columns: of the matrix, each with its technique and variant.
      marked: what is worth a mark.
      lapsed: cases whose record holds no more.
      changed: by case: what is not what it was.
    """
    last_stage = max((r.until for r in latest), key=_stage_position, default="")
    found = []
    indexed = list(enumerate(latest))
    for family, members in groupby(indexed, key=lambda pair: pair[1].family):
        rows = []
        in_family = list(members)
        for application, cases in groupby(in_family, key=lambda pair: pair[1].application):
            by_column = {
                (r.technique, r.variant): _with_change(
                    _cell(i, r, last_stage, marked, r.case in lapsed), changed.get(r.case, ())
                )
                for i, r in cases
            }
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


#: The mark of a cell that is not what it was, or not what it is in another stack.
CHANGED_MARK = "Δ"


def _with_change(cell: Cell, words: Sequence[str]) -> Cell:
    """Mark a cell that changed; one that the baseline marks already only says so."""
    if not words:
        return cell
    told = text.line(f"{cell.title}; changed: {', '.join(words)}")
    return replace(cell, mark=cell.mark or CHANGED_MARK, title=told)


def _cell(index: int, record: Record, last_stage: str, marked: Marked, lapsed: bool) -> Cell:
    shown = record.label or (
        record.status if record.status in (Status.BLOCKED, Status.SKIPPED) else record.stage
    )
    if record.passed:
        shown = "pass" if record.until == last_stage else f"pass to {record.stage}"
    poor = list(weak.reasons(record))
    if poor:
        shown = "weak"
    aside = next(weak.values(record), "") if poor else record.blocker or ""
    kind = record.expectation if record.unexpected else ""
    said = [describe(record.outcome())]
    if record.blocker:
        said.append(f"{record.blocker_kind or 'blocker'} {record.blocker}")
    if kind:
        before = overview.expected_outcome(record)
        said.append(f"{kind}, was {describe(before)}" if before else kind)
    said += [*poor, *record.disagrees]
    if lapsed and marked.lapsed:
        said.append("lapsed")
    if record.reused:
        said.append(f"reused from {str(record.reused.get('date') or '')[:10]}")
    return Cell(
        index=index,
        status=record.status,
        glyph=overview.GLYPHS.get(record.status, "?"),
        text=shown or record.status,
        aside=aside,
        mark=next((m for k, m in MARKS.items() if k.value == kind), ""),
        expectation=kind or "",
        here=marked.here and not record.reused,
        reused=marked.reused and bool(record.reused),
        weak=bool(poor),
        lapsed=marked.lapsed and lapsed,
        title=text.line("; ".join(said)),
    )
