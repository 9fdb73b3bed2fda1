"""`harness summary`: what a run found, on the terminal."""

from __future__ import annotations

import argparse
import sys

from harness.cli.arguments import add_results
from harness.records.kinds import of_matrix
from harness.vocabulary import Exit

NAME = "summary"
SUMMARY = "print what a run found and exit as that run did"
MORE = ""


def add_options(sub: argparse.ArgumentParser) -> None:
    add_results(sub, many=True)


def run(given: argparse.Namespace) -> Exit:
    from harness import records
    from harness.report import terminal
    from harness.runs.conclude import exit_code

    latest = records.latest(of_matrix(given.results)).values()
    print(terminal.summary(latest, color=sys.stdout.isatty()))
    return exit_code(latest)
