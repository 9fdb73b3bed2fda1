"""`harness list`: the words that other commands take."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.arguments import add_table
from harness.runs import options
from harness.vocabulary import STAGES, VARIANTS, Exit, UsageError

if TYPE_CHECKING:
    from harness.techniques import Technique

NAME = "list"
SUMMARY = "show the cases a run would have"
MORE = (
    "examples:\n"
    "  harness list --techniques prune\n"
    "  harness list --what techniques\n"
    "  harness list --status --techniques qat-tfmot"
)


def add_options(sub: argparse.ArgumentParser) -> None:
    add_table(sub, options.SELECTION)
    sub.add_argument(
        "--what",
        choices=("cases", "applications", "families", "techniques", "variants", "stages", "labels"),
        default="cases",
        help="the words to list (default: %(default)s, the ids that `harness case` takes)",
    )
    sub.add_argument(
        "--status", action="store_true", help="show what is known of each case from the records"
    )
    sub.add_argument(
        "--results",
        type=Path,
        metavar="RESULTS",
        help="the records that --status looks at (default: reports/ beside the harness package)",
    )


def run(given: argparse.Namespace) -> Exit:
    from harness.matrix import selection
    from harness.matrix.cases import Selection

    words = (
        options.split(given.applications),
        options.split(given.techniques),
        options.split(given.variants),
    )
    if given.status and given.what != "cases":
        raise UsageError(f"--status is about cases, not {given.what}")
    if given.what == "cases":
        rows = [case.id for case in Selection(*words).cases()]
        if given.status:
            rows = _with_status(rows, given.results)
    elif given.what in ("applications", "families"):
        chosen = selection.select(words[0])
        if given.what == "applications":
            rows = [f"{a.name:<20} {a.family}" for a in chosen]
        else:
            rows = list(dict.fromkeys(a.family for a in chosen))
    elif given.what == "techniques":
        rows = [f"{t.id:<15} {t.owner:<17} {t.title}" for t in _columns(words[1])]
    elif given.what == "variants":
        rows = [f"{name:<6} {meaning}" for name, meaning in VARIANTS.items()]
    elif given.what == "stages":
        rows = list(STAGES)
    else:
        from harness.failures.classify import BY_NAME

        rows = [f"{e.name:<24} {e.cause}" for e in BY_NAME.values()]
    print("\n".join(rows))
    return Exit.AS_EXPECTED


def _columns(words: tuple[str, ...]) -> tuple[Technique, ...]:
    """Return the columns that words name; without any, also those that a run has on request."""
    from harness import techniques
    from harness.matrix.keras_package import is_converted

    converted = is_converted()
    every = [t.id for t in techniques.registry().values() if techniques.fits(t, converted)]
    return techniques.select(words or every, converted=converted)


def _with_status(cases: Sequence[str], folder: Path | None) -> list[str]:
    """Return cases with what is known of them: the outcome, what blocks, and when that was."""
    from harness import paths, records
    from harness.runs.progress import outcome_text

    try:
        known = records.read(folder or paths.REPORTS).latest()
    except records.RecordError as error:
        raise UsageError(str(error)) from error
    width = max(map(len, cases), default=0)
    rows = []
    for case in cases:
        record = known.get(case)
        if record is None:
            rows.append(f"{case:<{width}}  not known")
            continue
        blocker = f", {record.blocker}" if record.blocker else ""
        date = str((record.reused or {}).get("date") or record.started)[:10]
        rows.append(f"{case:<{width}}  {outcome_text(record)}{blocker}  {date}".rstrip())
    return rows
