"""A machine with a clock of its own, on which jobs take the time that they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.execution.jobs import Job
from harness.execution.queue import Queue, Task


@dataclass
class Run:
    """What became of a run: when each case started and ended, and on which worker."""

    starts: dict[str, float] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    most_memory: int = 0
    order: list[str] = field(default_factory=list)

    @property
    def makespan(self) -> float:
        return max(self.ends.values(), default=0.0)


class Machine:
    """Runs a queue as an executor would: by memory, and by who ran the same group last."""

    def __init__(self, workers: int, memory: int | None = None) -> None:
        self.workers = workers
        self.memory = memory
        self._running: dict[int, tuple[float, Task]] = {}
        self._groups: list[str | None] = [None] * workers

    def fits(self, job: Job) -> bool:
        if self.memory is None or not self._running:
            return True
        taken = sum(task.job.memory_bytes or 0 for _, task in self._running.values())
        return taken + (job.memory_bytes or 0) <= self.memory

    def run(self, tasks: Sequence[Task], patience: float = 300.0, pace: float = 1.0) -> Run:
        """Run all of them; they take ``pace`` times what is expected."""
        by_case = {task.job.case: task for task in tasks}
        queue = Queue(tasks, self.workers, patience)
        found = Run()
        now = 0.0
        while len(queue) or self._running:
            while len(self._running) < self.workers:
                job = queue.take(now, self.fits)
                if job is None:
                    break
                task = by_case[job.case]
                assert task.after not in by_case or task.after in found.ends
                idle = [n for n in range(self.workers) if n not in self._running]
                worker = min(idle, key=lambda n, g=job.group: (self._groups[n] != g, n))
                self._groups[worker] = job.group
                self._running[worker] = (now + task.seconds * pace, task)
                found.starts[job.case], found.workers[job.case] = now, worker
                found.order.append(job.case)
                memory = sum(t.job.memory_bytes or 0 for _, t in self._running.values())
                if len(self._running) > 1:
                    found.most_memory = max(found.most_memory, memory)
            assert self._running, "nothing runs, and nothing can start"
            worker = min(self._running, key=lambda n: self._running[n][0])
            now, task = self._running.pop(worker)
            found.ends[task.job.case] = now
            queue.done(task.job.case)
        return found


def row(
    name: str, seconds: float, cases: int = 5, memory: int | None = None, control: bool = True
) -> list[Task]:
    """Return the tasks of one row, which take ``seconds`` together."""
    each = seconds / cases
    return [
        Task(
            Job(f"{name}-{n}", name, {}, memory),
            each,
            f"{name}-0" if control and n else None,
        )
        for n in range(cases)
    ]
