"""`harness publish`: the records of a run, in the published one."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.arguments import add_results
from harness.paths import REPORTS
from harness.records.kinds import of_matrix
from harness.vocabulary import Exit, UsageError

NAME = "publish"
SUMMARY = "make the records of a run part of the published one"
MORE = (
    "A complete default run is published by itself; this is for columns outside it.\n"
    "What the published run has besides is kept where it still holds. Records that today's\n"
    "code with the default options would not leave are refused unless --partial is given.\n\n"
    "example:\n"
    "  harness run --variants top --techniques float,qat --results .harness/top\n"
    "  harness publish .harness/top"
)


def add_options(sub: argparse.ArgumentParser) -> None:
    add_results(sub, many=True)
    sub.add_argument(
        "-o",
        "--output",
        type=Path,
        default=REPORTS,
        metavar="DIR",
        help="the published run (default: reports/ beside the harness package)",
    )
    sub.add_argument(
        "--partial",
        action="store_true",
        help="publish also what ended before the last stage, had other options, or is of code "
        "that has changed since",
    )


def run(given: argparse.Namespace) -> Exit:
    from harness.paths import shown
    from harness.runs import conclude, merge

    joined = merge.merge(of_matrix(given.results))
    if not given.partial:
        conclude.refuse_partial(joined)
    try:
        for line in conclude.publish(joined, given.output, given.results):
            print(line)
    except OSError as error:
        raise UsageError(f"cannot write to {given.output}: {error.strerror}") from error
    print(f"{len(joined)} cases published: {shown(given.output / 'index.html')}")
    return Exit.AS_EXPECTED
