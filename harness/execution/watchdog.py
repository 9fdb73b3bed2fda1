"""Clock and memory: a case that is over a limit is ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil

from harness.execution.attempt import Limits
from harness.vocabulary import Status

#: From asking a case where it is to killing it.
GRACE_SECONDS = 1.0


class Watch:
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


def kernel_oom_kills() -> int:
    """How many processes the kernel has ended for want of memory since it started."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
