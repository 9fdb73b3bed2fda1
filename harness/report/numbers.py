"""The figures of the columns in Markdown: median, worst case by name, and two side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.records import Record
from harness.report import metrics
from harness.report.columns import Column
from harness.report.figures import Figure, figures
from harness.report.pairs import SQNR, Pair, pairs
from harness.report.text import FORMATS, code, md, table

#: The tables of figures: a title, what there is to say, the metrics.
GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("In integers", "", ("int8_ops", "int8_macs", "float_islands")),
    (
        "How close the outputs are",
        "Of the file's outputs to those of the model that it is made of, and to those of the float "
        "model.",
        ("sqnr_simulation_db", "sqnr_float_db", "top1_agreement"),
    ),
    (
        "Size",
        "Shares of the float model's file, which is not compressed.",
        ("file_ratio", "deflated_ratio"),
    ),
    (
        "Zeros and few values",
        "Of techniques that promise them. What has no worse end is told from the least to the "
        "most.",
        ("sparsity", "pattern", "unique_weights"),
    ),
)

SPEED = "latency_ratio"

#: So many of the slower files are named.
NAMED = 3

Numbers = Mapping[tuple[str, str, str], Figure]


def lines(records: Sequence[Record], found: Sequence[Column]) -> Iterator[str]:
    """Write the tables, line by line, of records and the columns that they make."""
    names = [name for _, _, group in GROUPS for name in group] + [SPEED]
    numbers = {(f.technique, f.variant, f.metric.name): f for f in figures(records, names)}
    yield "## Figures"
    yield ""
    yield (
        "Of all files that the cases of a column left, also of cases that failed later. *(of 2)*: "
        "so many have the number, if these are not all that left a file."
    )
    yield ""
    for group in GROUPS:
        yield from _figures(found, numbers, *group)
    yield from _speed(found, numbers)
    yield from _pairs(found)


def _figures(
    found: Sequence[Column], numbers: Numbers, title: str, says: str, names: Sequence[str]
) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    if says:
        yield says
        yield ""
    head = ["technique", "variant"]
    for name in names:
        neutral = metrics.about(name).better == metrics.NEUTRAL
        head += [f"{_linked(name)}, median:", "from, to:" if neutral else "worst:"]
    yield from _known(
        found,
        head,
        lambda column: [c for name in names for c in _cells(column, numbers, name)],
    )


def _known(
    found: Sequence[Column], head: Sequence[str], cells: Callable[[Column], Sequence[str]]
) -> Iterator[str]:
    """A line for each column of which anything is known; the others by name."""
    rows = [([code(column.technique), md(column.variant)], cells(column)) for column in found]
    yield from table(head, ([*name, *told] for name, told in rows if any(told)))
    yield ""
    if others := [" ".join(name) for name, told in rows if not any(told)]:
        yield f"The records have none of these numbers for {', '.join(others)}."
        yield ""


def _linked(name: str) -> str:
    return f"[{md(metrics.about(name).title)}](metrics.md#{name})"


def _cells(column: Column, numbers: Numbers, name: str) -> tuple[str, str]:
    """Median and worst of a metric in a column; empty where no case has it."""
    figure = numbers.get((column.technique, column.variant, name))
    if figure is None:
        return "", ""
    median = metrics.written(name, figure.median)
    if figure.cases != column.files:
        median += f" (of {figure.cases})"
    if figure.metric.better != metrics.NEUTRAL:
        worst = metrics.written(name, figure.worst)
        return median, f"{worst} {code(figure.application)}" if figure.application else worst
    ends = (metrics.written(name, end) for end in (figure.least, figure.most))
    return median, " to ".join(dict.fromkeys(ends))


def _speed(found: Sequence[Column], numbers: Numbers) -> Iterator[str]:
    yield "### Speed"
    yield ""
    yield (
        "Of the file against the float model's, on one thread of the machine above, where both "
        "were timed in turns: no others are counted. *Noisy*: the record doubts it."
    )
    yield ""
    yield from _known(
        found,
        ("technique", "variant", f"{_linked(SPEED)}, median:", "worst:", "faster:", "slower"),
        lambda column: [*_cells(column, numbers, SPEED), *_faster(column)],
    )


def _faster(column: Column) -> tuple[str, str]:
    """How many files are faster than the float model's, and the slowest of the others."""
    known = column.values(SPEED)
    if not known:
        return "", ""
    slower = sorted((pair for pair in known if pair[1] > 1), key=lambda pair: -pair[1])
    noisy = {r.application for r in column.cases if r.metrics.get(metrics.NOISY)}
    told = [
        f"{code(name)} {metrics.written(SPEED, ratio)}{' (noisy)' if name in noisy else ''}"
        for name, ratio in slower[:NAMED]
    ]
    if len(slower) > NAMED:
        told.append(f"{len(slower) - NAMED} more")
    faster = sum(ratio < 1 for _, ratio in known)
    return f"{faster} of {len(known)}", ", ".join(told) or "none"


def _pairs(found: Sequence[Column]) -> Iterator[str]:
    rows = [_pair(pair) for pair in pairs(found)]
    if not rows:
        return
    yield "### Side by side"
    yield ""
    yield (
        "On the applications that both pass. *CPU*: time of the first over that of the second, "
        "all applications together. *SQNR vs. float*: what the first has more, application by "
        "application."
    )
    yield ""
    yield from table(
        ("first", "second", "variant", "applications:", "CPU:", f"{_linked(SQNR)}, from, to:"), rows
    )
    yield ""


def _pair(pair: Pair) -> list[str]:
    cpu, gains = pair.cpu_ratio, pair.gains
    return [
        code(pair.first),
        code(pair.second),
        md(pair.variant),
        str(len(pair.cases)),
        "" if cpu is None else FORMATS["ratio"](cpu),
        f"{_signed(min(gains))} to {_signed(max(gains))} dB" if gains else "",
    ]


def _signed(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}"
