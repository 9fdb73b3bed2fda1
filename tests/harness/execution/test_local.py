"""The executor of this machine, with runners that run nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psutil
import pytest

from harness.execution import local
from harness.execution.attempt import Outcome
from harness.execution.jobs import Done, Job
from harness.execution.local import LocalExecutor
from harness.vocabulary import Status

GIB = 2**30


class FakeRunner:
    """Runs a case until it is let go; knows in which order."""

    made: list[FakeRunner]

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.closed = False

    def run(self, request: Mapping[str, Any]) -> Outcome:
        self.ran.append(request["case"])
        request["go"].wait(20)
        if request.get("raises"):
            raise request["raises"]
        return Outcome(Status.PASS, metrics={"case": request["case"]})

    def close(self) -> None:
        self.closed = True


class Fixture:
    def __init__(self, workers: int, free: int) -> None:
        self.runners: list[FakeRunner] = []
        self.free = free
        self.executor = LocalExecutor(workers, runner=self._make, available=lambda: self.free)

    def _make(self) -> FakeRunner:
        self.runners.append(FakeRunner())
        return self.runners[-1]

    def job(self, case: str, group: str = "g", memory: int | None = None, **more: Any) -> Job:
        request = {"case": case, "go": threading.Event(), **more}
        return Job(case, group, request, memory)

    def finish(self, *jobs: Job) -> list[Done]:
        found: list[Done] = []
        for job in jobs:
            job.request["go"].set()
        until = time.monotonic() + 10
        while len(found) < len(jobs) and time.monotonic() < until:
            found += self.executor.wait(0.1)
        assert len(found) == len(jobs)
        return found


@pytest.fixture
def make() -> Iterator[Callable[..., Fixture]]:
    made: list[Fixture] = []

    def one(workers: int = 2, free: int = 10 * GIB) -> Fixture:
        made.append(Fixture(workers, free))
        return made[-1]

    yield one
    for fixture in made:
        fixture.executor.close(cancel=True)


def test_jobs_run_at_once_and_come_back_with_outcome_and_machine(
    make: Callable[..., Fixture],
) -> None:
    at = make()
    a, b = at.job("a"), at.job("b")
    for job in (a, b):
        at.executor.submit(job)
    assert at.executor.free() == 0
    assert set(at.executor.running()) == {"a", "b"}
    assert at.executor.wait(0.0) == []
    (done,) = at.finish(b)
    assert (done.job, done.outcome.metrics) == (b, {"case": "b"})
    assert {"python", "cores"} <= set(done.environment)
    assert at.executor.free() == 1
    assert set(at.executor.running()) == {"a"}
    at.finish(a)
    at.executor.close()
    assert all(runner.closed for runner in at.runners)


def test_a_job_goes_to_the_worker_that_has_run_the_like(make: Callable[..., Fixture]) -> None:
    at = make()
    first = [at.job("a1", "a"), at.job("b1", "b")]
    for job in first:
        at.executor.submit(job)
    at.finish(*first)
    for job in (at.job("b2", "b"), at.job("a2", "a"), at.job("b3", "b"), at.job("a3", "a")):
        at.executor.submit(job)
        at.finish(job)
    assert sorted(runner.ran for runner in at.runners) == [["a1", "a2", "a3"], ["b1", "b2", "b3"]]


def test_a_worker_starts_when_it_is_needed(make: Callable[..., Fixture]) -> None:
    at = make(workers=8)
    job = at.job("a")
    at.executor.submit(job)
    at.finish(job)
    assert len(at.runners) == 1, "a host takes seconds and hundreds of megabytes to start"


def test_peaks_that_are_expected_together_stay_within_the_memory(
    make: Callable[..., Fixture],
) -> None:
    at = make(workers=3, free=10 * GIB)
    assert at.executor.fits(at.job("huge", memory=100 * GIB)), "nothing runs beside it"
    a = at.job("a", memory=6 * GIB)
    at.executor.submit(a)
    assert at.executor.fits(at.job("b", memory=3 * GIB))
    assert not at.executor.fits(at.job("c", memory=4 * GIB))
    at.free = 2 * GIB  # others have taken it
    assert not at.executor.fits(at.job("b", memory=3 * GIB))
    at.finish(a)
    assert at.executor.fits(at.job("c", memory=4 * GIB)), "what nothing runs beside always starts"


def test_what_is_unknown_counts_as_its_share(make: Callable[..., Fixture]) -> None:
    at = make(workers=2, free=4 * GIB)
    at.executor.submit(at.job("a"))
    assert at.executor.fits(at.job("b"))
    assert not at.executor.fits(at.job("c", memory=3 * GIB))


def test_what_a_runner_raises_is_raised_by_who_waits(make: Callable[..., Fixture]) -> None:
    at = make()
    job = at.job("a", raises=OSError("no room"))
    at.executor.submit(job)
    job.request["go"].set()
    with pytest.raises(OSError, match="no room"):
        at.executor.wait(20)


class ProcessRunner:
    """As a `Runner` does: has a process, and starts it when there is none."""

    started = threading.Event()

    def run(self, request: Mapping[str, Any]) -> Outcome:
        process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
        )
        self.started.set()
        process.wait()
        return Outcome(Status.ERROR)

    def close(self) -> None:
        return None


def test_cancelling_ends_what_runs_at_once_and_nothing_else() -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    executor = LocalExecutor(2, runner=ProcessRunner)
    before = set(psutil.Process().children(recursive=True))
    ProcessRunner.started.clear()
    for n in range(2):
        executor.submit(Job(f"{n}", "g", {}))
    assert ProcessRunner.started.wait(20)
    began = time.monotonic()
    executor.close(cancel=True)
    assert time.monotonic() - began < local.CANCEL_SECONDS / 2
    assert executor.wait(0.0) == [], "what was cut off is not done"
    assert set(psutil.Process().children(recursive=True)) <= before
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
