"""The loop: takes cases off the queue, has them run, and makes their records."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from types import MappingProxyType

from harness.execution.jobs import Done, Executor, Job
from harness.execution.queue import Queue, Task
from harness.matrix.cases import Case
from harness.provenance.costs import UNKNOWN_SECONDS
from harness.records import Record
from harness.runs import stamps
from harness.runs.recorder import Recorder
from harness.vocabulary import CONTROL

#: How long to wait at once for something to end: how soon an interrupt is seen.
TICK_SECONDS = 0.1


def group(case: Case) -> str:
    """Return the row that a case is of: its application and variant."""
    return f"{case.application.name}-{case.variant}"


class Loop:
    """Runs the cases of a run through an executor.

    Args:
      recorder: makes their records.
      cases: those of this run.
      executor: runs them.
      reused: the records that the reference run has of some of them.
      seconds: how long they should take, by id.
      optional: ids of cases that are run only as far as the budget goes, each with the
        record that stands for it otherwise; None: it is left out.
      budget: seconds after which none of these is started any more.
      stopped: whether to end now, whatever is left.
      started: called with the id of a case that starts.
    """

    def __init__(
        self,
        recorder: Recorder,
        cases: Iterable[Case],
        executor: Executor,
        *,
        reused: Mapping[str, Record],
        seconds: Mapping[str, float],
        optional: Mapping[str, Record | None] = MappingProxyType({}),
        budget: float = math.inf,
        stopped: Callable[[], bool] = lambda: False,
        started: Callable[[str], None] = lambda case: None,
    ) -> None:
        self._recorder = recorder
        self._executor = executor
        self._optional = dict(optional)
        self._budget = budget
        self._stopped = stopped
        self._tell_started = started
        self._cases = {case.id: case for case in cases}
        self._began: dict[str, str] = {}
        #: Ids of the cases that the budget has left no time for.
        self.left_out: set[str] = set()
        self._known: deque[tuple[Case, Record]] = deque()
        left: list[Case] = []
        for case in self._cases.values():
            if case.id in reused:
                self._known.append((case, reused[case.id]))
            elif case.control in self._cases or not self._block(case):
                left.append(case)
        # A control that is known decides over its row before anything of it starts.
        self._known = deque(sorted(self._known, key=lambda one: one[0].technique.id != CONTROL))
        self._pending = {case.id: case for case in left}
        self._queue = Queue(
            [self._task(case, seconds.get(case.id, UNKNOWN_SECONDS)) for case in left],
            executor.free(),
        )

    def run(self) -> Generator[tuple[Case, Record], None, None]:
        """Yield each case with its record, which is to be appended before the next is asked for.

        Whoever stops asking ends what runs.
        """
        over = False
        deadline = time.monotonic() + self._budget
        try:
            while self._known and self._known[0][0].technique.id == CONTROL:
                case, record = self._known.popleft()
                yield case, record
                yield from self._row_after(case)
            while (self._known or self._pending) and not self._stopped():
                if time.monotonic() > deadline:
                    self._give_up()
                self._start()
                if self._known:
                    yield self._known.popleft()
                for done in self._executor.wait(0.0 if self._known else TICK_SECONDS):
                    yield from self._finish(done)
            over = not self._stopped()
        finally:
            self._executor.close(cancel=not over)

    def _give_up(self) -> None:
        """Start no optional case any more: a machine may be slower than the earlier one was."""
        for name, record in self._optional.items():
            if name not in self._pending or name in self._began:
                continue
            case = self._pending.pop(name)
            self._queue.drop(name)
            if record is not None:
                self._known.append((case, record))
            else:
                self.left_out.add(name)
        self._optional.clear()

    def _start(self) -> None:
        """Give the executor all that it takes."""
        self._queue.resize(len(self._began) + self._executor.free())
        while self._executor.free() > 0:
            now = time.monotonic()
            job = self._queue.take(now, self._executor.fits)
            if job is None and not self._began:
                job = self._queue.take(now, lambda job: True)  # there will not be more room
            if job is None:
                return
            self._began[job.case] = stamps.now()
            self._tell_started(job.case)
            self._executor.submit(job)

    def _finish(self, done: Done) -> Iterator[tuple[Case, Record]]:
        case = self._pending.pop(done.job.case)
        began = self._began.pop(case.id)
        yield case, self._recorder.record(case, done.outcome, began, done.environment)
        self._queue.done(case.id)
        yield from self._row_after(case)

    def _row_after(self, control: Case) -> Iterator[tuple[Case, Record]]:
        """Yield the cases that the outcome of their control has decided over."""
        if control.technique.id != CONTROL:
            return
        row = [c for c in self._pending.values() if c.control == control.id and c.id != control.id]
        for case in row:
            if case.id not in self._began and self._block(case):
                del self._pending[case.id]
                self._queue.drop(case.id)
                yield self._known.pop()

    def _block(self, case: Case) -> bool:
        """Note the record of a case whose control is known to have failed; whether it has."""
        outcome = self._recorder.foregone(case)
        if outcome is None:
            return False
        self._known.append((case, self._recorder.record(case, outcome, stamps.now())))
        return True

    def _task(self, case: Case, seconds: float) -> Task:
        job = Job(
            case.id,
            group(case),
            self._recorder.request(case),
            self._recorder.reference.peak(case),
        )
        waits = case.technique.id != CONTROL and case.control in self._pending
        return Task(job, seconds, case.control if waits else None)
