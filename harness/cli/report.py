"""`harness report`: the reports of records that are there."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.arguments import add_results
from harness.records.kinds import of_matrix
from harness.vocabulary import Exit, UsageError

NAME = "report"
SUMMARY = "write index.html, matrix.csv and summary.md from records"
MORE = ""


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


def run(given: argparse.Namespace) -> Exit:
    from harness import records, report
    from harness.provenance import lock, status

    found = of_matrix(given.results)
    states = {name: one for folder in given.results for name, one in lock.read(folder).items()}
    # Records of another stack say which one it is; they are right of that one.
    why = status.why_lapsed(records.latest(found).values(), states)
    lapsed = {case: because for case, because in why.items() if because != ("libraries",)}
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        report.write(found, given.output, lapsed=lapsed)
    except OSError as error:
        raise UsageError(f"cannot write to {given.output}: {error.strerror}") from error
    print(f"{given.output / 'index.html'}")
    return Exit.AS_EXPECTED
