"""The Markdown summary: what a CI job shows, the verdict first, always under 1 MB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from harness.baseline.compare import MARKS, TITLES, describe
from harness.records import Record
from harness.report import metrics, order, overview, tables, text
from harness.report import news as told
from harness.report.figures import Figure, figures
from harness.report.news import News
from harness.report.overview import Explanations
from harness.report.text import code, md
from harness.vocabulary import Expectation

#: A CI job summary may hold 1 MiB; what does not fit is refused as a whole.
MOST_BYTES = 1_000_000

#: How many lines a list gets; the first setting whose result fits is taken.
LENGTHS = (50, 20, 5, 1)


def markdown(
    records: Iterable[Record],
    *,
    title: str,
    explanations: Explanations,
    news: News | None = None,
) -> str:
    """Write the summary of ``records``, and what changed since an earlier run."""
    latest = order.cases(records)
    table = tables.frame(latest)
    totals, blockers = tables.totals(table), tables.blockers(table)
    numbers = figures(latest, metrics.SUMMARISED)
    for most in LENGTHS:
        lines = [
            f"# {md(title)}",
            "",
            f"**{md(overview.verdict(latest).text)}** {_facts(latest)}",
            *(told.markdown(news, most) if news else ()),
            "",
            *_totals(totals, most),
            *_changes(latest, explanations, most),
            *_blockers(blockers, explanations, most),
            *_numbers(numbers, most),
            *_environment(latest, most),
        ]
        written = "\n".join(lines) + "\n"
        if len(written.encode()) <= MOST_BYTES:
            return written
    return _cut(written)


def _cut(written: str) -> str:
    """The last resort: whole lines from the top, and a word about the rest."""
    note = "\n... the rest does not fit here; see the page and the CSV.\n"
    room = MOST_BYTES - len(note.encode())
    kept = written.encode()[:room].decode(errors="ignore")
    return kept[: kept.rfind("\n") + 1] + note


def _facts(latest: list[Record]) -> str:
    run = overview.run(latest)
    applications = len({r.application for r in latest})
    passes = sum(r.passed for r in latest)
    facts = f"· {passes} of {len(latest)} cases pass, {applications} applications"
    if run.started:
        facts += f" · {md(overview.moment(run.started))}"
    if run.reused:
        dates = md(", ".join(run.reused_dates))
        facts += f" · {run.here} cells run here, {run.reused} reused from {dates}"
    return facts


def _totals(totals: list[dict[str, Any]], most: int) -> Iterator[str]:
    statuses = order.ranked((s for t in totals for s in t["statuses"]), order.STATUSES)
    names = [f"{overview.GLYPHS.get(s, '')} {md(s)}".strip() for s in statuses]
    yield "| technique | variant | passes | " + " | ".join([*names, "unexpected", "time"]) + " |"
    yield "|---|---|--:|" + "--:|" * (len(names) + 2)
    rows = []
    for t in totals:
        cells = [str(t["statuses"].get(s, "") or "") for s in statuses]
        cells += [str(t["unexpected"] or ""), text.seconds(t["seconds"])]
        rows.append(
            f"| {code(t['technique'])} | {md(t['variant'])} | "
            f"**{t['passes']}** / {t['cases']} | " + " | ".join(cells) + " |"
        )
    yield from _listed(rows, max(most, 20))


def _changes(latest: list[Record], explanations: Explanations, most: int) -> Iterator[str]:
    for kind, cases in overview.changes(latest).items():
        yield ""
        yield f"## {MARKS[kind]} {TITLES[kind].capitalize()} ({len(cases)})"
        yield ""
        yield from _listed(list(_items(kind, cases[:most], explanations)), most, len(cases))


def _items(kind: Expectation, cases: list[Record], explanations: Explanations) -> Iterator[str]:
    for record in cases:
        before = overview.expected_outcome(record)
        now = describe(record.outcome())
        was = f", was {md(describe(before))}" if before else ""
        line = f"- {code(record.case)}: {md(now)}{was}"
        if record.blocker:
            line += f" ({md(record.blocker_kind or 'blocker')} {code(record.blocker)})"
        line += "".join(f"<br>{md(one)}" for one in record.disagrees)
        _, cause, remedy = overview.wording(record.label, explanations)
        if kind in (Expectation.REGRESSION, Expectation.CHANGED_LABEL):
            if record.failure and record.failure.message:
                line += f"<br>{code(record.failure.message, 240)}"
            if cause:
                line += f"<br>Cause: {md(cause)}"
            if remedy:
                line += f"<br>Remedy: {md(remedy)}"
            if record.repro:
                line += f"<br>Repeat: {code(record.repro)}"
        yield line


def _blockers(found: list[dict[str, Any]], explanations: Explanations, most: int) -> Iterator[str]:
    if not found:
        return
    yield ""
    yield "## What blocks most"
    yield ""
    yield "| label | blocker | cases | applications | by technique | remedy |"
    yield "|---|---|--:|--:|---|---|"
    rows = []
    for f in found:
        techniques = ", ".join(f"{md(t)} {n}" for t, n in f["techniques"].items())
        _, _, remedy = overview.wording(f["label"], explanations)
        blocker = code(f["blocker"]) if f["blocker"] else ""
        rows.append(
            f"| {code(f['label'])} | {blocker} | {f['cases']} | {f['applications']} | "
            f"{techniques} | {md(remedy, 160)} |"
        )
    yield from _listed(rows, min(most, 20))


def _numbers(found: list[Figure], most: int) -> Iterator[str]:
    if not found:
        return
    several = len({f.variant for f in found}) > 1
    yield ""
    yield "## Numbers by technique"
    yield ""
    yield "| technique | number | cases | median | worst | application |"
    yield "|---|---|--:|--:|--:|---|"
    rows = []
    for f in found:
        median, worst = f.said
        variant = f" {md(f.variant)}" if several else ""
        application = code(f.application) if f.application else ""
        rows.append(
            f"| {code(f.technique)}{variant} | {md(f.metric.title)} | {f.cases} | {median} | "
            f"{worst} | {application} |"
        )
    yield from _listed(rows, 8 * most)


def _environment(latest: list[Record], most: int) -> Iterator[str]:
    run = overview.run(latest)
    if not run.environment:
        return
    yield ""
    yield "## Versions"
    yield ""
    pairs = [f"- {md(name)}: {code(value)}" for name, value in run.environment.items()]
    yield from _listed(pairs, max(most, 20))
    if run.environments > 1:
        yield ""
        yield f"{run.environments} different environments; the most common one is shown."


def _listed(lines: list[str], most: int, count: int | None = None) -> Iterator[str]:
    """The first ``most`` lines, and how many of ``count`` that leaves out."""
    yield from lines[:most]
    left = (len(lines) if count is None else count) - most
    if left > 0:
        yield ""
        yield f"... and {left} more"
