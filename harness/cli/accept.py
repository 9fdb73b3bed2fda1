"""`harness accept`: what a run found becomes what is expected."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.paths import EXPECTATIONS, working_dir
from harness.records.kinds import of_matrix
from harness.vocabulary import VARIANTS, Exit

NAME = "accept"
SUMMARY = "make what a run found the new baseline, and print what changes"
MORE = (
    "Cases that the run does not have keep what is said of them; applications, techniques\n"
    "and variants that no longer exist are dropped."
)


def add_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "results",
        nargs="*",
        type=Path,
        default=[working_dir()],
        metavar="RESULTS",
        help="a results.jsonl, or a folder that holds one (default: .harness, the last run)",
    )
    sub.add_argument(
        "--expectations",
        type=Path,
        default=EXPECTATIONS,
        metavar="FILE",
        help="the baseline to change and write (default: harness/baseline/expectations.txt, "
        "the one of this package)",
    )
    sub.add_argument("--dry-run", action="store_true", help="print the change, write nothing")


def run(given: argparse.Namespace) -> Exit:
    import difflib

    from harness import records, techniques
    from harness.baseline import expectations
    from harness.failures import classify
    from harness.matrix import discovery

    old = expectations.read(given.expectations)
    found = records.latest(of_matrix(given.results))
    new = expectations.accept(old, found, classify.upstream_issues())
    names = {*(a.name for a in discovery.discover()), *(r.application for r in found.values())}
    known = [f"{a}-{t}-{v}" for a in names for t in techniques.registry() for v in VARIANTS]
    new.drop(new.stale(names, known))
    before, after = expectations.render(old), expectations.render(new)
    name = given.expectations.name
    if given.expectations.exists() and before == after:
        print(f"{name}: nothing changes")
        return Exit.AS_EXPECTED
    changes = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm="", n=0
    )
    print("\n".join(changes))
    if not given.dry_run:
        expectations.write(given.expectations, new)
    return Exit.AS_EXPECTED
