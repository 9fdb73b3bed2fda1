"""Isolation: run cases in processes apart, and bring them down when they must be.

A :class:`Runner` belongs to one worker. It starts a host (see ``harness.execution.host``), hands it
one case at a time, watches clock and memory, and tells what became of the case as an
:class:`Outcome`, whatever the case did.

Cases of one group may follow one another in one process. Whatever does not pass in a process
that has run another case is run once more in one of its own, and only that counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from harness.execution import huge_pages
from harness.execution.child import EVENTS, OUTPUT
from harness.failures import facts
from harness.paths import PROJECT
from harness.vocabulary import Status

#: How often memory is looked at. A case that allocates faster than its limit per tick
#: is ended by the kernel, which is told to pick it first.
TICK_SECONDS = 0.05
#: How long a host may take to import.
READY_SECONDS = 180.0
#: From asking a case where it is to killing it.
GRACE_SECONDS = 1.0
#: How long a host may take to end by itself.
CLOSE_SECONDS = 5.0
#: A host that grew by this much since it was ready is replaced.
HOST_GROWTH_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Limits:
    """What one case may use: wall seconds and bytes of resident memory."""

    seconds: float = 1800.0
    memory_bytes: int = 16 * 2**30


@dataclass
class Outcome:
    """What became of one attempt, as facts."""

    status: Status
    stages: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    failure: dict[str, Any] | None = None
    peak_rss_bytes: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class HostError(RuntimeError):
    """The host process could not start, or went away: the harness's own fault."""

    def __init__(self, message: str, failure: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.failure = failure or {"type": "HostError", "message": message}


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
        self._host: _Host | None = None
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
            outcome = _read_events(scratch)
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
        kills_before = _kernel_oom_kills()
        host.send(request)
        started = host.receive(READY_SECONDS)
        if started is None or "pid" not in started:
            raise HostError("the host process did not start the case")
        watch = _Watch(started["pid"], self._limits)
        done: dict[str, Any] | None = None
        while done is None:
            done = host.receive(TICK_SECONDS)
            if done is None:
                watch.look()
        outcome = _read_events(scratch)
        outcome.cpu_seconds = done["cpu_seconds"]
        outcome.peak_rss_bytes = done["peak_rss_bytes"]
        _judge(
            outcome,
            wait_status=done["status"],
            ended_by=watch.ended_by,
            kernel_killed=_kernel_oom_kills() > kills_before,
            output=_tail(scratch / OUTPUT),
            limits=self._limits,
        )
        return outcome, bool(started["used"])

    def _ready_host(self) -> _Host:
        if self._host is not None and self._host.has_grown():
            self.close()
        if self._host is None:
            self._host = _Host(self._runtime)
        if self._stopped.is_set():  # while the host started, perhaps
            raise Stopped
        return self._host


class _Host:
    """The host process and the two pipes to it."""

    def __init__(self, runtime: str) -> None:
        request_read, self._requests = os.pipe()
        self._answers, answer_write = os.pipe()
        paths = [str(PROJECT), *(p for p in sys.path if p)]
        environment = {
            **os.environ,
            **huge_pages.asked_for(os.environ),
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        }
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the host)
        self._folder = tempfile.mkdtemp(prefix="tfmot-matrix-")
        command = [sys.executable, "-m", "harness.execution.host", runtime]
        try:
            self._process = subprocess.Popen(
                [*command, str(request_read), str(answer_write), self._folder],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(request_read, answer_write),
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._requests)
            os.close(self._answers)
            shutil.rmtree(self._folder, ignore_errors=True)
            raise HostError(f"the host process could not start: {error}") from error
        finally:
            os.close(request_read)
            os.close(answer_write)
        self._buffered = b""
        self._hanging_up = threading.Lock()
        try:
            answer = self.receive(READY_SECONDS)
        except HostError:
            self.close()
            raise
        if answer is None or not answer.get("ready"):
            self.close()
            failure = (answer or {}).get("failure")
            reason = failure["message"] if failure else "no answer in time"
            raise HostError(f"the host process could not start: {reason}", failure)
        self._size = self._resident()

    def send(self, request: Mapping[str, Any]) -> None:
        try:
            with self._hanging_up:
                os.write(self._requests, json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise self._gone() from error

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Return the next answer, or None if there is none in time."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffered:
            left = deadline - time.monotonic()
            readable, _, _ = select.select([self._answers], [], [], max(left, 0))
            if not readable:
                return None
            data = os.read(self._answers, 65536)
            if not data:
                raise self._gone()
            self._buffered += data
        line, _, self._buffered = self._buffered.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _gone(self) -> HostError:
        self._log.seek(0)
        output = facts.tail(self._log.read())
        return HostError(
            "the host process went away",
            {"type": "HostError", "message": "the host process went away", "output": output},
        )

    def _resident(self) -> int:
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def has_grown(self) -> bool:
        return self._resident() > self._size + HOST_GROWTH_BYTES

    def hang_up(self) -> None:
        """Close the pipe of requests: the host ends its case and itself. From any thread."""
        with self._hanging_up:
            if self._requests >= 0:
                os.close(self._requests)
            self._requests = -1

    def close(self) -> None:
        """Close the pipes; the host ends its case and itself. If not, end them here."""
        self.hang_up()
        with contextlib.suppress(OSError):
            os.close(self._answers)
        self._answers = -1
        try:
            self._process.wait(timeout=CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(self._process.pid).children(recursive=True):
                    child.kill()
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Watch:
    """Looks at one case's clock and memory, and ends it when it is over a limit."""

    def __init__(self, pid: int, limits: Limits) -> None:
        self._pid = pid
        self._limits = limits
        self._deadline = time.monotonic() + limits.seconds
        self._kill_at: float | None = None
        self.ended_by: Status | None = None

    def look(self) -> None:
        now = time.monotonic()
        if self.ended_by is None:
            if now > self._deadline:
                self._end(Status.TIMEOUT, now)
            elif self._resident() > self._limits.memory_bytes:
                self._end(Status.OOM, now)
        elif self._kill_at is not None and now > self._kill_at:
            self._signal(signal.SIGKILL)

    def _resident(self) -> int:
        """Resident bytes of the case and all it started."""
        try:
            leader = psutil.Process(self._pid)
            family = [leader, *leader.children(recursive=True)]
        except psutil.Error:
            return 0
        total = 0
        for process in family:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def _end(self, status: Status, now: float) -> None:
        self.ended_by = status
        if status is Status.OOM:  # every moment costs memory that others need
            self._signal(signal.SIGKILL)
            self._kill_at = now  # and again, in case it has no process group of its own yet
            return
        self._signal(signal.SIGUSR1)
        self._kill_at = now + GRACE_SECONDS

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGKILL:
                os.killpg(self._pid, number)
            else:
                os.kill(self._pid, number)


def _read_events(scratch: Path) -> Outcome:
    """Rebuild what happened from the events the case wrote, up to where it got."""
    outcome = Outcome(Status.ERROR)
    try:
        lines = (scratch / EVENTS).read_bytes().splitlines()
    except OSError:
        lines = []
    for line in lines:
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, KeyError, TypeError):
            continue  # the case died while it wrote, or wrote there itself
        if kind == "start":
            outcome.stages.append({"name": event["stage"], "status": None, "seconds": 0.0})
        elif kind == "end" and outcome.stages:
            outcome.metrics.update(event["metrics"])
            outcome.stages[-1].update(
                status=str(Status.PASS), seconds=event["seconds"], cpu_seconds=event["cpu_seconds"]
            )
        elif kind == "passed":
            outcome.metrics.update(event["metrics"])
            outcome.status = Status.PASS
        elif kind == "failed":
            outcome.failure = event["failure"]
            outcome.status = Status.FAIL
    return outcome


#: Exceptions that mean memory ran out inside the process.
_OUT_OF_MEMORY = ("MemoryError", "ResourceExhaustedError", "_ArrayMemoryError")


def _judge(
    outcome: Outcome,
    *,
    wait_status: int,
    ended_by: Status | None,
    kernel_killed: bool,
    output: str,
    limits: Limits,
) -> None:
    """Decide the status from how the process ended, and note what is known of it."""
    number = os.WTERMSIG(wait_status) if os.WIFSIGNALED(wait_status) else None
    code = os.WEXITSTATUS(wait_status) if os.WIFEXITED(wait_status) else None
    if ended_by is None and number is None and code == 0 and outcome.status is not Status.ERROR:
        if outcome.failure and outcome.failure["type"] in _OUT_OF_MEMORY:
            outcome.status = Status.OOM
        if outcome.failure:
            outcome.failure.setdefault("output", output)
    else:
        facts: dict[str, Any] = {"output": output, "exit_code": code}
        if ended_by is Status.TIMEOUT:
            outcome.status = Status.TIMEOUT
            facts.update(type="Timeout", message=f"not done after {limits.seconds:g} s")
        elif ended_by is Status.OOM or (number == signal.SIGKILL and kernel_killed):
            limit = f"{limits.memory_bytes / 2**30:g} GiB"
            who = "over its limit of " + limit if ended_by else "ended by the kernel's OOM killer"
            outcome.status = Status.OOM
            facts.update(type="OutOfMemory", message=who)
        elif number is not None:
            name = _signal_name(number)
            outcome.status = Status.CRASH
            facts.update(type="Crash", message=f"ended by {name}", signal=name)
        else:
            outcome.status = Status.CRASH
            facts.update(type="Crash", message=f"left the process with exit code {code}")
        outcome.failure = {**facts, "frames": [], "chain": []}
    if outcome.status is not Status.PASS and outcome.stages:
        outcome.stages[-1]["status"] = str(outcome.status)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"


def _tail(path: Path) -> str:
    """Return the end of what a case printed, however much that was."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2**16))
            return facts.tail(file.read())
    except OSError:
        return ""


def _kernel_oom_kills() -> int:
    """How many processes the kernel has ended for want of memory since it started."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
