"""Processes of Dask for tests and benchmarks: a scheduler and workers on loopback."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

from harness.cluster.worker import MEMORY
from harness.execution.jobs import Done, Executor, Job

GIB = 2**30

FAKES = Path(__file__).with_name("fakes").resolve()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Cluster:
    """A scheduler and its workers; all of them end with the block.

    Args:
      folder: for their logs and files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.address = f"tcp://127.0.0.1:{self._port}"
        self.workers: dict[str, psutil.Process] = {}
        self._started: list[subprocess.Popen[bytes]] = []
        # To the scheduler a case is a task like any other: it works without this project.
        absent = folder / "absent" / "harness"
        absent.mkdir(parents=True)
        (absent / "__init__.py").write_text("raise ImportError('not on the scheduler')\n")
        self.scheduler = self._start(
            "scheduler", "scheduler", "--port", str(self._port), "--dashboard-address", ":0",
            PYTHONPATH=str(absent.parent),
        )  # fmt: skip
        until(self._listens, 60)

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self._port)) == 0

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        everything = [child for one in self._started for child in _family(one.pid)]
        for process in everything:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(everything, timeout=10)
        for one in self._started:
            one.wait()

    def worker(
        self, name: str, memory: float | None, *more: str, **environment: str
    ) -> psutil.Process:
        """Start a worker; it may take seconds until it is one."""
        declared = [] if memory is None else ["--resources", f"{MEMORY}={memory:.0f}"]
        process = self._start(
            "worker", name, self.address, "--name", name, "--nthreads", "1", "--no-nanny",
            "--local-directory", str(self._folder), *declared, *more, **environment,
        )  # fmt: skip
        self.workers[name] = process
        return process

    def named(self, pid: int) -> str:
        """Return the name of the worker that is a process."""
        return next(name for name, process in self.workers.items() if process.pid == pid)

    def wait_for(self, count: int, seconds: float = 90) -> None:
        """Wait until there are as many workers."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            until(lambda: len(client.nthreads()) == count, seconds)

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def _start(self, what: str, name: str, *arguments: str, **environment: str) -> psutil.Process:
        with (self._folder / f"{name}.log").open("ab") as log:
            one = subprocess.Popen(
                [
                    sys.executable, "-m", f"distributed.cli.dask_{what}",
                    "--host", "127.0.0.1", "--no-dashboard", *arguments,
                ],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(FAKES), **environment},
            )  # fmt: skip
        self._started.append(one)
        return psutil.Process(one.pid)


def _family(pid: int) -> list[psutil.Process]:
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return []


def own_time(processes: Iterable[psutil.Process]) -> float:
    """Return the CPU seconds of processes, without those of their children."""
    times = [one.cpu_times() for one in processes]
    return sum(one.user + one.system for one in times)


def until(what: Any, seconds: float = 60) -> None:
    """Wait until a function returns something true."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come to be")
        time.sleep(0.02)


def fake(case: str, *, group: str = "", memory: int | None = None, **request: Any) -> Job:
    """Return a job of the fake runtime: what it does is in the first part of the case's name."""
    application, _, technique = case.partition("-")
    asked: Mapping[str, Any] = {
        "case": case,
        "function": application,
        "technique": technique or "qat",
        "until": "save",
        "module": "",
        "threads": 16,
        "options": {},
        **request,
    }
    return Job(case, group or application, asked, memory)


def script(case: str, text: str, *, group: str = "", memory: int | None = None) -> Job:
    """Return a job of the scripted runtime."""
    return Job(case, group or case, {"script": textwrap.dedent(text), "threads": 16}, memory)


def drive(executor: Executor, jobs: list[Job], seconds: float = 120) -> dict[str, Done]:
    """Run jobs as a loop does: the first that fits goes next."""
    deadline = time.monotonic() + seconds
    left, done = list(jobs), {}
    while len(done) < len(jobs):
        while executor.free() and left:
            job = next((one for one in left if executor.fits(one)), None)
            if job is None:
                break
            left.remove(job)
            executor.submit(job)
        for one in executor.wait(0.2):
            assert one.job.case not in done, "a case ended twice"
            done[one.job.case] = one
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(done)} of {len(jobs)} have ended: {executor.running()}")
    return done
