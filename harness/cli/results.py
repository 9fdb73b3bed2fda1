"""`harness results`: the document of results, from the published records."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.arguments import add_published
from harness.paths import REPORTS
from harness.vocabulary import Exit, UsageError

NAME = "results"
SUMMARY = "write docs/results.md from the published records, or check that it is what they say"

MORE = """\
Reads the records of the matrix, and those of the training benchmark in the folder bench/
beside them if there is one. `harness publish` writes the document too, where it publishes
into reports/. Exits with 1 if --check finds another document.

examples:
  harness results                          after the training benchmark was run anew
  harness results --check
  harness results .harness -o results.md   of the last run
"""


def add_options(sub: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    add_published(sub)
    sub.add_argument("--check", action="store_true", help="write nothing, compare")
    sub.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the document (default: docs/results.md beside the harness package)",
    )


def run(given: argparse.Namespace) -> Exit:
    """Write or check the document as the command line says."""
    from harness.paths import shown
    from harness.runs import results_page

    page = given.output or results_page.page_of(REPORTS)
    if given.check:
        return _check(given, page)
    try:
        results_page.renew(given.results, page)
    except OSError as error:
        raise UsageError(f"cannot write {page}: {error.strerror}") from error
    print(shown(page))
    return Exit.AS_EXPECTED


def _check(given: argparse.Namespace, page: Path) -> Exit:
    import shlex

    from harness.paths import interpreter, shown
    from harness.runs import results_page

    said = results_page.text(given.results).encode()
    if page.is_file() and page.read_bytes() == said:
        print(f"{shown(page)} is what the records say")
        return Exit.AS_EXPECTED
    words = [word for word in given.raw if word != "--check"]
    print(
        f"{shown(page)} is {'not what the records say' if page.exists() else 'not there'}: write "
        f"it with {interpreter()} -m harness {shlex.join(words)}"
    )
    return Exit.REGRESSION
