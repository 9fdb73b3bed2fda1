"""The host: a process that has imported what cases need, and forks those that run them.

TensorFlow takes seconds to import, so it is imported once per host; a case may leave
gigabytes and global state behind, so it runs in a fork (see ``harness.execution.child``). Importing
TensorFlow starts no thread pool and opens no device, which is what makes forking afterwards
sound; the first operation a child runs makes its own.

A runtime with a function ``group(request)`` names the requests that may follow one another
in one process, because they have much in common: such a child is kept after its case, and
gets the next request if that is of its group. It is ended when another group comes, when
it is not fit any more, or when a request asks for a process of its own (``"alone"``).

The host reads one JSON request per line from a pipe and answers in JSON lines:
``{"ready": true}`` once, then per case ``{"pid": n, "used": ...}`` when it starts and
``{"done": ...}`` when it has ended and everything it started is gone. What a case
prints goes to a file, never to the pipe. The host ends when the pipe closes.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.execution.child import prctl, serve
from harness.failures import facts

_PR_SET_CHILD_SUBREAPER = 36


def main(runtime_name: str, requests: int, answers: int, folder: str) -> int:
    """Serve requests until the pipe closes. Runs in a session of its own."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    reader = os.fdopen(requests, "rb", buffering=0)
    writer = os.fdopen(answers, "wb", buffering=0)

    def answer(data: Mapping[str, Any]) -> None:
        writer.write(json.dumps(data).encode() + b"\n")

    try:
        runtime = importlib.import_module(runtime_name)
        runtime.preload()
    except BaseException as error:
        answer({"ready": False, "failure": facts.from_exception(error)})
        return 4
    # What is alive now stays alive: keep the collector from touching (and so copying)
    # its pages in every child.
    gc.collect()
    gc.freeze()
    wakeup_read, wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    group_of = getattr(runtime, "group", lambda request: None)
    child: _Child | None = None
    answer({"ready": True, "pid": os.getpid()})
    buffered = b""
    while True:
        while b"\n" not in buffered:
            data = reader.read(65536)
            if not data:
                if child is not None:
                    child.end()
                return 0
            buffered += data
        line, _, buffered = buffered.partition(b"\n")
        request = json.loads(line)
        group = None if request.get("alone") else group_of(request)
        if child is not None and not (group is not None and child.takes(group)):
            child.end()
            child = None
        used = child is not None
        if child is None:
            # A case that wants a process of its own may be followed by others of its group.
            child = _Child(runtime, group_of(request), Path(folder), close=(reader, writer))
        answer({"pid": child.pid, "used": used})
        done = child.run(request, reader.fileno(), wakeup_read)
        if done is None or child.group is None or not done.pop("stays", False):
            child.end()
            child = None
        _reap_strays(child.pid if child else None)
        if done is None:
            return 0
        answer(done)


class _Child:
    """A process that runs cases, and the pipes to it."""

    def __init__(
        self, runtime: Any, group: str | None, folder: Path, close: tuple[Any, ...]
    ) -> None:
        self.group = group
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        request_read, self._requests = os.pipe()
        self._reports, report_write = os.pipe()
        self._status: tuple[int, Any] | None = None
        self.pid = os.fork()
        if self.pid == 0:
            for one in close:
                one.close()
            os.close(self._requests)
            os.close(self._reports)
            serve(runtime, request_read, report_write, self._folder)
        os.close(request_read)
        os.close(report_write)

    def takes(self, group: str) -> bool:
        """Whether it is alive, and of this group."""
        return self.group == group and self._ended() is None

    def run(self, request: Mapping[str, Any], parent: int, wakeup: int) -> dict[str, Any] | None:
        """Have it run a case; None if the parent went away first."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._requests, json.dumps(request).encode() + b"\n")
        told = b""
        while True:
            ended = self._ended()
            readable, _, _ = select.select(
                [parent, self._reports, wakeup], [], [], 0 if ended else 1.0
            )
            if self._reports in readable:
                told += os.read(self._reports, 4096)
                if told.endswith(b"\n"):
                    return {"done": self.pid, "status": 0, **json.loads(told)}
            if ended is not None:
                status, usage = ended
                return {
                    "done": self.pid,
                    "status": status,
                    "peak_rss_bytes": usage.ru_maxrss * 1024,
                    "cpu_seconds": usage.ru_utime + usage.ru_stime,
                }
            if wakeup in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(wakeup, 4096)
            if parent in readable:
                # The parent sends the next request only after this answer, so there is
                # something to read only when it closed the pipe.
                return None

    def end(self) -> None:
        """End it with all it started, and remove what its cases shared."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            if self._status is None:  # it may not have its group yet
                os.kill(self.pid, signal.SIGKILL)
        if self._status is None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        os.close(self._requests)
        os.close(self._reports)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ended(self) -> tuple[int, Any] | None:
        if self._status is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._status = (status, usage)
        return self._status


def _reap_strays(kept: int | None) -> None:
    """Kill what a case started in another session; as its subreaper it is ours now."""
    import psutil

    for _ in range(100):
        strays = [p for p in psutil.Process().children(recursive=True) if p.pid != kept]
        for stray in strays:
            with contextlib.suppress(psutil.Error):
                stray.kill()
        for stray in strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(stray.pid, os.WNOHANG)
        if not strays:
            return
        psutil.wait_procs(strays, timeout=0.05)


def called() -> int:
    """Serve as the words of the call say."""
    return main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
