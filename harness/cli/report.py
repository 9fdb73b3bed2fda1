"""`harness report`: the reports of records that are there."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.arguments import add_exit_code, add_results
from harness.records.kinds import of_matrix
from harness.vocabulary import Exit, UsageError

NAME = "report"
SUMMARY = "write index.html, matrix.csv and summary.md from records"
MORE = (
    "With --against, page and summary tell what changed since another run: outcomes, labels and\n"
    "numbers beyond their noise, what became worse first.\n\n"
    "examples:\n"
    "  harness report .harness -o site\n"
    "  harness report site --against last-night -o site --exit-code metrics"
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
        help="tell what changed since this run: a results.jsonl, or a folder that holds one",
    )
    add_exit_code(sub, default="none")


def run(given: argparse.Namespace) -> Exit:
    from harness import records, report
    from harness.changes import compare, news

    if given.exit_code != "none" and given.against is None:
        raise UsageError("--exit-code is about --against OLD, which is not given")
    found = of_matrix(given.results)
    told, code = None, Exit.AS_EXPECTED
    if given.against is not None:
        before = records.latest(of_matrix([given.against]))
        changes = compare.between(before, records.latest(found))
        told = news.news(changes, before.values())
        code = compare.exit_code(changes, given.exit_code)
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        report.write(found, given.output, news=told)
    except OSError as error:
        raise UsageError(f"cannot write to {given.output}: {error.strerror}") from error
    if told is not None:
        print("\n".join([f"{told.title}: {told.verdict}", *news.to_lines(told)]))
    print(f"{given.output / 'index.html'}")
    return code
