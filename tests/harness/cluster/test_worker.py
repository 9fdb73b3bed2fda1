"""The runners of a worker, without Dask around them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from dask_processes import until

from harness.cluster import worker
from harness.cluster.worker import Cases, Kind
from harness.execution.attempt import Limits, Outcome
from harness.execution.runner import Stopped
from harness.vocabulary import Status

KIND = Kind("fakes.scripted_runtime", Limits(seconds=60))
HOST = "import os; metrics['host'] = os.getppid()"


@pytest.fixture
def cases() -> Iterator[Cases]:
    one = Cases()
    yield one
    one.close()


def host(cases: Cases, attempt: str, group: str, kind: Kind = KIND) -> int:
    outcome = cases.run(attempt, kind, group, {"script": HOST})
    assert outcome.status is Status.PASS
    return int(outcome.metrics["host"])


def test_a_group_finds_its_host_again(cases: Cases) -> None:
    both = threading.Barrier(2)

    def run(name: str) -> int:
        # Two at once, so that there are two hosts; each waits for the other to have begun.
        with cases._seat(f"{name}-first", KIND, name) as runner:
            both.wait(30)
            return int(runner.run({"script": HOST}).metrics["host"])

    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(run, "ab")
    assert a != b
    assert [host(cases, f"{n}", group) for n, group in enumerate("abba")] == [a, b, b, a]


def test_a_host_of_another_run_makes_room(cases: Cases) -> None:
    first = host(cases, "1", "g")
    other = Kind(KIND.runtime, Limits(seconds=30))
    second = host(cases, "2", "g", other)
    assert second != first
    assert not psutil.pid_exists(first)


def test_what_is_not_wanted_before_it_begins_does_not(cases: Cases) -> None:
    cases.transition("early", "executing", "released")
    with pytest.raises(Stopped):
        cases.run("early", KIND, "g", {"script": "pass"})


@pytest.mark.parametrize("end", ["memory", "error"])
def test_the_end_of_a_task_stops_nothing(cases: Cases, end: str) -> None:
    first = host(cases, "1", "g")
    cases.transition("1", "executing", end)
    cases.transition("1", "executing", "released")  # late: it has ended
    cases.transition("2", "waiting", "released")  # never began
    assert host(cases, "2", "g") == first


def test_a_case_that_goes_on_is_ended(cases: Cases, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    found: list[BaseException | Outcome] = []

    def run() -> None:
        try:
            found.append(cases.run("1", KIND, "g", {"script": script}))
        except Stopped as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: mark.exists() and mark.read_text())
    cases.end(["1"])
    assert not psutil.pid_exists(int(mark.read_text())), "end returns when it has ended"
    thread.join()
    assert isinstance(found[0], Stopped)
    assert host(cases, "2", "g"), "the next one has a host of its own"


def test_an_idle_host_ends(cases: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "IDLE_SECONDS", 0.2)
    pid = host(cases, "1", "g")
    until(lambda: not psutil.pid_exists(pid))
    assert host(cases, "2", "g") != pid
