"""`harness repro`: the smallest script that shows a failure without this project."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.vocabulary import Exit, UsageError, unknown

if TYPE_CHECKING:
    from harness.records import Record
    from harness.repro.candidates import Candidate

NAME = "repro"
SUMMARY = "write the smallest script that shows a failure of what is shipped, without this project"
MORE = (
    "Models are tried from the smallest to the application itself, each in a process of its own;\n"
    "the first that fails as the case did is written. Exits with 1 where none does.\n\n"
    "example:\n"
    "  harness repro ConvNeXtTiny-qat-tfmot-notop -o nested.py"
)


def add_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("case", metavar="CASE", help="APPLICATION-TECHNIQUE-VARIANT")
    sub.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the script there")
    sub.add_argument(
        "--results",
        type=Path,
        metavar="RESULTS",
        help="records that say how the case fails (default: reports/ beside the harness package)",
    )


def run(given: argparse.Namespace) -> Exit:
    import sys

    from harness import paths
    from harness.records.kinds import of_matrix
    from harness.repro import search

    known = {r.case: r for r in of_matrix([given.results or paths.REPORTS])}
    if given.case not in known:
        raise unknown("case", given.case, known)
    record = known[given.case]
    search.refuse_others(record)
    found = search.find(record, _candidates(record))
    if found is None:
        print(f"no script of a few lines fails as {record.case} did", file=sys.stderr)
        return Exit.REGRESSION
    if given.output:
        try:
            given.output.write_text(found.script, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write to {given.output}: {error.strerror}") from error
    else:
        print(found.script, end="")
    count = f"{found.tried} {'candidate' if found.tried == 1 else 'candidates'} tried"
    print(f"shown by {found.candidate.says}; {count}", file=sys.stderr)
    return Exit.AS_EXPECTED


def _candidates(record: Record) -> Iterator[Candidate]:
    from harness.matrix import cases
    from harness.provenance.reference import asked_for
    from harness.repro import candidates, search

    application = cases.parse(record.case, asked_for(record)[0]).application
    module, function = application.module, application.function
    yield from candidates.by_label(record.label)
    yield from candidates.of_layers(search.layers_of(record, module, function))
    yield from candidates.of_application(module, function, record.variant)
