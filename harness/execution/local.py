"""The executor for this machine: workers are threads, each with a `Runner` of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import psutil

from harness import environment
from harness.execution.attempt import Limits, Outcome
from harness.execution.jobs import Done, Job
from harness.execution.processes import Descendants
from harness.execution.runner import Runner

#: Of the memory that is free at first: what cases may be expected to take together.
SHARE = 0.95
#: How long the workers may take to see that their processes are gone.
CANCEL_SECONDS = 10.0


class Running(Protocol):
    """What a worker runs cases with: `harness.execution.runner.Runner`, or a stand-in."""

    def run(self, request: Mapping[str, Any]) -> Outcome: ...
    def close(self) -> None: ...


def available_memory() -> int:
    """Return how many bytes this machine could give to new processes now."""
    return int(psutil.virtual_memory().available)


@dataclass
class _Worker:
    """A thread and what it is at. A job of None ends it."""

    jobs: queue.SimpleQueue[Job | None] = field(default_factory=queue.SimpleQueue)
    job: Job | None = None
    since: float = 0.0
    group: str | None = None
    thread: threading.Thread | None = None


class LocalExecutor:
    """Runs jobs on this machine.

    A job starts while the peaks that are expected of all running ones fit into the memory
    that was free at first, and its own into what is free now; one that nothing runs beside
    always does.

    Args:
      workers: how many jobs run at once.
      limits: of each.
      runtime: the module that runs a case.
      runner: makes what a worker runs cases with.
      available: returns the free memory in bytes.
    """

    def __init__(
        self,
        workers: int,
        limits: Limits | None = None,
        runtime: str = "harness.execution.runtime",
        *,
        runner: Callable[[], Running] | None = None,
        available: Callable[[], int] = available_memory,
    ) -> None:
        self._make = runner or (lambda: Runner(runtime, limits))
        self._available = available
        self._memory = int(available() * SHARE)
        #: What a job of which nothing is known is taken to need.
        self._usual = min(environment.CASE_BYTES, self._memory // max(1, workers))
        self._ours = Descendants()
        self._ended: queue.SimpleQueue[Done | BaseException] = queue.SimpleQueue()
        self._closed = False
        self._workers = [_Worker() for _ in range(max(1, workers))]

    def free(self) -> int:
        return sum(worker.job is None for worker in self._workers)

    def fits(self, job: Job) -> bool:
        running = [worker.job for worker in self._workers if worker.job is not None]
        if not running:
            return True
        need = self._need(job)
        taken = sum(map(self._need, running))
        return taken + need <= self._memory and need <= self._available()

    def submit(self, job: Job) -> None:
        idle = [worker for worker in self._workers if worker.job is None]
        # One that has run the like; else one that no row would be missed on.
        worker = min(idle, key=lambda w: (w.group != job.group, w.group is not None, w.since))
        worker.job, worker.group, worker.since = job, job.group, time.monotonic()
        if worker.thread is None:
            worker.thread = threading.Thread(target=self._work, args=(worker,), daemon=True)
            worker.thread.start()
        worker.jobs.put(job)

    def wait(self, seconds: float) -> list[Done]:
        found: list[Done] = []
        try:
            one = self._ended.get(timeout=seconds) if seconds > 0 else self._ended.get_nowait()
            while True:
                if isinstance(one, BaseException):
                    raise one
                found.append(one)
                one = self._ended.get_nowait()
        except queue.Empty:
            pass
        for done in found:
            for worker in self._workers:
                if worker.job is done.job:
                    worker.job = None
        return found

    def running(self) -> Mapping[str, float]:
        now = time.monotonic()
        return {w.job.case: now - w.since for w in self._workers if w.job is not None}

    def close(self, *, cancel: bool = False) -> None:
        self._closed = self._closed or cancel
        for worker in self._workers:
            worker.jobs.put(None)
        threads = [worker.thread for worker in self._workers if worker.thread is not None]
        deadline = time.monotonic() + CANCEL_SECONDS
        while any(thread.is_alive() for thread in threads):
            if cancel:  # again and again: one may just have been started
                self._ours.kill()
            if cancel and time.monotonic() > deadline:
                return
            for thread in threads:
                thread.join(0.01 if cancel else 0.2)

    def _need(self, job: Job) -> int:
        return self._usual if job.memory_bytes is None else job.memory_bytes

    def _work(self, worker: _Worker) -> None:
        runner = self._make()
        try:
            while (job := worker.jobs.get()) is not None and not self._closed:
                outcome = runner.run(job.request)
                if self._closed:
                    return  # it was cut off, not done
                self._ended.put(Done(job, outcome, environment.capture()))
        except BaseException as error:  # told by who drives the executor
            if not self._closed:
                self._ended.put(error)
        finally:
            runner.close()
