"""What became of a case, from what it told and from how its process ended."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from harness.execution.attempt import Limits, Outcome
from harness.execution.child import EVENTS
from harness.failures import facts
from harness.vocabulary import Status

#: Exceptions that mean memory ran out inside the process.
_OUT_OF_MEMORY = ("MemoryError", "ResourceExhaustedError", "_ArrayMemoryError")


def read_events(scratch: Path) -> Outcome:
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


def judge(
    outcome: Outcome,
    *,
    wait_status: int,
    ended_by: Status | None,
    kernel_killed: bool,
    output: str,
    limits: Limits,
) -> None:
    """Decide the status from how the process ended, and note what is known of it.

    Args:
      outcome: what the case told; status, failure and last stage are changed in place.
      wait_status: of the process, as ``os.wait4`` returns it.
      ended_by: TIMEOUT or OOM if the watchdog ended it; None: it did not.
      kernel_killed: whether the kernel's OOM killer ended any process meanwhile.
      output: the end of what the case printed.
      limits: that it had, for the message.
    """
    number = os.WTERMSIG(wait_status) if os.WIFSIGNALED(wait_status) else None
    code = os.WEXITSTATUS(wait_status) if os.WIFEXITED(wait_status) else None
    if ended_by is None and number is None and code == 0 and outcome.status is not Status.ERROR:
        if outcome.failure and outcome.failure["type"] in _OUT_OF_MEMORY:
            outcome.status = Status.OOM
        if outcome.failure:
            outcome.failure.setdefault("output", output)
    else:
        known: dict[str, Any] = {"output": output, "exit_code": code}
        if ended_by is Status.TIMEOUT:
            outcome.status = Status.TIMEOUT
            known.update(type="Timeout", message=f"not done after {limits.seconds:g} s")
        elif ended_by is Status.OOM or (number == signal.SIGKILL and kernel_killed):
            limit = f"{limits.memory_bytes / 2**30:g} GiB"
            who = "over its limit of " + limit if ended_by else "ended by the kernel's OOM killer"
            outcome.status = Status.OOM
            known.update(type="OutOfMemory", message=who)
        elif number is not None:
            name = _signal_name(number)
            outcome.status = Status.CRASH
            known.update(type="Crash", message=f"ended by {name}", signal=name)
        else:
            outcome.status = Status.CRASH
            known.update(type="Crash", message=f"left the process with exit code {code}")
        outcome.failure = {**known, "frames": [], "chain": []}
    if outcome.status is not Status.PASS and outcome.stages:
        outcome.stages[-1]["status"] = str(outcome.status)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"


def tail(path: Path) -> str:
    """Return the end of what a case printed, however much that was."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2**16))
            return facts.tail(file.read())
    except OSError:
        return ""
