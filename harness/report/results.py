"""The results in Markdown: every figure of ``docs/results.md``, from the records alone.

What the records do not know is a dash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness import techniques
from harness.records import Record
from harness.report import metrics, numbers, order, overview
from harness.report.columns import Column, Failures, columns
from harness.report.text import code, md, table

HEAD = """\
# Results

<!-- Written by `python -m harness results`. Do not edit: the next run writes it anew. -->

What the reference run found, in figures. `python -m harness results` writes this page from the
records in `reports/`, and `--check` says whether it is what they say. A dash: the records do not
know. [metrics.md](metrics.md) tells what each number is; every case is in the
[page](../reports/index.html).
"""

#: So many applications are named; of more their families are.
NAMED = 3


def markdown(records: Iterable[Record], more: Iterable[str] = ()) -> str:
    """Write the results.

    Args:
      records: of the matrix; the last attempt at each case counts.
      more: lines of other sections, to stand behind.
    """
    latest = order.cases(records)
    found = columns(latest)
    lines = [
        HEAD,
        *_run(latest, found),
        *_techniques(),
        *_outcomes(found),
        *_failures(found),
        *numbers.lines(latest, found),
        *more,
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


# The run ---------------------------------------------------------------------------------


def _run(latest: Sequence[Record], found: Sequence[Column]) -> Iterator[str]:
    yield "## The run"
    yield ""
    yield (
        f"{len(latest)} cases: {len({r.application for r in latest})} applications, "
        f"{len(found)} columns. {overview.when(latest)}"
    )
    yield ""
    yield overview.facts(r.environment for r in latest)
    yield ""
    yield from _inputs(latest)


def _techniques() -> Iterator[str]:
    """What each technique does, as it says itself."""
    yield "## Techniques"
    yield ""
    rows = [(code(t.id), md(t.title), md(t.owner)) for t in techniques.registry().values()]
    yield from table(("technique", "what is done", "whose code"), rows)
    yield ""


def _inputs(latest: Sequence[Record]) -> Iterator[str]:
    """Applications that were given images of another size than their constructor asks for."""
    rows = {}
    for r in latest:
        size, full = metrics.number(r.metrics.get("input_size")), r.metrics.get("reduced_from")
        if full and size is not None:
            rows[r.application, r.variant] = (f"{size:g}x{size:g}", f"{full}, too large to train")
        elif built := r.metrics.get("built_for"):
            rows[r.application, r.variant] = (str(built), "any size, which its graph does not take")
    if not rows:
        return
    yield "Images of another size than the constructor has by default:"
    yield ""
    yield from table(
        ("application", "variant", "images", "instead of"),
        ((code(a), md(v), md(now), md(before)) for (a, v), (now, before) in rows.items()),
    )
    yield ""


# Outcomes --------------------------------------------------------------------------------


def _outcomes(found: Sequence[Column]) -> Iterator[str]:
    yield "## What passes"
    yield ""
    yield (
        "*Transformed*: the technique took the model. *Int8 throughout*: no float operation "
        "between input and output of the file, and all multiply-accumulates in integers. *CPU*: "
        "of all cases of the column, those that fail too."
    )
    yield ""
    yield from table(
        ("technique", "variant", "pass:", "transformed:", "int8 throughout:", "CPU, minutes:"),
        (_outcome(column) for column in found),
    )
    yield ""


def _outcome(column: Column) -> list[str]:
    passed = f"**{column.passed}** of {len(column.cases)}"
    if column.missing:
        passed += f", {column.missing} without a record"
    cpu = column.cpu_seconds
    return [
        code(column.technique),
        md(column.variant),
        passed,
        _count(column.transformed),
        _of(column.integer, column.files),
        "" if cpu is None else f"{cpu / 60:.1f}",
    ]


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


def _of(value: int | None, among: int | None) -> str:
    return f"{value} of {among}" if value is not None and among is not None else _count(value)


def _failures(found: Sequence[Column]) -> Iterator[str]:
    rows = [_failure(column, alike) for column in found for alike in column.failures()]
    if not rows:
        return
    yield "## What blocks the rest"
    yield ""
    yield (
        "The label is the class of the failure, the blocker the layer or operation that it names. "
        "`python -m harness explain LABEL` tells cause and remedy."
    )
    yield ""
    yield from table(
        ("technique", "variant", "stage", "label", "blocker", "cases:", "applications"), rows
    )
    yield ""


def _failure(column: Column, alike: Failures) -> list[str]:
    if len(alike.cases) <= NAMED:
        who = ", ".join(code(r.application) for r in alike.cases)
    else:
        who = ", ".join(f"{md(family)} {n}" for family, n in alike.families.items())
    return [
        code(column.technique),
        md(column.variant),
        md(alike.stage),
        code(alike.label),
        code(alike.blocker) if alike.blocker else "",
        str(len(alike.cases)),
        who,
    ]
