"""`python -m harness status`: what of the published records holds for the code as it is here."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.vocabulary import Exit

if TYPE_CHECKING:
    from harness.matrix.cases import Case
    from harness.provenance.codebase import Provenance
    from harness.provenance.lock import State
    from harness.records import Record

SUMMARY = "show which records hold for the code and libraries as they are here, and which lapsed"

MORE = """\
A record carries a key: a digest of all that its outcome depends on. Where the code, the
libraries or the application here would come to another key, the record has lapsed: it says
nothing of this code, and its case has to be run again. Only a run gives a record its key.

because: the components of the code that have changed since (harness/provenance/components.py
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
  harness status --json              {"columns": [{"technique", "variant", "records", "hold",
                                     "lapsed", "because", "seconds"}]}; seconds: of a run of
                                     the lapsed ones
"""

#: Of the libraries in a key, what a record's environment calls each.
_IN_ENVIRONMENT = {
    "tensorflow": "tensorflow",
    "tensorflow-model-optimization": "tfmot",
    "ai-edge-litert": "ai_edge_litert",
}

#: Up to how many applications a command names; more: the whole column is run.
_NAMED = 8


@dataclass
class Column:
    """One technique and variant: how many of its records hold, and why the others do not."""

    technique: str
    variant: str
    records: int = 0
    hold: int = 0
    lapsed: int = 0
    because: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Lapsed:
    """A record that holds no more, and why."""

    record: Record
    because: tuple[str, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    from harness.paths import REPORTS

    parser.add_argument(
        "results",
        nargs="?",
        type=Path,
        default=REPORTS,
        metavar="RESULTS",
        help="a results.jsonl, or a folder that holds one (default: reports/ beside the harness "
        "package)",
    )
    parser.add_argument("--json", action="store_true", help="print columns as JSON, nothing else")


def run(given: argparse.Namespace) -> Exit:
    """Show the status as the command line says."""
    from harness import environment, records
    from harness.provenance import lock
    from harness.provenance.codebase import here
    from harness.records.kinds import of_matrix

    found = records.latest(of_matrix([given.results])).values()
    gone = lapsed(found, lock.read(given.results), here())
    workers = environment.worker_count()
    rows = columns(found, gone, workers)
    if given.json:
        print(json.dumps({"columns": [asdict(row) for row in rows]}))
    else:
        print(text(rows, gone, workers))
    return Exit.AS_EXPECTED


# --- what has lapsed, and why -----------------------------------------------------------------


def lapsed(found: Iterable[Record], states: Mapping[str, State], code: Provenance) -> list[Lapsed]:
    """Return the records that hold no more.

    Args:
      found: the records.
      states: what the code was when they were made, by id.
      code: what it is now.
    """
    from harness import techniques
    from harness.matrix import applications
    from harness.matrix.cases import Case
    from harness.provenance.keys import key_of, libraries
    from harness.provenance.reference import asked_for
    from harness.stages.workbench import Options

    rows = {one.name: one for one in applications.discover()}
    columns = techniques.registry()
    versions = libraries()
    gone = []
    for record in found:
        own, asked = asked_for(record)
        row = applications.named(own[0]) if own else rows.get(record.application)
        column = columns.get(record.technique)
        if row is None or column is None:
            missing = [("application", row), ("technique", column)]
            gone.append(Lapsed(record, tuple(word for word, one in missing if one is None)))
            continue
        case = Case(row, column, record.variant)
        if not asked and record.key == key_of(record, case, record.until, Options(), code):
            continue
        why = _changed(record, case, states.get(record.code), code)
        if any(_differs(record, name, version) for name, version in versions.items()):
            why.append("libraries")
        if asked:
            why.append("options")
        if not why:  # all else is as it was
            why.append("application" if record.code in states else "unrecorded")
        gone.append(Lapsed(record, tuple(why)))
    return gone


def _changed(record: Record, case: Case, state: State | None, code: Provenance) -> list[str]:
    """Return the components that decide a case and are others now; and the technique if it is."""
    from harness.provenance.keys import ENDED_EARLY
    from harness.stages import up_to

    if state is None:
        return []
    reached = record.stage if record.status in ENDED_EARLY else record.until
    now = code.of_case(case.technique, up_to(reached, case.technique.stages))
    why = [name for name, digest in now.items() if state.components.get(name) != digest]
    if state.techniques.get(case.technique.id) != code.technique(case.technique):
        why.append("technique")
    return why


def _differs(record: Record, library: str, version: str) -> bool:
    """Whether a record says that a library had another version."""
    then = record.environment.get(_IN_ENVIRONMENT.get(library, library))
    return then is not None and then != version


def columns(found: Iterable[Record], gone: Sequence[Lapsed], workers: int) -> list[Column]:
    """Sum up by technique and variant, in the order of the registry; what is gone comes last."""
    from harness import techniques
    from harness.matrix.cases import DEFAULT_VARIANTS
    from harness.vocabulary import VARIANTS

    rows: dict[tuple[str, str], Column] = {}
    for record in found:
        key = (record.technique, record.variant)
        rows.setdefault(key, Column(*key)).records += 1
    for technique in techniques.registry():
        if not any(technique == known for known, _ in rows):
            for variant in DEFAULT_VARIANTS:
                rows[technique, variant] = Column(technique, variant)
    for key, row in rows.items():
        mine = [one for one in gone if (one.record.technique, one.record.variant) == key]
        row.lapsed, row.hold = len(mine), row.records - len(mine)
        row.because = sorted({why for one in mine for why in one.because})
        row.seconds = round(_duration(mine, workers), 1)
    order, variants = list(techniques.registry()), list(VARIANTS)
    return sorted(
        rows.values(),
        key=lambda row: (
            variants.index(row.variant) if row.variant in variants else len(variants),
            order.index(row.technique) if row.technique in order else len(order),
        ),
    )


def _duration(gone: Sequence[Lapsed], workers: int) -> float:
    """Return how long a run of cases takes here: their share of the workers, or the longest."""
    seconds = [one.record.seconds for one in gone]
    return max(sum(seconds) / workers, max(seconds, default=0.0))


# --- text ---------------------------------------------------------------------------------------


def text(rows: Sequence[Column], gone: Sequence[Lapsed], workers: int) -> str:
    """Return the status as aligned text, and what to do next."""
    from harness.runs.progress import duration

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
            f"To run these takes about {duration(_duration(gone, workers))} here, {at_once}:"
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
    from harness.matrix import applications

    known = techniques.registry()
    rows = {one.name for one in applications.discover()}
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
