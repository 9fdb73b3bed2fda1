"""What differs between two runs: outcomes, by the baseline's rules, and numbers beyond noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from harness.baseline import compare as outcomes
from harness.baseline.compare import Diff, Outcome
from harness.changes.watched import (
    LABEL,
    NEW,
    REMOVED,
    STATUS,
    WATCHED,
    WORDS,
    Watched,
    machine,
)
from harness.records import Record
from harness.report import metrics
from harness.vocabulary import Exit, Expectation, Status


class Direction(str, Enum):
    """Which way a number went."""

    WORSE = "worse"
    BETTER = "better"
    OTHER = "other"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class NumberChange:
    """One number of one case that changed.

    Attributes:
      watched: the number.
      before, after: as the records have it; None: one does not have it.
      direction: which way it went. A number that is gone is worse, but for a time, which not every
        run takes; one that is new is other.
    """

    watched: Watched
    before: float | None
    after: float | None
    direction: Direction

    @property
    def size(self) -> float | None:
        """Return by how much: a ratio where ratios are compared, else a difference."""
        if self.before is None or self.after is None:
            return None
        if self.watched.factor:
            return self.after / self.before if self.before else None
        return self.after - self.before


@dataclass(frozen=True)
class CaseChange:
    """A case that is not what it was.

    Attributes:
      record: the newer one; of a case that is gone the older.
      before, after: the outcomes; None: that run does not have the case.
      kind: what the change of the outcome is.
      numbers: those that changed, in the order in which they are told.
    """

    record: Record
    before: Outcome | None
    after: Outcome | None
    kind: Expectation
    numbers: tuple[NumberChange, ...] = ()

    @property
    def case(self) -> str:
        return self.record.case

    @property
    def words(self) -> tuple[str, ...]:
        """Return what changed, in the words of the page's filter."""
        found = {one.watched.word for one in self.numbers}
        if self.before is None:
            found.add(NEW)
        elif self.after is None:
            found.add(REMOVED)
        else:
            found |= {STATUS} if self.before[0] != self.after[0] else set()
            found |= {LABEL} if self.kind is Expectation.CHANGED_LABEL else set()
        return tuple(word for word in WORDS if word in found)

    @property
    def outcome_worse(self) -> bool:
        """Whether the outcome alone is a regression; a new case that fails is one."""
        if self.kind in (Expectation.REGRESSION, Expectation.CHANGED_LABEL):
            return True
        fails_anew = self.before is None and self.after is not None
        return fails_anew and self.after[0] not in _NO_FAILURE  # type: ignore[index]

    @property
    def worse(self) -> bool:
        """Whether anything became worse."""
        return self.outcome_worse or any(n.direction is Direction.WORSE for n in self.numbers)

    @property
    def better(self) -> bool:
        """Whether something became better and nothing worse."""
        gained = self.kind is Expectation.NEWLY_PASSING or any(
            n.direction is Direction.BETTER for n in self.numbers
        )
        return gained and not self.worse


#: A new case with one of these has not failed.
_NO_FAILURE = (Status.PASS.value, Status.SKIPPED.value)


@dataclass(frozen=True)
class Changes:
    """Everything that differs between two runs.

    Attributes:
      cases: those that changed, what became worse first.
      unchanged: how many cases did not.
      diff: the outcomes alone, as `harness.baseline.compare` has them.
    """

    cases: tuple[CaseChange, ...]
    unchanged: int
    diff: Diff

    @property
    def worse(self) -> tuple[CaseChange, ...]:
        return tuple(one for one in self.cases if one.worse)

    @property
    def better(self) -> tuple[CaseChange, ...]:
        return tuple(one for one in self.cases if one.better)


def between(before: Mapping[str, Record], after: Mapping[str, Record]) -> Changes:
    """Compare two runs, given as their latest record per case.

    Cases that the newer run did not select are left out, as in `harness.baseline.compare`.
    """
    diff = outcomes.compare(before, after)
    kinds = {change.case: kind for kind, found in diff.by_kind().items() for change in found}
    cases = []
    for name in sorted({*kinds, *(before.keys() & after.keys())}):
        old, new = before.get(name), after.get(name)
        numbers = tuple(_numbers(old, new)) if old and new else ()
        change = CaseChange(
            record=new or old,  # type: ignore[arg-type]
            before=old.outcome() if old else None,
            after=new.outcome() if new else None,
            kind=kinds.get(name, Expectation.EXPECTED),
            numbers=numbers,
        )
        if name in kinds or numbers:
            cases.append(change)
    cases.sort(key=lambda one: (not one.worse, not one.better, not one.outcome_worse, one.case))
    with_numbers_only = sum(one.case not in kinds for one in cases)
    return Changes(tuple(cases), diff.unchanged - with_numbers_only, diff)


def _numbers(old: Record, new: Record) -> Iterator[NumberChange]:
    here = machine(old) == machine(new)
    told: set[str] = set()
    for watched in WATCHED:
        if watched.metric in told or (watched.same_machine and not here):
            continue
        change = _number(watched, old, new)
        if change is not None:
            told.add(watched.metric)
            yield change


def _number(watched: Watched, old: Record, new: Record) -> NumberChange | None:
    a, b = (watched.measure(record, watched.metric) for record in (old, new))
    before, after = (metrics.number(r.metrics.get(watched.metric)) for r in (old, new))
    if a is not None and b is not None:
        if not watched.differ(a, b):
            return None
        return NumberChange(watched, before, after, _direction(watched, a.value, b.value))
    # What a case has numbers of depends on how far it came: two that came as far have the same.
    if before is not None and after is None and _as_far(old, new):
        gone = Direction.OTHER if watched.is_time else Direction.WORSE
        return NumberChange(watched, before, None, gone)
    if before is None and after is not None and _as_far(old, new):
        return NumberChange(watched, None, after, Direction.OTHER)
    return None


def _as_far(old: Record, new: Record) -> bool:
    return old.passed and new.passed and old.until == new.until


def _direction(watched: Watched, before: float, after: float) -> Direction:
    if watched.better == metrics.NEUTRAL:
        return Direction.OTHER
    rises = after > before
    return Direction.BETTER if rises == (watched.better == metrics.HIGHER) else Direction.WORSE


def exit_code(changes: Changes, decides: str) -> Exit:
    """Return the exit code of a comparison.

    Args:
      changes: what differs.
      decides: ``none``: nothing; ``status``: outcomes and labels; ``metrics``: numbers too.
    """
    if decides == "none":
        return Exit.AS_EXPECTED
    code = outcomes.exit_code(changes.diff)
    if decides == "metrics" and code is not Exit.REGRESSION:
        if changes.worse:
            return Exit.REGRESSION
        if changes.better:
            return Exit.NEWLY_PASSING
    return code
