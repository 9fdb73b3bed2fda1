"""The figures of the training benchmark in Markdown, a part of ``docs/results.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from harness.benchmark.definition import techniques
from harness.benchmark.report import figures, targets
from harness.benchmark.report.figures import Row, Spread
from harness.benchmark.report.plots.plots import signed
from harness.benchmark.report.targets import Judged
from harness.records import Record
from harness.report import overview
from harness.report.order import ranked
from harness.report.text import code, md, natural, table
from harness.vocabulary import CONTROL


def lines(records: Iterable[Record]) -> Iterator[str]:
    """Write the part, line by line, from the last record of each unit."""
    found = figures.ours(records)
    rows = figures.rows(found)
    seeds = sorted({figures.seed_of(r) for r in found}, key=natural)
    yield "## Training benchmark"
    yield ""
    yield (
        "What a technique costs in accuracy, on small networks that are trained on real images "
        "([benchmark.md](benchmark.md) tells how). The [page](../reports/bench.html) has spread, "
        "sizes and latencies."
    )
    yield ""
    yield (
        f"{len(found)} units, {sum(r.passed for r in found)} of them pass, seeds "
        f"{', '.join(map(md, seeds))}. {overview.when(found)}"
    )
    yield ""
    # The seeds are repeats, not what the units differ in.
    yield overview.facts(
        {name: value for name, value in r.environment.items() if name != "seed"} for r in found
    )
    yield ""
    yield from _accuracy(rows, len(seeds))
    yield from _deflated(rows, len(seeds))
    yield from _targets(rows)
    yield from _failures(rows)


def _accuracy(rows: Sequence[Row], seeds: int) -> Iterator[str]:
    yield "### Accuracy"
    yield ""
    yield (
        "`float`: test accuracy of the float Keras model in percent, the mean over the seeds. "
        "The others: that of the technique's file, in points of the float model's of the same "
        "seed. *(of 2)*: the mean is over so many seeds only."
    )
    yield ""
    own = {r.application: r.accuracy for r in rows if r.technique == CONTROL}
    yield from _matrix(
        rows,
        ("`float`, %:", [_mean(own.get(name), seeds, "{:.1f}".format) for name in _names(rows)]),
        lambda row: _mean(row.file_change, seeds, signed),
    )


def _deflated(rows: Sequence[Row], seeds: int) -> Iterator[str]:
    yield "### Size, deflated"
    yield ""
    yield "The technique's file after compression, as a share of the float model's, not compressed."
    yield ""
    yield from _matrix(rows, None, lambda row: _mean(row.deflated_ratio, seeds, "{:.3f}".format))


def _matrix(
    rows: Sequence[Row], first: tuple[str, list[str]] | None, tell: Callable[[Row], str]
) -> Iterator[str]:
    """A line for each application, a column for each technique but the control."""
    columns = ranked((r.technique for r in rows if r.technique != CONTROL), list(techniques.BY_ID))
    by_cell = {(r.application, r.technique): tell(r) for r in rows}
    head = ["application", *([first[0]] if first else []), *(f"{code(c)}:" for c in columns)]
    yield from table(
        head,
        (
            [
                code(name),
                *([first[1][i]] if first else []),
                *(by_cell.get((name, column), "") for column in columns),
            ]
            for i, name in enumerate(_names(rows))
        ),
    )
    yield ""


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(r.application for r in rows))


def _mean(found: Spread | None, seeds: int, write: Callable[[float], str]) -> str:
    if found is None:
        return ""
    return write(found.mean) + (f" (of {len(found.values)})" if len(found.values) < seeds else "")


def _targets(rows: Sequence[Row]) -> Iterator[str]:
    yield "### Targets"
    yield ""
    yield from table(
        ("target", "verdict", "worst:", "application"), map(_target, targets.judge(rows))
    )
    yield ""


def _target(one: Judged) -> list[str]:
    worst = one.worst
    told = [f"{one.target.tell(worst[1])} {one.target.unit}", code(worst[0])] if worst else ["", ""]
    return [md(one.target.title), one.verdict if worst or one.unknown else "", *told]


def _failures(rows: Sequence[Row]) -> Iterator[str]:
    failed = [(row, one) for row in rows for one in row.failures]
    if not failed:
        return
    yield "### What failed"
    yield ""
    yield from table(
        ("application", "technique", "seed and failure"),
        ([code(row.application), code(row.technique), md(one)] for row, one in failed),
    )
    yield ""
