"""Cases on two real workers: outcomes, memory, order, and what ends when."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from dask_processes import FAKES, GIB, Cluster, drive, fake, script, until
from fakes.fake_runtime import EXPECTED

from harness.environment import capture
from harness.execution.attempt import Limits
from harness.execution.jobs import Executor
from harness.execution.runner import Runner
from harness.vocabulary import Status

Connect = Callable[..., Executor]

#: Says which worker runs the case (its host's parent), which host, and how many threads it may use.
WHERE = """
import os, psutil
metrics.update(worker=psutil.Process(os.getppid()).ppid(), host=os.getppid())
"""

#: Says when it ran, by the clock that all processes of a machine share.
WHEN = """
import time
metrics["began"] = time.monotonic()
time.sleep(0.5)
metrics["ended"] = time.monotonic()
"""


def hosts(cluster: Cluster) -> list[psutil.Process]:
    """Return the processes that workers have started for cases."""
    return [child for one in cluster.workers.values() for child in one.children(recursive=True)]


def test_cases_end_as_on_one_machine(cluster: Cluster, connected: Connect) -> None:
    kinds = ["Pass", "Hang", "Abort", "Segv", "Exit", "Memory", "Garbage", "Nested", "Orphan"]
    executor = connected(cluster, limits=Limits(seconds=2))
    done = drive(executor, [fake(f"{kind}0-qat", memory=GIB) for kind in kinds])
    for kind in kinds:
        status, _, signal_name = EXPECTED[kind]
        outcome = done[f"{kind}0-qat"].outcome
        assert (kind, outcome.status) == (kind, status)
        assert (outcome.failure or {}).get("signal") == signal_name
    assert done["Pass0-qat"].outcome.metrics == {"parameters": 5, "loss": 0.5}
    assert [s["name"] for s in done["Nested0-qat"].outcome.stages] == ["build", "transform"]
    assert done["Pass0-qat"].environment == capture()
    with Runner("fakes.fake_runtime", Limits(seconds=30)) as here:
        local = here.run(fake("Nested0-qat").request)
    there = done["Nested0-qat"].outcome
    assert (there.stages, there.metrics) == (local.stages, local.metrics)
    assert there.failure == local.failure
    assert there.peak_rss_bytes
    assert there.seconds > 0


def test_a_case_over_its_memory_limit_is_ended(cluster: Cluster, connected: Connect) -> None:
    executor = connected(cluster, limits=Limits(seconds=30, memory_bytes=150 * 2**20))
    done = drive(executor, [fake("Exhaust0-qat", memory=GIB)])
    assert done["Exhaust0-qat"].outcome.status is Status.OOM


def test_large_cases_go_where_there_is_memory_and_never_meet(
    cluster: Cluster, connected: Connect
) -> None:
    executor = connected(cluster, "scripted_runtime")
    large = [script(f"Large{n}", WHERE + WHEN, memory=5 * GIB) for n in range(3)]
    small = [script(f"Small{n}", WHERE + WHEN, memory=GIB) for n in range(6)]
    done = {name: one.outcome.metrics for name, one in drive(executor, large + small).items()}
    assert {cluster.named(done[job.case]["worker"]) for job in large} == {"large"}
    assert {cluster.named(done[job.case]["worker"]) for job in small} == {"large", "small"}
    spans = sorted((done[job.case]["began"], done[job.case]["ended"]) for job in large)
    assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(spans))
    beside = [
        job.case
        for job in small
        if cluster.named(done[job.case]["worker"]) == "large"
        and any(b < done[job.case]["ended"] and done[job.case]["began"] < e for b, e in spans)
    ]
    assert beside, "there was room for a small case beside a large one"


def test_a_case_too_large_for_every_worker_is_told(cluster: Cluster, connected: Connect) -> None:
    executor = connected(cluster)
    job = fake("Pass0-qat", memory=9 * GIB)
    assert executor.fits(job), "taken, to be refused"
    done = drive(executor, [job, fake("Pass1-qat")])
    outcome = done["Pass0-qat"].outcome
    assert outcome.status is Status.ERROR
    assert outcome.failure is not None
    assert outcome.failure["message"].startswith(
        "Pass0-qat is expected to take 9.0 GiB, and the largest worker has 8.0 GiB of MEMORY"
    )
    assert done["Pass1-qat"].outcome.status is Status.PASS


def test_cases_of_a_group_share_a_host(cluster: Cluster, connected: Connect) -> None:
    executor = connected(cluster, "scripted_runtime")
    one = [script(f"One{n}", WHERE, group="one", memory=5 * GIB) for n in range(4)]
    done = drive(executor, one)
    assert len({each.outcome.metrics["host"] for each in done.values()}) == 1


def test_what_runs_is_told_and_cancelled_at_once(
    cluster: Cluster, connected: Connect, tmp_path: Path
) -> None:
    executor = connected(cluster, "scripted_runtime", limits=Limits(seconds=600))
    mark = tmp_path / "pid"
    hang = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    job = script("Hang", hang, memory=GIB)
    quick = script("Quick", "pass", memory=GIB)
    assert executor.running() == {}
    executor.submit(job)
    assert drive(executor, [quick])["Quick"].outcome.status is Status.PASS
    until(lambda: mark.exists() and mark.read_text())
    assert list(executor.running()) == ["Hang"]
    began = executor.running()["Hang"]
    time.sleep(0.1)
    assert 0.1 <= executor.running()["Hang"] - began < 5
    executor.close(cancel=True)
    assert not psutil.pid_exists(int(mark.read_text())), "the case's process goes on"
    until(lambda: not hosts(cluster), 30)


def test_closing_waits_for_what_runs(cluster: Cluster, connected: Connect, tmp_path: Path) -> None:
    executor = connected(cluster, "scripted_runtime")
    mark = tmp_path / "done"
    executor.submit(script("Slow", f"import time; time.sleep(1); open({str(mark)!r}, 'w')"))
    executor.close()
    assert mark.exists()


CLIENT = """
import sys
from harness.cluster import connect
from harness.execution.jobs import Job
from harness.execution.attempt import Limits
from harness.execution.runner import Runner

