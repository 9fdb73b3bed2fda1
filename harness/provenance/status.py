"""Which records hold for the code as it is here, which have lapsed, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.matrix.cases import Case
    from harness.provenance.codebase import Provenance
    from harness.provenance.lock import State
    from harness.records import Record

#: Of the libraries in a key, what a record's environment calls each.
_IN_ENVIRONMENT = {
    "tensorflow": "tensorflow",
    "tensorflow-model-optimization": "tfmot",
    "ai-edge-litert": "ai_edge_litert",
}


@dataclass
class ColumnStatus:
    """One technique and variant: how many of its records hold, and why the others do not.

    Attributes:
      because: the components and words of `Lapsed.because`, of all its records.
      seconds: wall clock that a run of the lapsed ones takes here.
    """

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


# --- what has lapsed, and why -----------------------------------------------------------------


def lapsed(found: Iterable[Record], states: Mapping[str, State], code: Provenance) -> list[Lapsed]:
    """Return the records that hold no more.

    Args:
      found: the records.
      states: what the code was when they were made, by id.
      code: what it is now.
    """
    from harness import techniques
    from harness.matrix import discovery, selection
    from harness.matrix.cases import Case
    from harness.provenance.keys import key_of, libraries
    from harness.provenance.reference import asked_for
    from harness.stages.workbench import Options
    from harness.vocabulary import UsageError

    rows = {one.name: one for one in discovery.discover()}
    columns = techniques.registry()
    versions = libraries()
    gone = []
    for record in found:
        own, asked = asked_for(record)
        try:
            row = selection.named(own[0]) if own else rows.get(record.application)
        except UsageError:  # its module is not here
            row = None
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


def why_lapsed(
    found: Iterable[Record], states: Mapping[str, State]
) -> Mapping[str, tuple[str, ...]]:
    """Return, by case, why its record holds no more for the code as it is here.

    Cases whose records hold are not among them.
    """
    from harness.provenance.codebase import here

    return {one.record.case: one.because for one in lapsed(found, states, here())}


def _changed(record: Record, case: Case, state: State | None, code: Provenance) -> list[str]:
    """Return the components that decide a case and are others now; and the technique if it is."""
    from harness.provenance.keys import ENDED_EARLY
    from harness.stages import up_to

    if state is None:
        return []
    reached = record.stage if record.status in ENDED_EARLY else record.until
    now = code.of_case(
        case.technique, up_to(reached, case.technique.stages, case.application.module)
    )
    why = [name for name, digest in now.items() if state.components.get(name) != digest]
    if state.techniques.get(case.technique.id) != code.technique(case.technique):
        why.append("technique")
    return why


def _differs(record: Record, library: str, version: str) -> bool:
    """Whether a record says that a library had another version."""
    then = record.environment.get(_IN_ENVIRONMENT.get(library, library))
    return then is not None and then != version


def columns(found: Iterable[Record], gone: Sequence[Lapsed], workers: int) -> list[ColumnStatus]:
    """Sum up by technique and variant, in the order of the registry; what is gone comes last."""
    from harness import techniques
    from harness.matrix.cases import DEFAULT_VARIANTS
    from harness.matrix.keras_package import is_converted
    from harness.vocabulary import VARIANTS

    rows: dict[tuple[str, str], ColumnStatus] = {}
    for record in found:
        key = (record.technique, record.variant)
        rows.setdefault(key, ColumnStatus(*key)).records += 1
    for technique, one in techniques.registry().items():
        if not techniques.fits(one, is_converted()):
            continue
        if not any(technique == known for known, _ in rows):
            for variant in DEFAULT_VARIANTS:
                rows[technique, variant] = ColumnStatus(technique, variant)
    for key, row in rows.items():
        mine = [one for one in gone if (one.record.technique, one.record.variant) == key]
        row.lapsed, row.hold = len(mine), row.records - len(mine)
        row.because = sorted({why for one in mine for why in one.because})
        row.seconds = round(duration_of(mine, workers), 1)
    order, variants = list(techniques.registry()), list(VARIANTS)
    return sorted(
        rows.values(),
        key=lambda row: (
            variants.index(row.variant) if row.variant in variants else len(variants),
            order.index(row.technique) if row.technique in order else len(order),
        ),
    )


def duration_of(gone: Sequence[Lapsed], workers: int) -> float:
    """Return how long a run of cases takes here: their share of the workers, or the longest."""
    seconds = [one.record.seconds for one in gone]
    return max(sum(seconds) / workers, max(seconds, default=0.0))
