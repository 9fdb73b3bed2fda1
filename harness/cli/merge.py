"""`harness merge`: the records of several machines, in one file."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.arguments import add_results
from harness.records.kinds import read
from harness.vocabulary import Exit, UsageError

NAME = "merge"
SUMMARY = "join the records of several machines into one file"
MORE = "Records of different library versions are refused unless --allow-mixed is given."


def add_options(sub: argparse.ArgumentParser) -> None:
    add_results(sub, many=True)
    sub.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="the results.jsonl to write, one record per case; one that is there is replaced",
    )
    sub.add_argument(
        "--allow-mixed", action="store_true", help="join records of different environments"
    )


def run(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.provenance import lock
    from harness.runs import merge, results_lock

    joined = merge.merge(read(given.results), allow_mixed=given.allow_mixed)
    try:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        with results_lock.alone(given.output.parent):
            records.write(given.output, joined)
            lock.carry(joined, given.results, given.output)
    except OSError as error:
        raise UsageError(f"cannot write {given.output}: {error.strerror}") from error
    print(f"{len(joined)} cases in {given.output}")
    return Exit.AS_EXPECTED
