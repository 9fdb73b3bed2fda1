"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.paths import REPORTS


def add_table(
    sub: argparse.ArgumentParser | argparse._ArgumentGroup, table: Mapping[str, Mapping[str, Any]]
) -> None:
    for name, settings in table.items():
        sub.add_argument(name, **settings)


_RESULTS = "a results.jsonl, or a folder that holds one"


def add_results(sub: argparse.ArgumentParser, *, many: bool) -> None:
    nargs = "+" if many else None
    sub.add_argument("results", nargs=nargs, type=Path, metavar="RESULTS", help=_RESULTS)


def add_published(sub: argparse.ArgumentParser) -> None:
    """Add the records that a command looks at: unless said otherwise, the published ones."""
    where = f"{_RESULTS} (default: reports/ beside the harness package)"
    sub.add_argument(
        "results", nargs="?", type=Path, default=REPORTS, metavar="RESULTS", help=where
    )


def add_exit_code(sub: argparse.ArgumentParser, *, default: str) -> None:
    """Add what decides the exit code of a comparison with another run."""
    sub.add_argument(
        "--exit-code",
        choices=("none", "status", "metrics"),
        default=default,
        help="what the comparison decides the exit code by: nothing, outcomes and labels, or "
        "numbers beyond their noise as well (default: %(default)s)",
    )
