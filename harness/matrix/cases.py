"""Cases: application x technique x variant, their ids, selection and order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness import techniques
from harness.matrix import discovery, selection
from harness.matrix.application import Application
from harness.techniques import Technique, fits
from harness.vocabulary import CONTROL, STAGES, VARIANTS, UsageError, unknown

DEFAULT_VARIANTS = ("notop",)


@dataclass(frozen=True)
class Case:
    """One cell of the matrix."""

    application: Application
    technique: Technique = field(compare=False)
    variant: str
    technique_id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "technique_id", self.technique.id)

    @property
    def id(self) -> str:
        return f"{self.application.name}-{self.technique.id}-{self.variant}"

    @property
    def control(self) -> str:
        """The id of the case that has to pass for this one to mean anything."""
        return f"{self.application.name}-{CONTROL}-{self.variant}"

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True)
class Selection:
    """What to run, in words; empty means the default."""

    applications: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    until: str = STAGES[-1]

    def is_default(self) -> bool:
        return self == Selection()

    def cases(self) -> list[Case]:
        """Return the selected cases.

        Raises:
          UsageError: a word matches nothing; the message names the nearest.
        """
        check_stage(self.until)
        variants = self.variants or DEFAULT_VARIANTS
        for variant in variants:
            if variant not in VARIANTS:
                raise unknown("variant", variant, VARIANTS)
        rows = selection.select(self.applications)
        chosen = {
            kind: techniques.select(self.techniques, converted=kind)
            for kind in dict.fromkeys(a.is_converted for a in rows)
        }
        return [
            Case(a, t, v)
            for a in rows
            for v in dict.fromkeys(variants)
            for t in chosen[a.is_converted]
        ]


def check_stage(stage: str) -> str:
    """Return ``stage``; raise a UsageError naming the nearest if there is none."""
    if stage not in STAGES:
        raise unknown("stage", stage, STAGES)
    return stage


def parse(case_id: str, own_applications: Iterable[str] = ()) -> Case:
    """Return the case an id names.

    Args:
      case_id: ``APPLICATION-TECHNIQUE-VARIANT``.
      own_applications: where a constructor of one's own is, as ``package.module:function``.

    Raises:
      UsageError: there is no such case; the message names the nearest ids.
    """
    rows = {a.name: a for a in discovery.discover()}
    rows.update((a.name, a) for a in map(selection.named, own_applications))
    columns = techniques.registry()
    # Both an application's name and a technique's id may hold hyphens: the longest
    # technique id that ends the rest is the one that was meant.
    rest, _, variant = case_id.rpartition("-")
    for technique in sorted(columns, key=len, reverse=True):
        name = rest.removesuffix(f"-{technique}")
        row = rows.get(name) if name != rest and variant in VARIANTS else None
        if row is not None and fits(columns[technique], row.is_converted):
            return Case(row, columns[technique], variant)
    raise unknown(
        "case",
        case_id,
        (
            f"{a}-{t.id}-{v}"
            for a, row in rows.items()
            for t in techniques.select(converted=row.is_converted)
            for v in VARIANTS
        ),
    )


def in_order(cases: Iterable[Case], seconds: Mapping[str, float]) -> list[Case]:
    """Order cases for running: controls first, then the longest first.

    Controls go first because a failed control blocks its row; the longest first
    because a long case started last leaves all workers but one idle.

    Args:
      cases: the selected cases.
      seconds: wall seconds expected, by case id; others count as unknown and go before
        all known ones of their group.
    """
    return sorted(
        cases,
        key=lambda c: (c.technique.id != CONTROL, -seconds.get(c.id, math.inf), c.id),
    )


def shard(cases: Sequence[Case], seconds: Mapping[str, float], part: int, parts: int) -> list[Case]:
    """Return the cases of one of several machines; together they have each case once.

    Rows stay whole, because a control decides over its row, and are dealt out so that
    every machine gets about the same time to spend.

    Args:
      cases: all of them, the same on every machine.
      seconds: wall seconds by case id, from earlier runs.
      part: which one, counted from 1.
      parts: of how many.
    """
    usual = sorted(seconds.values())[len(seconds) // 2] if seconds else 1.0
    rows: dict[str, list[Case]] = {}
    for case in cases:
        rows.setdefault(case.control, []).append(case)
    cost = {row: sum(seconds.get(c.id, usual) for c in found) for row, found in rows.items()}
    loads = [0.0] * parts
    mine: list[Case] = []
    for row in sorted(rows, key=lambda r: (-cost[r], r)):
        lightest = loads.index(min(loads))
        loads[lightest] += cost[row]
        if lightest == part - 1:
            mine += rows[row]
    return mine


def parse_shard(text: str) -> tuple[int, int]:
    """Return part and parts of ``2/4``.

    Raises:
      UsageError: the text does not read so, or there is no such part.
    """
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise UsageError(f"--shard {text}: must read PART/PARTS, e.g. 1/4")
    return int(part), int(parts)


def smoke(
    cases: Sequence[Case], rows: Mapping[str, object], sizes: Mapping[str, float]
) -> set[str]:
    """Return the applications that stand for all: the smallest of each kind.

    A kind is a family together with how its row is expected to turn out, so that two
    members of a family that fail differently are both there.

    Args:
      cases: candidates.
      rows: by application, anything hashable that tells its expected row.
      sizes: by application, its number of parameters; unknown ones count as large.
    """
    best: dict[tuple[str, object], tuple[float, str]] = {}
    for case in cases:
        name = case.application.name
        entry = (sizes.get(name, math.inf), name)
        kind = (case.application.family, rows.get(name))
        best[kind] = min(best.get(kind, entry), entry)
    return {name for _, name in best.values()}
