"""`harness status`: what of the published records holds for the code as it is here."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from harness.cli.arguments import add_published
from harness.provenance.status import ColumnStatus, Lapsed, duration_of
from harness.runs.progress import duration
from harness.vocabulary import Exit

#: Up to how many applications a command names; more: the whole column is run.
_NAMED = 8

NAME = "status"
SUMMARY = "show which records hold for the code and libraries as they are here, and which lapsed"

MORE = """\
A record carries a key: a digest of all that its outcome depends on. Where the code, the
libraries or the application here would come to another key, the record has lapsed: it says
nothing of this code, and its case has to be run again. Only a run gives a record its key.

because: the components of the code that have changed since (harness/techniques/components.py
tells what each is), or
  libraries    TensorFlow, tf_keras, tfmot or LiteRT has another version here
  application  the source that the model is built from has changed, or is gone
  technique    the technique's own class or a setting of it has changed, or is gone
  options      the run had other options than the default
  unrecorded   the record does not say which state of the code it was run with

Reads records and sources, writes nothing, and needs no TensorFlow.

examples:
  harness status                     the published run
  harness status .harness            what the last run left
  harness status --covers qat        which files the keys of a technique cover
  harness status --json              {"columns": [{"technique", "variant", "records", "hold",
                                     "lapsed", "because", "seconds"}]}; seconds: of a run of
                                     the lapsed ones
"""


def add_options(sub: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    add_published(sub)
    sub.add_argument("--json", action="store_true", help="print columns as JSON, nothing else")
    sub.add_argument(
        "--covers",
        metavar="TECHNIQUE",
        help="print the files that the keys of a technique cover, and of each how many definitions",
    )


def run(given: argparse.Namespace) -> Exit:
    """Show the status as the command line says."""
    from harness import environment, records
    from harness.provenance import lock, status
    from harness.provenance.codebase import here
    from harness.records.kinds import of_matrix

    if given.covers:
        print("\n".join(covered(given.covers)))
        return Exit.AS_EXPECTED
    found = records.latest(of_matrix([given.results])).values()
    gone = status.lapsed(found, lock.read(given.results), here())
    workers = environment.worker_count()
    rows = status.columns(found, gone, workers)
    if given.json:
        print(json.dumps({"columns": [asdict(row) for row in rows]}))
    else:
        print(text(rows, gone, workers))
    return Exit.AS_EXPECTED


def covered(technique: str) -> list[str]:
    """Return the files that the keys of a technique cover, a line each.

    Raises:
      UsageError: there is no such technique.
    """
    from harness import techniques
    from harness.matrix.keras_package import is_converted
    from harness.provenance.codebase import here

    (one,) = techniques.select([technique], converted=is_converted())
    code = here()
    count = Counter(statement.module for statement in code.everything(one).statements)
    lines = []
    for module, definitions in sorted(count.items()):
        source = code.code.sources.read(module)
        ending = "/__init__.py" if source is not None and source.is_package else ".py"
        lines.append(f"{definitions:>4}  {module.replace('.', '/')}{ending}")
    return lines


def text(rows: Sequence[ColumnStatus], gone: Sequence[Lapsed], workers: int) -> str:
    """Return the status as aligned text, and what to do next."""
    heads = ("technique", "variant", "records", "hold", "lapsed", "a run takes", "because")
    table = [
        (
            *(row.technique, row.variant, str(row.records), str(row.hold), str(row.lapsed)),
            duration(row.seconds) if row.lapsed else "",
            ", ".join(row.because),
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in (heads, *table)) for i in range(len(heads))]
    lines = []
    for line in (heads, *table):
        cells = [
            cell.rjust(width) if 2 <= place <= 5 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    total, held = sum(row.records for row in rows), sum(row.hold for row in rows)
    lines += ["", f"{total} records: {held} hold, {len(gone)} have lapsed."]
    if gone:
        at_once = "one case at a time" if workers == 1 else f"{workers} cases at once"
        lines.append(
            f"To run these takes about {duration(duration_of(gone, workers))} here, {at_once}:"
        )
        lines += [f"  {command}" for command in commands(gone)]
    empty = [row.technique for row in rows if not row.records]
    if empty:
        lines.append("Techniques that have no records yet:")
        lines.append(f"  python -m harness run --techniques {','.join(empty)} --results {_FOLDER}")
        if not gone:
            lines.append(f"  {_PUBLISH}")
    if not gone and not empty:
        lines.append("Nothing has to be run.")
    return "\n".join(lines)


_FOLDER = ".harness/lapsed"
_PUBLISH = f"python -m harness publish {_FOLDER}"


def commands(gone: Iterable[Lapsed]) -> list[str]:
    """Return the commands that run what has lapsed, and publish it."""
    from harness import techniques
    from harness.matrix import discovery

    known = techniques.registry()
    rows = {one.name for one in discovery.discover()}
    named: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    cells: dict[tuple[str, str], set[str]] = {}
    for one in gone:
        record = one.record
        if record.technique in known and record.application in rows:
            cells.setdefault((record.variant, record.technique), set()).add(record.application)
    for (variant, technique), found in sorted(cells.items()):
        few = tuple(sorted(found)) if len(found) <= _NAMED else ()
        named.setdefault((variant, few), []).append(technique)
    told: list[str] = []
    for (variant, few), columns in named.items():
        ordered = [technique for technique in known if technique in columns]
        words = f"python -m harness run --techniques {','.join(ordered)} --variants {variant}"
        words += f" --applications {','.join(few)}" if few else ""
        told.append(f"{words} --results {_FOLDER}{'' if not told else ' --resume'}")
    return [*told, _PUBLISH] if told else []
