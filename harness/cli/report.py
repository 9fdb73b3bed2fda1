"""`harness report`: the reports of records that are there."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.arguments import add_exit_code, add_results
from harness.records import Record
from harness.records.kinds import of_matrix
from harness.runs.options import split
from harness.vocabulary import Exit, UsageError

if TYPE_CHECKING:
    from harness.report.news import News

NAME = "report"
SUMMARY = "write index.html, matrix.csv and summary.md from records"
MORE = (
    "With --against, page and summary tell what changed since another run: outcomes, labels and\n"
    "numbers beyond their noise, what became worse first.\n\n"
    "examples:\n"
    "  harness report .harness -o site\n"
    "  harness report site --against last-night -o site --exit-code metrics\n"
    "  harness report pinned newest --stacks pinned,newest -o site"
)


def add_options(sub: argparse.ArgumentParser) -> None:
    add_results(sub, many=True)
    sub.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="where to write them; the folder is made if it is not there",
    )
    sub.add_argument(
        "--against",
        type=Path,
        metavar="OLD",
        help="tell what changed since this run: a results.jsonl, a folder that holds one, or a "
        "file of a history (`harness history`), of which the last night counts",
    )
    add_exit_code(sub, default="none")
    sub.add_argument(
        "--stacks",
        default="",
        metavar="A,B",
        help="names of the environments that the runs are of, in their order: each gets columns "
        "of its own, side by side; the others are compared with the first",
    )
    sub.add_argument(
        "--latest",
        action="store_true",
        help="of runs of different environments, keep the last record of each case",
    )


def run(given: argparse.Namespace) -> Exit:
    from harness import records, report
    from harness.changes import compare, news

    if given.exit_code != "none" and given.against is None:
        raise UsageError("--exit-code is about --against OLD, which is not given")
    found, told = _records(given)
    code = Exit.AS_EXPECTED
    if given.against is not None:
        before = _before(given.against)
        changes = compare.between(before, records.latest(found))
        told = news.news(changes, before.values())
        code = compare.exit_code(changes, given.exit_code)
    lapsed = {} if given.stacks else _lapsed(given.results, found)
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        report.write(found, given.output, lapsed=lapsed, news=told)
    except OSError as error:
        raise UsageError(f"cannot write to {given.output}: {error.strerror}") from error
    if told is not None:
        print("\n".join([f"{told.title}: {told.verdict}", *news.to_lines(told)]))
    print(f"{given.output / 'index.html'}")
    return code


def _lapsed(folders: Sequence[Path], found: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    """Return why records hold no more, by case.

    Records of another stack say which one it is; they are right of that one.
    """
    from harness import records
    from harness.provenance import lock, status

    states = {name: one for folder in folders for name, one in lock.read(folder).items()}
    why = status.why_lapsed(records.latest(found).values(), states)
    return {case: because for case, because in why.items() if because != ("libraries",)}


def _records(given: argparse.Namespace) -> tuple[list[Record], News | None]:
    """Return the records to report on, and what differs between stacks, if these are shown."""
    from harness.stacks import side_by_side

    runs = [of_matrix([path]) for path in given.results]
    if given.stacks:
        if given.against is not None or given.latest:
            raise UsageError("--stacks goes with neither --against nor --latest")
        return side_by_side.together(side_by_side.named(split([given.stacks]), runs))
    if not given.latest:
        side_by_side.refuse_mixed(dict(zip(map(str, given.results), runs, strict=True)))
    return [record for run in runs for record in run], None


def _before(path: Path) -> dict[str, Record]:
    """Return the older run, by case: its records, or what a history knows of the last night."""
    from harness import records
    from harness.history import store

    if store.is_one(path):
        return store.read(path.parent, path.stem).state()
    return records.latest(of_matrix([path]))
