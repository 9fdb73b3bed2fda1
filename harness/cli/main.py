"""The command line: ``harness`` or ``python -m harness``.

Every command that only reads records, sources or tables starts in well under a second:
nothing here imports TensorFlow, and pandas only where a report is written.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from harness import search
from harness.cli import (
    accept,
    bench,
    case,
    check,
    diff,
    explain,
    history,
    list_words,
    merge,
    publish,
    relabel,
    report,
    repro,
    results,
    run,
    status,
    summary,
)
from harness.vocabulary import STAGES, Exit, UsageError


class Command(Protocol):
    """A module with a command in it.

    Attributes:
      NAME: the word for it.
      SUMMARY: what it does, as the list of commands says it.
      MORE: what its help says after the options.
    """

    NAME: str
    SUMMARY: str
    MORE: str

    def add_options(self, sub: argparse.ArgumentParser) -> None: ...

    def run(self, given: argparse.Namespace) -> Exit: ...


#: In the order of `harness --help`. A new command is a module, and a word here.
COMMANDS: tuple[Command, ...] = (
    check,
    list_words,
    run,
    case,
    report,
    summary,
    status,
    merge,
    publish,
    results,
    diff,
    history,
    accept,
    relabel,
    explain,
    repro,
    bench,
)

EPILOG = f"""\
exit codes: 0 as expected · 1 regression, or a new case that fails · 2 usage ·
            3 newly passing only · 4 the harness failed · 130 interrupted
words: an application (MobileNetV2) x a technique (qat-tfmot) x a variant (notop, top) is a case,
MobileNetV2-qat-tfmot-notop; it goes through the stages
{", ".join(STAGES)} (convert: models of Keras 3 only).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = _parser()
    raw = list(sys.argv[1:] if arguments is None else arguments)
    if not raw:
        parser.print_help()
        return int(Exit.USAGE)
    given, more = parser.parse_known_args(raw)
    if more and not given.passes_on:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    given.more, given.raw = more, raw
    sys.path[:] = search.here_last(sys.path)
    try:
        code: Exit = given.run(given)
        sys.stdout.flush()
        return int(code)
    except UsageError as error:
        print(f"harness: {error}", file=sys.stderr)
        return int(Exit.USAGE)
    except BrokenPipeError:
        # The reader of our output has seen enough; what is left to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.AS_EXPECTED)
    except OSError as error:
        print(f"harness: {error}", file=sys.stderr)
        return int(Exit.USAGE)
    except KeyboardInterrupt:
        print("harness: interrupted", file=sys.stderr)
        return int(Exit.INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Which Keras application takes which optimization technique, and why not.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for one in COMMANDS:
        sub = commands.add_parser(
            one.NAME,
            help=one.SUMMARY,
            description=f"{one.SUMMARY[0].upper()}{one.SUMMARY[1:]}.",
            epilog=one.MORE or None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=one.run, passes_on=one is run)
        one.add_options(sub)
    return parser
