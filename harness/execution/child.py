"""The process that runs cases: a fork of the host, for one case or for those of one group.

After a case it says what that cost, and whether it is fit for another: it is not if the
case died in it, left a thread or a process behind, or holds more memory than before. What
one case was given (its folder, its files, its environment) is taken back before the next.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.failures import facts

#: Files in a case's scratch folder.
EVENTS = "events.jsonl"
OUTPUT = "output.txt"

#: By how much what a process holds after a case may exceed what it held after its first,
#: beside what its runtime keeps for the next.
GROWTH_BYTES = 512 * 2**20

_PR_SET_PDEATHSIG = 1
_LINUX_RSS_IN_KB = 1024


def serve(runtime: Any, requests: int, reports: int, folder: Path) -> None:
    """Run the cases that come through a pipe, and never return.

    Args:
      runtime: the module that runs a case.
      requests: one JSON line per case; the process ends when it closes.
      reports: one JSON line after each: ``cpu_seconds``, ``peak_rss_bytes``, ``stays``.
      folder: for what cases share; the host removes it.
    """
    code = 70
    try:
        _detach(folder)
        with os.fdopen(requests, "rb") as lines:
            process = _Process(runtime, folder)
            for line in lines:
                told = process.run({**json.loads(line), "shared": str(folder)})
                os.write(reports, json.dumps(told).encode() + b"\n")
                if not told["stays"]:
                    break
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        # Not sys.exit: the interpreter's clean-up is the host's, not the child's.
        os._exit(code)


def _detach(folder: Path) -> None:
    """Become a session of its own that ends with the host, and is the first to be ended."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.setsid()
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)
    os.chdir(folder)


class _Process:
    """What a process keeps from case to case: its bounds, and the meters of what they cost."""

    def __init__(self, runtime: Any, folder: Path) -> None:
        self._runtime = runtime
        self._folder = folder
        self._spent = 0.0
        self._most: int | None = None

    def run(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run one case, and return what it cost and whether another may follow."""
        environment, path = dict(os.environ), list(sys.path)
        children_before = _children_peak()
        resets = _reset_peak()
        scratch = Path(request["scratch"])
        try:
            with _streams(scratch), _temporary_files_in(scratch):
                _one(self._runtime, request, scratch)
        finally:
            os.chdir(self._folder)
            sys.path[:] = path
            os.environ.clear()
            os.environ.update(environment)
        gc.collect()
        own = _status("VmHWM") if resets else None
        peak = own or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _LINUX_RSS_IN_KB
        children = _children_peak()
        before, self._spent = self._spent, _cpu_seconds()
        return {
            "cpu_seconds": self._spent - before,
            "peak_rss_bytes": max(peak, children if children > children_before else 0),
            "stays": self._fit(),
        }

    def _fit(self) -> bool:
        import psutil

        kept = getattr(self._runtime, "kept_bytes", lambda: 0)()
        resident = (_status("VmRSS") or 0) - kept
        self._most = self._most or resident + GROWTH_BYTES
        alone = threading.active_count() == 1 and not psutil.Process().children()
        return alone and resident <= self._most


def _one(runtime: Any, request: Mapping[str, Any], scratch: Path) -> None:
    """Run a case and write what it says of itself to the file of its events."""
    events = os.open(scratch / EVENTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def report(event: Mapping[str, Any]) -> None:
        os.write(events, json.dumps(event, default=str).encode() + b"\n")

    try:
        try:
            metrics = runtime.run(request, report)
            report({"event": "passed", "metrics": dict(metrics)})
        except BaseException as error:
            report({"event": "failed", "failure": facts.from_exception(error)})
    finally:
        os.close(events)


@contextlib.contextmanager
def _streams(scratch: Path) -> Any:
    """Send what a case prints to its folder; one that runs out of time is asked where it is."""
    kept = os.dup(1)
    output = os.open(scratch / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    faulthandler.register(signal.SIGUSR1, file=output, all_threads=False)
    try:
        yield
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        faulthandler.unregister(signal.SIGUSR1)
        os.dup2(kept, 1)
        os.dup2(kept, 2)
        os.close(kept)
        os.close(output)


@contextlib.contextmanager
def _temporary_files_in(scratch: Path) -> Any:
    """Let temporary files go with the case: libraries remove them when an interpreter ends.

    This process never ends that way.
    """
    os.chdir(scratch)
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    try:
        yield
    finally:
        tempfile.tempdir = None


def _cpu_seconds() -> float:
    """Return the processor time of this process and of the children it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _children_peak() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _LINUX_RSS_IN_KB


def _reset_peak() -> bool:
    """Let the kernel count the peak of memory anew; False where it does not."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status(name: str) -> int | None:
    """Return a number of bytes that the kernel tells of this process, where it does."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None


def prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
