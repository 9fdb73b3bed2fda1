"""The loop, with an executor that runs nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import records
from harness.execution.attempt import Outcome
from harness.execution.jobs import Done, Job
from harness.matrix.cases import Case, Selection
from harness.records import Failure, Record
from harness.runs import history
from harness.runs.history import MemoryHistory
from harness.runs.loop import Loop
from harness.runs.recorder import Recorder
from harness.runs.settings import Settings
from harness.vocabulary import Status

MakeRecord = Callable[..., Record]
COLUMNS = ("float", "qat-tfmot", "prune")


class FakeExecutor:
    """Ends the oldest job at each wait, as a script says."""

    def __init__(self, workers: int = 2, outcomes: Mapping[str, Status] | None = None) -> None:
        self.workers = workers
        self.outcomes = outcomes or {}
        self.jobs: list[Job] = []
        self.submitted: list[Job] = []
        self.closed: list[bool] = []
        self.room = True

    def free(self) -> int:
        return self.workers - len(self.jobs)

    def fits(self, job: Job) -> bool:
        return self.room

    def submit(self, job: Job) -> None:
        assert self.free() > 0
        self.jobs.append(job)
        self.submitted.append(job)

    def wait(self, seconds: float) -> list[Done]:
        if not self.jobs:
            return []
        job = self.jobs.pop(0)
        status = self.outcomes.get(job.case, Status.PASS)
        failure = None if status is Status.PASS else {"type": "X", "message": "x"}
        stages = [{"name": "build", "status": str(status)}]
        return [Done(job, Outcome(status, stages, {}, failure), {"python": "9.9", "cores": 64})]

    def running(self) -> Mapping[str, float]:
        return {job.case: 0.0 for job in self.jobs}

    def close(self, *, cancel: bool = False) -> None:
        self.closed.append(cancel)


class Scene:
    def __init__(self, root: Path, executor: FakeExecutor, **more: Any) -> None:
        settings = Settings(
            results=root, expectations=root / "none", reference=root / "none", run_id="now"
        )
        self.executor = executor
        self.cases = Selection(techniques=COLUMNS).cases()
        self.recorder = Recorder(settings, history=MemoryHistory())
        self.more = {"reused": {}, "seconds": {}, **more}
        self.started: list[str] = []

    def steps(self, cases: list[Case] | None = None) -> Iterator[Record]:
        self.loop = loop = Loop(
            self.recorder,
            self.cases if cases is None else cases,
            self.executor,
            started=self.started.append,
            **self.more,
        )
        for case, record in loop.run():
            assert record.case == case.id
            yield self.recorder.append(record)

    def run(self) -> dict[str, Record]:
        found = list(self.steps())
        assert len({record.case for record in found}) == len(found)
        return {record.case: record for record in found}


@pytest.fixture
def scene(tmp_path: Path, fake_keras: Callable[..., Path]) -> Callable[..., Scene]:
    fake_keras(Pass=2)

    def make(executor: FakeExecutor | None = None, **more: Any) -> Scene:
        return Scene(tmp_path, executor or FakeExecutor(), **more)

    return make


def test_every_case_is_run_once_and_recorded_with_the_machine_it_ran_on(
    scene: Callable[..., Scene],
) -> None:
    at = scene()
    found = at.run()
    assert set(found) == {case.id for case in at.cases} == set(at.started)
    assert len(at.executor.submitted) == len(at.cases)
    one = found["Pass0-prune-notop"]
    assert (one.status, one.run_id, one.attempt, one.expectation) == ("pass", "now", 1, "new")
    assert one.environment == {
        "python": "9.9",
        "cores": 64,
        "seed": at.recorder.settings.options.seed,
    }
    assert one.key
    assert one.started
    written = records.read(at.recorder.settings.file).latest()
    assert written == found
    assert at.executor.closed == [False]


def test_a_job_is_what_the_runtime_is_told_and_of_its_row(scene: Callable[..., Scene]) -> None:
    at = scene()
    at.run()
    job = at.executor.submitted[0]
    assert job.case == "Pass0-float-notop"
    assert job.group == "Pass0-notop"
    assert (job.request["function"], job.request["technique"]) == ("Pass0", "float")
    assert job.memory_bytes is None


def test_a_control_that_fails_blocks_its_row_at_once(scene: Callable[..., Scene]) -> None:
    at = scene(FakeExecutor(1, {"Pass0-float-notop": Status.FAIL}))
    found = at.run()
    assert {case: r.status for case, r in found.items() if case.startswith("Pass0")} == {
        "Pass0-float-notop": "fail",
        "Pass0-qat-tfmot-notop": "blocked",
        "Pass0-prune-notop": "blocked",
    }
    assert [c for c in at.started if c.startswith("Pass0")] == ["Pass0-float-notop"]
    assert list(found)[:3] == [c for c in found if c.startswith("Pass0")]
    assert all(r.passed for case, r in found.items() if case.startswith("Pass1"))


def test_a_control_that_failed_before_blocks_what_is_left(
    scene: Callable[..., Scene], make_record: MakeRecord
) -> None:
    at = scene()
    control = make_record("Pass0-float-notop", status="fail", stage="build", failure=Failure("X"))
    at.recorder.append(control)
    left = [case for case in at.cases if case.id != control.case]
    found = {record.case: record.status for record in at.steps(left)}
    assert found["Pass0-prune-notop"] == "blocked"
    assert found["Pass1-prune-notop"] == "pass"
    assert not any(case.startswith("Pass0") for case in at.started)


def test_a_control_that_is_run_again_decides_anew(
    scene: Callable[..., Scene], make_record: MakeRecord
) -> None:
    at = scene()
    at.recorder.append(make_record("Pass0-float-notop", status="fail", stage="build"))
    found = at.run()
    assert all(record.passed for record in found.values())
    assert found["Pass0-float-notop"].attempt == 2


def test_what_the_reference_run_has_is_not_run(
    scene: Callable[..., Scene], make_record: MakeRecord
) -> None:
    known = make_record("Pass1-qat-tfmot-notop", reused={"run_id": "old", "date": "then"})
    at = scene(reused={known.case: known})
    found = at.run()
    assert found[known.case] == known
    assert known.case not in at.started
    assert len(found) == len(at.cases)


def test_whoever_stops_asking_ends_what_runs(scene: Callable[..., Scene]) -> None:
    at = scene()
    steps = at.steps()
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    del steps
    assert at.executor.closed == [True]


def test_an_interrupt_ends_it_and_keeps_what_is_finished(scene: Callable[..., Scene]) -> None:
    asked: list[bool] = []
    at = scene(stopped=lambda: bool(asked))
    found = []
    for record in at.steps():
        found.append(record.case)
        asked.append(True)
    assert len(found) == 1
    assert at.executor.closed == [True]
    assert list(records.read(at.recorder.settings.file).latest()) == found


def test_what_never_fits_is_started_once_nothing_else_runs(scene: Callable[..., Scene]) -> None:
    executor = FakeExecutor()
    executor.room = False
    at = scene(executor)
    assert len(at.run()) == len(at.cases)


def test_the_record_file_is_read_once(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = scene()

    def no_more(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(history, "find", no_more)
    monkeypatch.setattr(records, "read", no_more)
    assert len(at.run()) == len(at.cases)


# --- a budget ---------------------------------------------------------------------------


class Slow(FakeExecutor):
    """Takes as long as the budget for its first case."""

    def wait(self, seconds: float) -> list[Done]:
        time.sleep(0.05)
        return super().wait(seconds)


def test_what_is_optional_is_not_started_once_the_budget_has_ended(
    scene: Callable[..., Scene], make_record: MakeRecord
) -> None:
    known = make_record("Pass1-prune-notop", run_id="now", reused={"run_id": "before"})
    optional = {known.case: known, "Pass1-qat-tfmot-notop": None, "Pass1-float-notop": None}
    at = scene(Slow(1), optional=optional, budget=0.01)
    found = at.run()
    of_the_first = {case.id for case in at.cases if case.application.name == "Pass0"}
    assert set(at.started) == of_the_first, "what is not optional is run whatever it takes"
    assert set(found) == {*of_the_first, known.case}
    assert found[known.case].reused == {"run_id": "before"}
    assert at.loop.left_out == {"Pass1-qat-tfmot-notop", "Pass1-float-notop"}


def test_within_the_budget_all_that_is_optional_is_run(
    scene: Callable[..., Scene], make_record: MakeRecord
) -> None:
    at = scene(optional={"Pass1-prune-notop": make_record("Pass1-prune-notop")}, budget=60.0)
    assert set(at.run()) == {case.id for case in at.cases} == set(at.started)
    assert at.loop.left_out == set()
