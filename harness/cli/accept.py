"""`harness accept`: what a run found becomes what is expected."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.paths import EXPECTATIONS, OWN_EXPECTATIONS, shown, working_dir
from harness.records.kinds import of_matrix
from harness.vocabulary import VARIANTS, Exit

if TYPE_CHECKING:
    from harness.records import Record

NAME = "accept"
SUMMARY = "make what a run found the new baseline, and print what changes"
MORE = (
    "Cases that the run does not have keep what is said of them; applications, techniques\n"
    "and variants that no longer exist are dropped. Applications of your own have a baseline of\n"
    f"their own: {OWN_EXPECTATIONS} in the current folder.\n"
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
        f"the one of this package; for applications of your own {OWN_EXPECTATIONS})",
    )
    sub.add_argument("--dry-run", action="store_true", help="print the change, write nothing")


def run(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.baseline.baselines import file_of

    by_file: dict[Path, dict[str, Record]] = {}
    for case, record in records.latest(of_matrix(given.results)).items():
        path = file_of(given.expectations, own=bool(record.constructor))
        by_file.setdefault(path, {})[case] = record
    for path, found in by_file.items() or {given.expectations: {}}.items():
        _accept(path, found, write=not given.dry_run)
    return Exit.AS_EXPECTED


def _accept(path: Path, found: Mapping[str, Record], *, write: bool) -> None:
    """Make records the baseline in a file, and print what changes."""
    import difflib

    from harness import techniques
    from harness.baseline import expectations
    from harness.failures import classify
    from harness.matrix import discovery

    old = expectations.read(path)
    new = expectations.accept(old, found, classify.upstream_issues())
    names = {*(a.name for a in discovery.discover()), *(r.application for r in found.values())}
    if path == OWN_EXPECTATIONS:  # what others there are of a user's own, nobody can tell
        names |= {*old.applications, *(_application(case) for case in old.lines)}
    known = [f"{a}-{t}-{v}" for a in names for t in techniques.registry() for v in VARIANTS]
    new.drop(new.stale(names, known))
    before, after = expectations.render(old), expectations.render(new)
    name = path.name
    if path.exists() and before == after:
        print(f"{name}: nothing changes")
        return
    changes = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm="", n=0
    )
    print("\n".join(changes))
    if write:
        expectations.write(path, new)
        if path == OWN_EXPECTATIONS:
            print(f"written: {shown(path)}, the baseline of your own applications")


def _application(case: str) -> str:
    """Return the application of a case whose technique is one that there is."""
    from harness import techniques

    name = case.rpartition("-")[0]
    endings = [f"-{one}" for one in sorted(techniques.registry(), key=len, reverse=True)]
    return next((name.removesuffix(one) for one in endings if name.endswith(one)), name)
