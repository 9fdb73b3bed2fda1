"""`harness diff`: what is different between two runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.records.kinds import of_matrix
from harness.vocabulary import Exit

NAME = "diff"
SUMMARY = "compare two runs: regressions, fixes, changed labels, new, removed"
MORE = (
    "Exits with 1 on a regression, a changed label or a new case that fails, with 3 where\n"
    "cases only newly pass."
)


def add_options(sub: argparse.ArgumentParser) -> None:
    what = "a results.jsonl, or a folder that holds one"
    sub.add_argument("before", type=Path, metavar="A", help=f"the older run: {what}")
    sub.add_argument("after", type=Path, metavar="B", help=f"the newer run: {what}")
    sub.add_argument("--markdown", action="store_true", help="print tables in Markdown")


def run(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.baseline import compare
    from harness.report import diff

    before, after = (records.latest(of_matrix([path])) for path in (given.before, given.after))
    found = compare.compare(before, after)
    print(diff.to_markdown(found) if given.markdown else diff.to_text(found))
    return compare.exit_code(found)
