"""All units of an invocation: order, resuming, failures, interrupts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import records
from harness.benchmark.definition import applications, techniques, units
from harness.benchmark.definition.settings import DEFAULT
from harness.benchmark.execution import schedule
from harness.benchmark.execution.schedule import Plan, Schedule
from harness.execution.attempt import Outcome
from harness.records import Record
from harness.vocabulary import Status

Go = Callable[..., dict[str, Record]]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    asked = units.units(
        applications.select(["MobileNet"]), techniques.select(["qat", "pqat", "pcqat"]), [2021]
    )
    return Plan(asked, DEFAULT, tmp_path / "results", 1, weights=tmp_path / "weights")


@pytest.fixture
def go(plan: Plan, fake_runner: Any, monkeypatch: pytest.MonkeyPatch) -> Go:
    monkeypatch.setattr("harness.benchmark.execution.runtime.check", lambda: None)

    def run(**changes: Any) -> dict[str, Record]:
        fake_runner.requests.clear()
        lines: list[str] = []
        return Schedule(replace(plan, **changes), lines.append, lambda: fake_runner).run()

    return run


ALL = ["float", "qat", "prune-50", "prune-75", "pqat", "pcqat"]


def names(*found: str) -> list[str]:
    return [f"MobileNet-{one}" for one in found]


def test_every_unit_leaves_a_record(go: Go, plan: Plan, fake_runner: Any) -> None:
    go()
    assert fake_runner.cases == names(*ALL)
    found = records.read(plan.results).latest()
    assert list(found) == [f"{name}-bench-2021" for name in names(*ALL)]
    one = found["MobileNet-qat-bench-2021"]
    assert (one.application, one.family, one.technique, one.variant) == (
        "MobileNet",
        "mobilenet",
        "qat",
        "bench",
    )
    assert (one.status, one.metrics, one.environment["seed"]) == ("pass", {"accuracy": 0.9}, 2021)
    assert one.repro.startswith("python -m harness bench --applications MobileNet --techniques qat")


def test_weights_are_kept_no_longer_than_needed(go: Go, plan: Plan) -> None:
    go()
    assert list(plan.weights.iterdir()) == []


def test_a_second_run_does_nothing(go: Go, fake_runner: Any) -> None:
    first = go()
    assert go() == first
    assert fake_runner.requests == []


def test_fresh_does_all_again(go: Go, fake_runner: Any) -> None:
    go()
    found = go(fresh=True)
    assert fake_runner.cases == names(*ALL)
    assert {r.attempt for r in found.values()} == {2}


def test_other_settings_do_all_again(go: Go, fake_runner: Any) -> None:
    go()
    go(settings=replace(DEFAULT, epochs=1))
    assert fake_runner.cases == names(*ALL)


def test_a_new_technique_has_its_start_trained_again(go: Go, plan: Plan, fake_runner: Any) -> None:
    go()
    more = units.units(applications.select(["MobileNet"]), techniques.select(["cqat"]), [2021])
    go(units=[*plan.units, *more])
    assert fake_runner.cases == names("float", "cluster-16", "cqat")


def test_a_failure_blocks_what_starts_from_it_and_nothing_else(go: Go, fake_runner: Any) -> None:
    failure = {"type": "ValueError", "message": "no"}
    stages = [{"name": "train", "status": "fail"}]
    fake_runner.outcomes["MobileNet-prune-75-bench-2021"] = Outcome(
        Status.FAIL, stages, {}, failure
    )
    found = go()
    told = {r.technique: (r.status, r.stage) for r in found.values()}
    assert told == {
        "float": ("pass", "run"),
        "qat": ("pass", "run"),
        "prune-50": ("pass", "run"),
        "pqat": ("pass", "run"),
        "prune-75": ("fail", "train"),
        "pcqat": ("blocked", "train"),
    }
    assert found["MobileNet-prune-75-bench-2021"].label == "unclassified"
    go()
    assert fake_runner.requests == [], "a failure holds until something that decides it changes"


def test_an_outcome_that_the_machine_decided_is_tried_again(go: Go, fake_runner: Any) -> None:
    fake_runner.outcomes["MobileNet-qat-bench-2021"] = Outcome(
        Status.OOM, [{"name": "train", "status": "oom"}], {}, {"type": "OutOfMemory"}
    )
    go()
    del fake_runner.outcomes["MobileNet-qat-bench-2021"]
    assert go()["MobileNet-qat-bench-2021"].passed
    assert fake_runner.cases == names("float", "qat")


def test_two_workers_come_to_the_same(go: Go, plan: Plan) -> None:
    found = go(workers=2)
    assert sorted(found) == sorted(u.id for u in plan.units)
    assert threading.active_count() < 5


def test_a_worker_that_breaks_is_told(go: Go, plan: Plan, fake_runner: Any) -> None:
    fake_runner.outcomes["MobileNet-qat-bench-2021"] = OSError("disk full")
    with pytest.raises(OSError, match="disk full"):
        go()
    assert list(records.read(plan.file).latest()) == ["MobileNet-float-bench-2021"]


def test_what_was_interrupted_goes_on(go: Go, fake_runner: Any) -> None:
    fake_runner.outcomes["MobileNet-pqat-bench-2021"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        go()
    fake_runner.outcomes.clear()
    go()
    assert fake_runner.cases == names("pqat", "pcqat"), "with the weights that are still there"


def test_the_request_says_all_that_the_runtime_needs(plan: Plan) -> None:
    one = Schedule(plan, print)
    asked = one.request(plan.units[-1])
    assert asked["technique"] == "pcqat"
    assert asked["keep"] is None
    assert Path(asked["start"]).is_absolute()
    assert asked["application"]["function"] == "MobileNet"
    assert schedule.Settings(**asked["settings"]) == DEFAULT
