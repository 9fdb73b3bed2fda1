"""What runs next: the order of the cases of a run, as pure logic.

Cases come in rows: those of one application and variant, of which the control goes first.
A worker stays with its row, because what the cases of a row share is made once. New rows
are taken from both ends: every other worker takes the smallest, so that there is something
to see soon, the others the longest, so that no long row is left for the end. Who finds no
row left helps with the one that has the most to do.

A case that does not fit into memory is passed over. If that goes on for too long, or if the case
would be left to end the run alone, it gets its turn: until it starts, only cases start that should
be done before those that run now are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from harness.execution.jobs import Job

#: After so many seconds of being passed over, a case gets its turn.
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Task:
    """A job, how long it should take, and the case that has to be done before it, if any."""

    job: Job
    seconds: float
    after: str | None = None


@dataclass
class _Row:
    """What is left of the cases of one group."""

    tasks: dict[str, Task] = field(default_factory=dict)
    seconds: float = 0.0
    begun: bool = False

    def add(self, task: Task) -> None:
        self.tasks[task.job.case] = task
        self.seconds += task.seconds

    def remove(self, case: str) -> None:
        self.seconds -= self.tasks.pop(case).seconds


@dataclass
class _Slot:
    """A worker, as far as the queue has to know it."""

    takes_longest: bool
    group: str | None = None  # of its last case
    task: Task | None = None
    since: float = 0.0

    def remaining(self, now: float) -> float:
        return max(0.0, self.since + self.task.seconds - now) if self.task else 0.0


class Queue:
    """The cases that are left, and which of them is next.

    Args:
      tasks: the cases.
      workers: how many run at once.
      patience: seconds that a case may be passed over for want of memory.
    """

    def __init__(
        self, tasks: Iterable[Task], workers: int, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._rows: dict[str, _Row] = {}
        self._groups: dict[str, str] = {}
        for task in tasks:
            self._groups[task.job.case] = task.job.group
            self._rows.setdefault(task.job.group, _Row()).add(task)
        self._open = set(self._groups)  # neither done nor dropped
        self._slots: list[_Slot] = []
        self._patience = patience
        self._passed: dict[str, float] = {}  # since when a case has been passed over
        self._turn: tuple[Task, float] | None = None  # whose it is, and when others must be done
        self.resize(max(1, workers))

    def __len__(self) -> int:
        """Return how many cases have not been taken."""
        return sum(len(row.tasks) for row in self._rows.values())

    def resize(self, workers: int) -> None:
        """Note that there are more workers than there were."""
        for number in range(len(self._slots), workers):
            self._slots.append(_Slot(takes_longest=number % 2 == 1))

    def drop(self, case: str) -> None:
        """Leave out a case that need not be run any more."""
        self._remove(case)
        self._open.discard(case)

    def done(self, case: str) -> None:
        """Note that a case that was taken has ended."""
        self._open.discard(case)
        for slot in self._slots:
            if slot.task is not None and slot.task.job.case == case:
                slot.task = None

    def take(self, now: float, fits: Callable[[Job], bool]) -> Job | None:
        """Return the job to start now, which counts as running from here on.

        Args:
          now: seconds, of any clock.
          fits: whether there is memory for a job now.

        Returns:
          None if nothing can start before something ends.
        """
        idle = [slot for slot in self._slots if slot.task is None]
        if not idle:
            return None
        self._give_turn(now)
        found = self._first(now, idle, fits)
        if found is None:
            return None
        slot, task = found
        slot.task, slot.group, slot.since = task, task.job.group, now
        self._rows[task.job.group].begun = True
        self._remove(task.job.case)
        return task.job

    def _remove(self, case: str) -> None:
        self._rows[self._groups[case]].remove(case)
        self._passed.pop(case, None)
        if self._turn is not None and self._turn[0].job.case == case:
            self._turn = None

    # -- memory -----------------------------------------------------------------------------

    def _first(
        self, now: float, idle: list[_Slot], fits: Callable[[Job], bool]
    ) -> tuple[_Slot, Task] | None:
        """Return the first candidate that may start, and note those that are passed over."""
        by = None
        if self._turn is not None:
            task, by = self._turn
            if fits(task.job):
                return idle[0], task
        for slot, task in self._candidates(idle):
            if by is not None and now + task.seconds > by:
                continue
            if fits(task.job):
                return slot, task
            self._passed.setdefault(task.job.case, now)
        return None

    def _give_turn(self, now: float) -> None:
        """See whether one that has been passed over may not be any longer."""
        if self._turn is not None or not self._passed:
            return
        share = self._left(now) / len(self._slots)
        for case, since in self._passed.items():
            task = self._rows[self._groups[case]].tasks[case]
            if now - since >= self._patience or task.seconds >= share:
                by = now + max(slot.remaining(now) for slot in self._slots)
                self._turn = task, by
                return

    def _left(self, now: float) -> float:
        """Return the seconds of work that are left, of running cases too."""
        return sum(row.seconds for row in self._rows.values()) + sum(
            slot.remaining(now) for slot in self._slots
        )

    # -- order ------------------------------------------------------------------------------

    def _candidates(self, idle: list[_Slot]) -> Iterator[tuple[_Slot, Task]]:
        """Yield what may start on which worker, the best first."""
        for slot in idle:  # rows go on where they were
            for task in self._eligible(slot.group):
                yield slot, task
        slot = idle[0]
        for group in [*self._fresh(slot), *self._begun()]:
            for task in self._eligible(group):
                yield slot, task

    def _eligible(self, group: str | None) -> list[Task]:
        """Return what may start of a row: its control first, then the longest case."""
        row = self._rows.get(group or "")
        if row is None or not row.tasks:
            return []
        ready = (task for task in row.tasks.values() if task.after not in self._open)
        return sorted(ready, key=lambda task: (task.after is not None, -task.seconds))

    def _fresh(self, slot: _Slot) -> list[str]:
        """Return the rows that nobody has begun, in the order in which a worker takes them."""
        rows = {name: row for name, row in self._rows.items() if row.tasks and not row.begun}
        found = sorted(rows, key=lambda name: (rows[name].seconds, name))
        return found[::-1] if found and self._wants_longest(slot, rows[found[-1]]) else found

    def _wants_longest(self, slot: _Slot, longest: _Row) -> bool:
        """Whether a worker takes the longest row next, or else the smallest.

        Whoever takes the smallest does not while a row is left that is more than the fair
        share of a worker. The very first case of a run is a small one all the same.
        """
        if slot.takes_longest:
            return True
        at_work = any(other.task is not None for other in self._slots)
        left = sum(row.seconds for row in self._rows.values())
        return at_work and longest.seconds >= left / len(self._slots)

    def _begun(self) -> list[str]:
        """Return the rows that others are at, those with the most to do for each of them first."""
        at_work: dict[str, int] = {}
        for slot in self._slots:
            if slot.task is not None:
                at_work[slot.task.job.group] = at_work.get(slot.task.job.group, 0) + 1
        rows = {name: row for name, row in self._rows.items() if row.tasks and row.begun}
        return sorted(rows, key=lambda n: (-rows[n].seconds / (1 + at_work.get(n, 0)), n))