executor = connect(sys.argv[1], runtime="scripted_runtime", limits=Limits(seconds=600))
for n in range(2):
    text = f"import os, time; open({sys.argv[2]!r} + '{n}', 'w').write(str(os.getpid())); "
    executor.submit(Job(f"Hang{n}", "g", {"script": text + "time.sleep(600)"}, 2**30))
executor.wait(600)
"""


def test_a_client_that_is_killed_leaves_no_case_behind(cluster: Cluster, tmp_path: Path) -> None:
    mark = str(tmp_path / "pid")
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, cluster.address, mark],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(FAKES), *sys.path])},
    )
    files = [Path(f"{mark}{n}") for n in range(2)]
    try:
        until(lambda: all(one.exists() and one.read_text() for one in files))
    finally:
        client.send_signal(signal.SIGKILL)
        client.wait()
    pids = [int(one.read_text()) for one in files]
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids), 30)
    until(lambda: not hosts(cluster), 30)


def test_many_cases_end_once_each_and_in_order(cluster: Cluster, connected: Connect) -> None:
    executor = connected(cluster)
    jobs = [fake(f"Pass{n}-qat", memory=GIB) for n in range(100)]
    done = drive(executor, jobs)
    assert {one.outcome.status for one in done.values()} == {Status.PASS}
    places = [int(case.removeprefix("Pass").removesuffix("-qat")) for case in done]
    # Three at once: a case can be overtaken by few.
    assert max(abs(place - n) for n, place in enumerate(places)) <= 20


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"module": "no_such_package.models"}, "has no module no_such_package.models"),
        ({"options": {"weights": "/no/such/folder"}}, "has no folder /no/such/folder"),
    ],
)
def test_what_a_worker_lacks_is_told(
    cluster: Cluster, connected: Connect, request_: dict[str, object], told: str
) -> None:
    done = drive(connected(cluster), [fake("Pass0-qat", **request_)])
    outcome = done["Pass0-qat"].outcome
    assert outcome.status is Status.ERROR
    assert outcome.failure is not None
    assert told in outcome.failure["message"]
