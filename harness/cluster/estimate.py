"""How long a full run takes on a cluster, from what its cases took in the records.

Cases start longest first, each as soon as a core is free, one core for each. What no record
tells (a variant that has not been run) is taken from the same technique at the other variant,
times what the variant makes of the application in the techniques that have both.
"""

from __future__ import annotations

import argparse
import heapq
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import records
from harness.paths import REPORTS
from harness.records import Record
from harness.vocabulary import VARIANTS

CORES = (8, 64, 512)

#: Between these lines of a document stands the table; `--write` renews it.
BEGIN, END = "<!-- estimate: begin -->", "<!-- estimate: end -->"


@dataclass(frozen=True)
class Cost:
    """What a case takes: wall seconds on one core, and bytes at its peak."""

    case: str
    seconds: float
    peak: float
    is_known: bool


@dataclass(frozen=True)
class Estimate:
    """A run on so many cores.

    Attributes:
      cores: how many.
      seconds: from the first case's start to the last one's end.
      busy: share of the cores' time in which they have a case.
      memory: of all cases at once, at most.
    """

    cores: int
    seconds: float
    busy: float
    memory: float


def costs(found: Iterable[Record], variants: Sequence[str] = tuple(VARIANTS)) -> list[Cost]:
    """Return what each case of a full run takes: every row and column, in all variants."""
    by_case = {
        (one.application, one.technique, one.variant): one
        for one in records.latest(found).values()
        if one.variant in VARIANTS
    }
    pairs = sorted({(application, technique) for application, technique, _ in by_case})
    return [
        cost
        for application, technique in pairs
        for variant in variants
        for cost in _cost(by_case, application, technique, variant)
    ]


def _cost(
    by_case: Mapping[tuple[str, str, str], Record], application: str, technique: str, variant: str
) -> list[Cost]:
    case = f"{application}-{technique}-{variant}"
    known = by_case.get((application, technique, variant))
    if known is not None:
        return [Cost(case, known.seconds, known.peak_rss_bytes or 0, True)]
    for other in VARIANTS:
        like = by_case.get((application, technique, other))
        if like is None:
            continue
        both = [
            (by_case[key], by_case[application, key[1], other])
            for key in by_case
            if key[0] == application and key[2] == variant
            if (application, key[1], other) in by_case
        ]
        longer = _ratio([(one.seconds, than.seconds) for one, than in both])
        larger = _ratio([(one.peak_rss_bytes or 0, than.peak_rss_bytes or 0) for one, than in both])
        return [Cost(case, like.seconds * longer, (like.peak_rss_bytes or 0) * larger, False)]
    return []


def _ratio(pairs: Iterable[tuple[float, float]]) -> float:
    return statistics.median([a / b for a, b in pairs if a and b] or [1.0])


def estimate(found: Sequence[Cost], cores: int) -> Estimate:
    """Return how a run of cases goes on so many cores."""
    free = [0.0] * cores
    spans: list[tuple[float, float]] = []
    for one in sorted(found, key=lambda cost: -cost.seconds):
        began = heapq.heappop(free)
        heapq.heappush(free, began + one.seconds)
        spans += [(began, one.peak), (began + one.seconds, -one.peak)]
    held = most = 0.0
    for _, change in sorted(spans):
        held += change
        most = max(most, held)
    total = sum(one.seconds for one in found)
    seconds = max(free)
    return Estimate(cores, seconds, total / (seconds * cores) if seconds else 0.0, most)


def table(found: Sequence[Cost], cores: Iterable[int] = CORES) -> str:
    """Return the estimates in Markdown."""
    longest = max(found, key=lambda cost: cost.seconds)
    largest = max(found, key=lambda cost: cost.peak)
    guessed = sum(not one.is_known for one in found)
    lines = [
        "| cores | a full run of both variants | cores at work | memory of all cases at once |",
        "|--:|--:|--:|--:|",
        *(
            f"| {one.cores} | {_time(one.seconds)} | {one.busy:.0%} | {_gib(one.memory)} |"
            for one in (estimate(found, each) for each in cores)
        ),
        "",
        f"{len(found)} cases, {sum(one.seconds for one in found) / 3600:.1f} hours of one core"
        + (f"; {guessed} of them not in the records, taken from the other variant" * bool(guessed))
        + f". No number of cores ends a run before its longest case, `{longest.case}`: "
        f"{_time(longest.seconds)}. The most memory is what `{largest.case}` takes: "
        f"{_gib(largest.peak)}.",
    ]
    return "\n".join(lines)


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def _gib(number: float) -> str:
    return f"{number / 2**30:.0f} GiB"


def renewed(text: str, new: str) -> str:
    """Return a document with another table between its marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m harness.cluster.estimate",
        description="How long a full run of both variants takes, from what its cases took.",
    )
    parser.add_argument("--records", type=Path, default=REPORTS, metavar="FILE")
    parser.add_argument("--cores", type=int, nargs="+", default=CORES, metavar="N")
    parser.add_argument("--write", type=Path, metavar="DOC", help="renew the table in a document")
    given = parser.parse_args(arguments)
    new = table(costs(records.read(given.records).records), given.cores)
    if given.write:
        given.write.write_text(renewed(given.write.read_text(), new))
    else:
        print(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
