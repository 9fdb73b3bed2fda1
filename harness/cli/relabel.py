"""`harness relabel`: records that are there, labelled anew."""

from __future__ import annotations

import argparse

from harness.cli.arguments import add_results
from harness.paths import EXPECTATIONS
from harness.records.kinds import of_matrix
from harness.runs.options import file_there
from harness.vocabulary import Exit

NAME = "relabel"
SUMMARY = "apply today's classifier and baseline to records that are there already"
MORE = "For use after a change of harness/failures/labels.py: nothing has to be run again."


def add_options(sub: argparse.ArgumentParser) -> None:
    add_results(sub, many=False)
    sub.add_argument(
        "--expectations",
        type=file_there,
        default=EXPECTATIONS,
        metavar="FILE",
        help="the baseline to compare with (default: harness/baseline/expectations.txt)",
    )


def run(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.baseline.baselines import Baselines
    from harness.failures import classify
    from harness.runs import results_lock

    path = given.results / records.RESULTS_NAME if given.results.is_dir() else given.results
    baselines = Baselines(given.expectations)
    with results_lock.alone(path.parent):
        found = of_matrix([path])
        fresh = [baselines.mark(classify.apply(r)) for r in found]
        records.write(path, fresh)
    changed = [(a, b) for a, b in zip(found, fresh, strict=True) if a.label != b.label]
    for a, b in changed:
        print(f"{a.case}  {a.label} -> {b.label}")
    print(f"{len(changed)} of {len(found)} labels changed")
    return Exit.AS_EXPECTED
