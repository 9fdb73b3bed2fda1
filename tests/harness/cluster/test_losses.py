"""Losing workers, and the scheduler, in the middle of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from dask_processes import GIB, Cluster, drive, fake, script, until

from harness.cluster import ClusterLost, executor
from harness.execution.jobs import Executor
from harness.vocabulary import Status

Connect = Callable[..., Executor]


def test_a_lost_worker_costs_one_retry_elsewhere(
    scratch_cluster: Cluster, connected: Connect, tmp_path: Path
) -> None:
    """One of two workers is killed in the middle of a case; the others' cases go on."""
    cluster = scratch_cluster
    cluster.worker("a", 2 * GIB)
    cluster.worker("b", 2 * GIB)
    cluster.wait_for(2)
    one = connected(cluster, "scripted_runtime")
    mark = tmp_path / "first"
    # The first attempt waits for its end; the second finds that it was there.
    text = f"""
    import os, psutil, time
    from pathlib import Path
    metrics["worker"] = psutil.Process(os.getppid()).ppid()
    if not Path({str(mark)!r}).exists():
        Path({str(mark)!r}).write_text(f"{{os.getpid()}} {{metrics['worker']}}")
        time.sleep(600)
    """
    one.submit(script("Unlucky", text, memory=GIB))
    until(lambda: mark.exists() and " " in mark.read_text())
    case, worker = map(int, mark.read_text().split())
    others = [script(f"Other{n}", "import time; time.sleep(0.05)", memory=GIB) for n in range(10)]
    began = time.monotonic()
    psutil.Process(worker).kill()
    done = {}
    done.update(drive_with(one, others, also="Unlucky"))
    assert time.monotonic() - began < 30
    assert {each.outcome.status for each in done.values()} == {Status.PASS}
    assert done["Unlucky"].outcome.metrics["worker"] not in (worker, None)
    until(lambda: not psutil.pid_exists(case), 10)


def drive_with(one: Executor, jobs: list, *, also: str) -> dict:
    """Drive jobs beside one that has been submitted."""
    done, left = {}, list(jobs)
    until_ = time.monotonic() + 60
    while len(done) < len(jobs) + 1:
        assert time.monotonic() < until_, f"{sorted(done)}, waiting for {also}"
        while left and one.free() and one.fits(left[0]):
            one.submit(left.pop(0))
        done.update({each.job.case: each for each in one.wait(0.2)})
    return done


def test_a_case_that_loses_two_workers_is_an_error_that_names_them(
    scratch_cluster: Cluster, connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = scratch_cluster
    cluster.worker("a", 2 * GIB)
    cluster.worker("b", 2 * GIB)
    cluster.wait_for(2)
    one = connected(cluster)
    done = drive(one, [fake("KillWorker0-qat", memory=GIB)])
    outcome = done["KillWorker0-qat"].outcome
    assert outcome.status is Status.ERROR
    assert outcome.failure is not None
    assert outcome.failure["message"].startswith("KillWorker0-qat lost 2 workers, ")
    assert "a and b" in outcome.failure["message"] or "b and a" in outcome.failure["message"]
    # Nobody is left; after a while that is said, rather than waited on for ever.
    assert one.free() == 0
    assert one.wait(0.1) == []
    monkeypatch.setattr(executor, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(ClusterLost, match=r"no worker .* --resume"):
        one.wait(10)


def test_a_scheduler_that_goes_away_is_told(scratch_cluster: Cluster, connected: Connect) -> None:
    cluster = scratch_cluster
    worker = cluster.worker("a", 2 * GIB)
    cluster.wait_for(1)
    one = connected(cluster)
    one.submit(fake("Hang0-qat", memory=GIB))
    until(lambda: one.running())
    case = worker.children(recursive=True)
    cluster.scheduler.kill()
    with pytest.raises(ClusterLost, match="scheduler"):
        one.wait(20)
    until(lambda: not any(each.is_running() for each in case), 20)


def test_what_has_ended_is_kept_when_the_scheduler_goes_away(
    scratch_cluster: Cluster, connected: Connect
) -> None:
    cluster = scratch_cluster
    cluster.worker("a", 2 * GIB)
    cluster.wait_for(1)
    one = connected(cluster)
    one.submit(fake("Pass0-qat", memory=GIB))
    until(one.free)  # it has ended, and nobody has asked yet
    cluster.scheduler.kill()
    until(lambda: one._client.status != "running")
    assert [done.job.case for done in one.wait(1)] == ["Pass0-qat"]
    with pytest.raises(ClusterLost):
        one.wait(20)
