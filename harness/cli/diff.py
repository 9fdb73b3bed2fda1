"""`harness diff`: what is different between two runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.arguments import add_exit_code
from harness.records.kinds import of_matrix
from harness.vocabulary import Exit

NAME = "diff"
SUMMARY = "compare two runs: regressions, fixes, changed labels and numbers, new, removed"
MORE = (
    "Exits with 1 on a regression, a changed label or a new case that fails, with 3 where\n"
    "cases only newly pass; with --exit-code metrics also on numbers that became worse beyond\n"
    "their noise (1), or only better (3)."
)


def add_options(sub: argparse.ArgumentParser) -> None:
    what = "a results.jsonl, or a folder that holds one"
    sub.add_argument("before", type=Path, metavar="A", help=f"the older run: {what}")
    sub.add_argument("after", type=Path, metavar="B", help=f"the newer run: {what}")
    sub.add_argument("--markdown", action="store_true", help="print tables in Markdown")
    add_exit_code(sub, default="status")


def run(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.changes import compare, news
    from harness.report import diff

    before, after = (records.latest(of_matrix([path])) for path in (given.before, given.after))
    found = compare.between(before, after)
    told = news.numbers(found, before.values(), diff.MOST)
    to = diff.to_markdown if given.markdown else diff.to_text
    print(to(found.diff, told))
    return compare.exit_code(found, given.exit_code)
