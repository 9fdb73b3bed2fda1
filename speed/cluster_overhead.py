"""What a cluster adds to a case: 2,000 cases that do nothing, here and through Dask on loopback.

By turns in one run: as many runners as there are workers, each in a thread of this process, and
the same cases through a scheduler and two workers. Wall time per case, and the CPU time that this
process, the scheduler and the workers took for each, without what the case's own processes took.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from measuring import PROJECT, show

sys.path[:0] = [str(PROJECT / "tests" / "harness"), str(PROJECT / "tests" / "harness" / "fakes")]

# ruff: noqa: E402  (what the tests share is found only now)
from dask_processes import GIB, Cluster, drive, fake, own_time

from harness.cluster import connect
from harness.execution.attempt import Limits
from harness.execution.jobs import Executor, Job
from harness.execution.runner import Runner
from harness.vocabulary import Status

RUNTIME = "fake_runtime"
WORKERS = 2


def direct(pool: ThreadPoolExecutor, runners: list[Runner], jobs: list[Job]) -> float:
    """Run cases in this process's own runners; return the wall seconds."""
    began = time.perf_counter()
    parts = [pool.submit(_all, one, jobs[n::WORKERS]) for n, one in enumerate(runners)]
    for part in parts:
        part.result()
    return time.perf_counter() - began


def _all(runner: Runner, jobs: list[Job]) -> None:
    for job in jobs:
        assert runner.run(job.request).status is Status.PASS


def through(executor: Executor, jobs: list[Job]) -> float:
    """Run cases through the cluster; return the wall seconds."""
    began = time.perf_counter()
    done = drive(executor, jobs, seconds=3600)
    assert {one.outcome.status for one in done.values()} == {Status.PASS}
    assert len(done) == len(jobs)
    return time.perf_counter() - began


def measure(cases: int, turns: int) -> list[dict[str, Any]]:
    jobs = [fake(f"Pass{n}-qat", memory=2**20) for n in range(cases)]
    share = cases // turns
    wall = {"here": 0.0, "there": 0.0}
    spent = dict(wall)
    runners = [Runner(RUNTIME, Limits()) for _ in range(WORKERS)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Cluster(Path(folder)) as cluster,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        for n in range(WORKERS):
            cluster.worker(f"w{n}", 4 * GIB)
        cluster.wait_for(WORKERS)
        executor = connect(cluster.address, runtime=RUNTIME, limits=Limits())
        warm = [fake(f"Pass{n}-warm", memory=2**20) for n in range(4 * WORKERS)]
        direct(pool, runners, warm)
        through(executor, warm)
        dask = [cluster.scheduler, *cluster.workers.values()]
        for turn in range(turns):
            part = jobs[turn * share : (turn + 1) * share]
            for where, run in (
                ("here", lambda part=part: direct(pool, runners, part)),
                ("there", lambda part=part: through(executor, part)),
            ):
                before = time.process_time() + own_time(dask)
                wall[where] += run()
                spent[where] += time.process_time() + own_time(dask) - before
        memory = cluster.scheduler.memory_info().rss
        executor.close()
    for one in runners:
        one.close()
    count = share * turns
    each = {name: 1000 * value / count for name, value in wall.items()}
    cpu = {name: 1000 * value / count for name, value in spent.items()}
    return [
        {
            "cases": count,
            "here, ms": each["here"],
            "cluster, ms": each["there"],
            "added, ms": each["there"] - each["here"],
            "CPU here, ms": cpu["here"],
            "CPU cluster, ms": cpu["there"],
            "scheduler, MiB": round(memory / 2**20),
        }
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=10)
    given = parser.parse_args()
    show("a case that does nothing, on two workers", measure(given.cases, given.turns))
    return 0


if __name__ == "__main__":
    sys.exit(main())
