"""A case has the same figures alone and in a process that has run other techniques."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import techniques
from harness.execution.attempt import Limits, Outcome
from harness.execution.runner import Runner
from harness.stages.workbench import Options
from harness.vocabulary import Status

APPLICATION = "Wide"

#: What two runs of the same never agree in, and what tells them apart.
DIFFERENT = ("latency", "float_latency", "shared_build")


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(Path(__file__).parents[1] / "fakes"))
    patch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "fakes"))
    patch.delenv("KERAS_MODULE", raising=False)
    with Runner(limits=Limits(300)) as one:
        yield one
    patch.undo()


def request(technique: str, **more: Any) -> dict[str, Any]:
    return {
        "module": "toy_applications",
        "function": APPLICATION,
        "technique": technique,
        "variant": "notop",
        "until": "parity",
        "options": asdict(Options(input_size=32)),
        "threads": 1,
        **more,
    }


def lasting(outcome: Outcome) -> Mapping[str, Any]:
    return {k: v for k, v in outcome.metrics.items() if not k.startswith(DIFFERENT)}


def own_process(runner: Runner) -> int:
    assert runner._host is not None
    (child,) = psutil.Process(runner._host._process.pid).children()
    return int(child.pid)


@pytest.mark.slow
def test_every_technique_has_the_same_figures_alone_and_in_a_shared_process(
    runner: Runner,
) -> None:
    every = [one for one in techniques.select() if techniques.fits(one, converted=False)]
    there = [one for one in every if not getattr(one, "unavailable", lambda: None)()]
    # Tools of others leave threads, and a process that has any takes no other case: they come last.
    peers = [one.id for one in there if ".peers." in type(one).__module__]
    ids = [one.id for one in there if one.id not in peers]
    shared, processes = {}, []
    for one in ids:
        shared[one] = runner.run(request(one))
        processes.append(own_process(runner))
    passed = [one for one in ids if shared[one].status is Status.PASS]
    assert len(set(processes)) == 1 + len(ids) - len(passed), "cases that pass share a process"
    assert len(passed) >= 13
    assert "shared_build" not in shared["float"].metrics
    assert sum("shared_build" in shared[one].metrics for one in passed) >= len(passed) - 3
    shared |= {one: runner.run(request(one)) for one in peers}
    for one in reversed([*ids, *peers]):
        alone = runner.run(request(one, alone=True))
        assert "shared_build" not in alone.metrics
        assert alone.status is shared[one].status, one
        assert lasting(alone) == lasting(shared[one]), one


def test_the_file_of_the_control_is_that_of_the_float_model(runner: Runner) -> None:
    control = runner.run(request("float", alone=True))
    beside = runner.run(request("ptq-dynamic"))
    alone = runner.run(request("ptq-dynamic", alone=True))
    assert beside.metrics["shared_build"] is True
    assert control.metrics["file_bytes"] == beside.metrics["float_file_bytes"]
    assert control.metrics["file_bytes"] == alone.metrics["float_file_bytes"]
    for outcome in (beside, alone):
        figures = outcome.metrics
        assert figures["file_ratio"] == figures["file_bytes"] / figures["float_file_bytes"]
        assert figures["latency_threads"] == 1
        assert figures["latency_p10_ms"] <= figures["latency_ms"] <= figures["latency_p90_ms"]
    assert "latency_ratio" not in control.metrics
