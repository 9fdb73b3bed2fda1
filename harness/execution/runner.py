"""Isolation: run cases in processes apart, and bring them down when they must be.

A :class:`Runner` belongs to one worker. It starts a host (see ``harness.execution.host``), hands it
one case at a time, watches clock and memory, and tells what became of the case as an
:class:`Outcome`, whatever the case did.

Cases of one group may follow one another in one process. Whatever does not pass in a process
that has run another case is run once more in one of its own, and only that counts.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.execution.attempt import Limits, Outcome
from harness.execution.child import OUTPUT
from harness.execution.host_process import Host, HostError
from harness.execution.verdict import judge, read_events, tail
from harness.execution.watchdog import Watch, kernel_oom_kills
from harness.vocabulary import Status

#: How often memory is looked at. A case that allocates faster than its limit per tick
#: is ended by the kernel, which is told to pick it first. To look takes 3 ms, for the list of all
#: processes: at 20 times a second, that was a twentieth of a core beside two cases.
TICK_SECONDS = 0.2


class Stopped(Exception):
    """The runner was told to stop."""


class Runner:
    """Runs cases one at a time, in processes that a case cannot harm another by.

    Args:
      runtime: the module that runs a case (``harness.execution.runtime``).
      limits: per case.
    """

    def __init__(
        self, runtime: str = "harness.execution.runtime", limits: Limits | None = None
    ) -> None:
        self._runtime = runtime
        self._limits = limits or Limits()
        self._host: Host | None = None
        self._stopped = threading.Event()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """End the case that runs, and run no other: ``run`` raises `Stopped`.

        The only method that another thread may call.
        """
        self._stopped.set()
        host = self._host
        if host is not None:
            host.hang_up()

    def close(self) -> None:
        """End the host and whatever case it runs."""
        if self._host is not None:
            self._host.close()
            self._host = None

    def run(self, request: Mapping[str, Any]) -> Outcome:
        """Run one case; always return what became of it.

        Args:
          request: what the runtime's ``run`` takes; ``scratch`` and ``shared``, the folders
            of the case and of the process, are added on the way.

        Raises:
          Stopped: it was told to stop, before or meanwhile.
        """
        outcome, used = self._attempt(request)
        if used and outcome.status is not Status.PASS:
            outcome, _ = self._attempt({**request, "alone": True})
        return outcome

    def _attempt(self, request: Mapping[str, Any]) -> tuple[Outcome, bool]:
        """Run a case once; return what became of it, and whether its process was a used one."""
        scratch = Path(tempfile.mkdtemp(prefix="tfmot-matrix-"))
        began = time.perf_counter()
        used = False
        try:
            outcome, used = self._run_in(scratch, {**request, "scratch": str(scratch)})
        except HostError as error:
            self.close()
            if self._stopped.is_set():
                raise Stopped from None
            outcome = read_events(scratch)
            outcome.status, outcome.failure = Status.ERROR, error.failure
            if outcome.stages:
                outcome.stages[-1]["status"] = str(Status.ERROR)
        except BaseException:
            self.close()
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        outcome.seconds = time.perf_counter() - began
        return outcome, used

    def _run_in(self, scratch: Path, request: Mapping[str, Any]) -> tuple[Outcome, bool]:
        host = self._ready_host()
        kills_before = kernel_oom_kills()
        started = host.start(request)
        watch = Watch(started["pid"], self._limits)
        done: dict[str, Any] | None = None
        while done is None:
            done = host.receive(TICK_SECONDS)
            if done is None:
                watch.look()
        outcome = read_events(scratch)
        outcome.cpu_seconds = done["cpu_seconds"]
        outcome.peak_rss_bytes = done["peak_rss_bytes"]
        judge(
            outcome,
            wait_status=done["status"],
            ended_by=watch.ended_by,
            kernel_killed=kernel_oom_kills() > kills_before,
            output=tail(scratch / OUTPUT),
            limits=self._limits,
        )
        return outcome, bool(started["used"])

    def _ready_host(self) -> Host:
        if self._host is not None and self._host.has_grown():
            self.close()
        if self._host is None:
            self._host = Host(self._runtime)
        if self._stopped.is_set():  # while the host started, perhaps
            raise Stopped
        return self._host
