"""Comparing outcomes: one case with its baseline, and one run with another.

``classify`` is the only place that says what counts as a change; the expectations,
``harness diff`` and the reports all take their verdict from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from harness.records import Record
from harness.vocabulary import STAGES, Exit, Expectation, Status, exit_for

#: Status, stage and label: what a baseline pins.
Outcome = tuple[str, str, str | None]

#: Time changes below either bound are noise on a shared machine.
NOTABLE_FACTOR = 1.5
NOTABLE_SECONDS = 5.0

#: One mark per kind of change; read together they tell a whole diff.
MARKS: Mapping[Expectation, str] = {
    Expectation.REGRESSION: "!",
    Expectation.NEWLY_PASSING: "+",
    Expectation.CHANGED_LABEL: "~",
    Expectation.NEW: ">",
    Expectation.REMOVED: "<",
}

TITLES: Mapping[Expectation, str] = {
    Expectation.REGRESSION: "regressions",
    Expectation.NEWLY_PASSING: "newly passing",
    Expectation.CHANGED_LABEL: "changed labels",
    Expectation.NEW: "new",
    Expectation.REMOVED: "removed",
    Expectation.EXPECTED: "as expected",
}


def classify(
    expected: Outcome | None, actual: Outcome | None, *, until: str | None = None
) -> Expectation:
    """Say how an outcome compares with what was expected of the case.

    Args:
      expected: what the baseline says; None if it does not know the case.
      actual: what happened; None if the case no longer exists.
      until: the last stage that was asked for. A pass that stopped before the
        stage of an expected failure contradicts nothing.
    """
    if actual is None:
        return Expectation.REMOVED
    if Status.SKIPPED in (actual[0], expected and expected[0]):
        # What was not tried contradicts nothing.
        return Expectation.EXPECTED
    if expected is None:
        return Expectation.NEW
    passed_before, passes = expected[0] == Status.PASS, actual[0] == Status.PASS
    if passed_before and passes:
        return Expectation.EXPECTED
    if passed_before:
        return Expectation.REGRESSION
    if passes:
        early = until is not None and _position(until) < _position(expected[1])
        return Expectation.EXPECTED if early else Expectation.NEWLY_PASSING
    same = tuple(expected) == tuple(actual)
    return Expectation.EXPECTED if same else Expectation.CHANGED_LABEL


def _position(stage: str) -> int:
    """Where a stage stands; one this version does not know counts as the last."""
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


@dataclass(frozen=True)
class Change:
    """One case whose outcome differs between two runs."""

    case: str
    before: Outcome | None
    after: Outcome | None


@dataclass(frozen=True)
class TimeChange:
    """One case that passes in both runs and takes notably more or less time."""

    case: str
    before: float
    after: float

    @property
    def factor(self) -> float:
        return self.after / self.before


@dataclass(frozen=True)
class Diff:
    """Everything that differs between two runs, by kind, each list in case order.

    Attributes:
      unselected: how many cases only the older run has because the newer selected fewer
        columns or applications; they are no change.
    """

    regressions: tuple[Change, ...] = ()
    fixes: tuple[Change, ...] = ()
    changed: tuple[Change, ...] = ()
    new: tuple[Change, ...] = ()
    removed: tuple[Change, ...] = ()
    unchanged: int = 0
    unselected: int = 0
    times: tuple[TimeChange, ...] = ()

    def by_kind(self) -> dict[Expectation, tuple[Change, ...]]:
        """The changes under the word for their kind, the gravest kind first."""
        return {
            Expectation.REGRESSION: self.regressions,
            Expectation.NEWLY_PASSING: self.fixes,
            Expectation.CHANGED_LABEL: self.changed,
            Expectation.NEW: self.new,
            Expectation.REMOVED: self.removed,
        }

    @property
    def empty(self) -> bool:
        return not any(self.by_kind().values())


def compare(a: Mapping[str, Record], b: Mapping[str, Record]) -> Diff:
    """Compare two runs, given as their latest record per case; ``a`` is the older."""
    found: dict[Expectation, list[Change]] = {kind: [] for kind in Expectation}
    unselected = _unselected(a, b)
    for case in sorted({*a, *b} - unselected):
        before, after = a.get(case), b.get(case)
        change = Change(
            case, before.outcome() if before else None, after.outcome() if after else None
        )
        found[_kind(before, after)].append(change)
    return Diff(
        regressions=tuple(found[Expectation.REGRESSION]),
        fixes=tuple(found[Expectation.NEWLY_PASSING]),
        changed=tuple(found[Expectation.CHANGED_LABEL]),
        new=tuple(found[Expectation.NEW]),
        removed=tuple(found[Expectation.REMOVED]),
        unchanged=len(found[Expectation.EXPECTED]),
        unselected=len(unselected),
        times=_times(a, b),
    )


def _unselected(a: Mapping[str, Record], b: Mapping[str, Record]) -> set[str]:
    """Return the cases of ``a`` that ``b`` did not ask for; what else it has not is removed.

    Records do not say what was selected. A column without a case was not. In one with cases, an
    application without any is gone if half of the column is there, else it was not selected.
    """
    rows, columns = {r.application for r in b.values()}, {_column(r) for r in b.values()}
    before = Counter(_column(record) for record in a.values())
    both = Counter(_column(a[case]) for case in a.keys() & b.keys())
    covered = {column for column in before if 2 * both[column] >= before[column]}
    return {
        case
        for case, record in a.items()
        if case not in b
        and (column := _column(record)) not in covered
        and not (record.application in rows and column in columns)
    }


def _column(record: Record) -> tuple[str, str]:
    return record.technique, record.variant


def _kind(before: Record | None, after: Record | None) -> Expectation:
    if before and after and before.passed and _position(before.until) < _position(after.stage):
        # What happens in a stage that the older run was never asked for is no regression.
        return Expectation.EXPECTED if after.passed else Expectation.NEW
    return classify(
        before.outcome() if before else None,
        after.outcome() if after else None,
        until=after.until if after else None,
    )


def _times(a: Mapping[str, Record], b: Mapping[str, Record]) -> tuple[TimeChange, ...]:
    changes = []
    for case in sorted(a.keys() & b.keys()):
        before, after = a[case], b[case]
        measured = before.passed and after.passed and not before.reused and not after.reused
        # A run up to another stage takes another time, by design.
        if not measured or before.until != after.until:
            continue
        low, high = sorted((before.seconds, after.seconds))
        if low > 0 and high - low > NOTABLE_SECONDS and high / low > NOTABLE_FACTOR:
            changes.append(TimeChange(case, before.seconds, after.seconds))
    return tuple(sorted(changes, key=lambda t: (-abs(t.after - t.before), t.case)))


def exit_code(diff: Diff) -> Exit:
    """Return the exit code of ``harness diff``.

    A case that only the newer run has, and that does not pass there, is as grave as a
    regression.
    """
    if any(c.before is None and c.after and c.after[0] != Status.PASS for c in diff.new):
        return Exit.REGRESSION
    return exit_for(kind for kind, changes in diff.by_kind().items() if changes)


def describe(outcome: Outcome | None) -> str:
    """Say an outcome in a few words: ``pass``, ``fail in transform: nested-model``."""
    if outcome is None:
        return "absent"
    status, stage, label = outcome
    if status == Status.PASS:
        return str(status)
    where = f" in {stage}" if stage else ""
    return f"{status}{where}: {label}" if label else f"{status}{where}"


def transition(change: Change) -> str:
    """Say what a change went from and to, leaving out a side that does not exist."""
    if change.before is None:
        return describe(change.after)
    if change.after is None:
        return f"was {describe(change.before)}"
    return f"{describe(change.before)} -> {describe(change.after)}"


def counted(kind: str, count: int) -> str:
    """The words for ``count`` cases of a kind: ``regression``, ``newly passing``."""
    title = next((title for known, title in TITLES.items() if known == kind), kind)
    return title[:-1] if count == 1 and title.endswith("s") else title
