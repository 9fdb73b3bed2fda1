"""Failures that are the same defect, together; and which techniques are an answer to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness import techniques
from harness.records import Record
from harness.vocabulary import Status

#: Statuses of cases that were tried and did not pass.
FAILED = (Status.FAIL, Status.CRASH, Status.OOM, Status.TIMEOUT, Status.ERROR)


@dataclass(frozen=True)
class Defect:
    """Cases that failed in the same way.

    Attributes:
      label: what it is called.
      fingerprint: the message without names and numbers, and the frame at fault.
      records: of the cases.
    """

    label: str
    fingerprint: str
    records: tuple[Record, ...]

    def named(self, most: int) -> str:
        """Name a few of the cases, and say how many there are more."""
        names = [r.case for r in self.records[:most]]
        left = len(self.records) - len(names)
        return ", ".join([*names, *([f"{left} more"] if left else [])])


def defects(records: Iterable[Record]) -> list[Defect]:
    """Group failures by what they have in common, the most frequent first."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.status in FAILED:
            key = (record.label or "", record.fingerprint or "")
            found.setdefault(key, []).append(record)
    groups = [Defect(*key, tuple(members)) for key, members in found.items()]
    return sorted(groups, key=lambda one: (-len(one.records), one.label, one.fingerprint))


@dataclass(frozen=True)
class Answer:
    """A technique that answers failures of others, and how it fares where these failed."""

    technique: str
    passed: int
    cases: int
    covers: tuple[str, ...]


def answers(failures: Sequence[Record], known: Mapping[str, Record]) -> list[Answer]:
    """Return the techniques that are an answer to those that failed.

    Args:
      failures: records of the cases that failed.
      known: the last record of each case, by case id.
    """
    found = []
    failed = {r.technique for r in failures}
    for technique in techniques.registry().values():
        covers = tuple(name for name in getattr(technique, "answers", ()) if name in failed)
        cells = {(r.application, r.variant) for r in failures if r.technique in covers}
        there = [known.get(f"{name}-{technique.id}-{variant}") for name, variant in cells]
        tried = [r for r in there if r is not None and r.status != Status.SKIPPED]
        if tried and technique.id not in failed:
            passed = sum(r.passed for r in tried)
            found.append(Answer(technique.id, passed, len(tried), covers))
    return found
