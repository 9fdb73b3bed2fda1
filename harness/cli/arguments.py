"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def add_table(
    sub: argparse.ArgumentParser | argparse._ArgumentGroup, table: Mapping[str, Mapping[str, Any]]
) -> None:
    for name, settings in table.items():
        sub.add_argument(name, **settings)


def add_results(sub: argparse.ArgumentParser, *, many: bool) -> None:
    sub.add_argument(
        "results",
        nargs="+" if many else None,
        type=Path,
        metavar="RESULTS",
        help="a results.jsonl, or a folder that holds one",
    )
