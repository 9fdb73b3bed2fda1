"""The host: a process that has imported what cases need, and forks one child for each.

TensorFlow takes seconds to import, so it is imported once per host; a case may leave
gigabytes and global state behind, so each has a process of its own that ends with it.
Importing TensorFlow starts no thread pool and opens no device, which is what makes
forking afterwards sound; the first operation a child runs makes its own.

The host reads one JSON request per line from a pipe and answers in JSON lines:
``{"ready": true}`` once, then per case ``{"pid": n}`` when it starts and
``{"done": ...}`` when it has ended and everything it started is gone. What a case
prints goes to a file, never to the pipe. The host ends when the pipe closes.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import json
import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import failures

#: Files in a case's scratch folder.
EVENTS = "events.jsonl"
OUTPUT = "output.txt"

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(runtime_name: str, requests: int, answers: int) -> int:
    """Serve requests until the pipe closes. Runs in a session of its own."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    reader = os.fdopen(requests, "rb", buffering=0)
    writer = os.fdopen(answers, "wb", buffering=0)

    def answer(data: Mapping[str, Any]) -> None:
        writer.write(json.dumps(data).encode() + b"\n")

    try:
        runtime = importlib.import_module(runtime_name)
        runtime.preload()
    except BaseException as error:
        answer({"ready": False, "failure": failures.from_exception(error)})
        return 4
    # What is alive now stays alive: keep the collector from touching (and so copying)
    # its pages in every child.
    gc.collect()
    gc.freeze()
    wakeup_read, wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    answer({"ready": True, "pid": os.getpid()})
    buffered = b""
    while True:
        while b"\n" not in buffered:
            data = reader.read(65536)
            if not data:
                return 0
            buffered += data
        line, _, buffered = buffered.partition(b"\n")
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _run_child(runtime, request, close=(reader, writer))
        answer({"pid": child})
        ended = _wait(child, reader.fileno(), wakeup_read)
        _kill_group(child)
        _reap_strays()
        if ended is None:
            return 0
        status, usage = ended
        answer(
            {
                "done": child,
                "status": status,
                "peak_rss_bytes": usage.ru_maxrss * 1024,
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
            }
        )


def _wait(child: int, requests: int, wakeup: int) -> tuple[int, Any] | None:
    """Wait for ``child``; None if the parent went away first."""
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return status, usage
        readable, _, _ = select.select([requests, wakeup], [], [], 1.0)
        if wakeup in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup, 4096)
        if requests in readable:
            # The parent sends the next request only after this answer, so there is
            # something to read only when it closed the pipe.
            return None


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _reap_strays() -> None:
    """Kill what a case started in another session; as its subreaper it is ours now."""
    import psutil

    for _ in range(100):
        strays = psutil.Process().children(recursive=True)
        for stray in strays:
            with contextlib.suppress(psutil.Error):
                stray.kill()
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        if strays:
            psutil.wait_procs(strays, timeout=0.05)


def _run_child(runtime: Any, request: Mapping[str, Any], close: tuple[Any, ...]) -> None:
    """Run one case in this (forked) process and never return."""
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _prefer_as_victim()
        scratch = Path(request["scratch"])
        for one in close:
            one.close()
        output = os.open(scratch / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        # A case that runs out of time is asked where it is before it is killed.
        faulthandler.register(signal.SIGUSR1, file=output, all_threads=False)
        os.chdir(scratch)
        # Libraries clean their temporary files up when the interpreter ends, which this
        # process never does: let them go with the scratch folder.
        os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
        events = os.open(scratch / EVENTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

        def report(event: Mapping[str, Any]) -> None:
            os.write(events, json.dumps(event, default=str).encode() + b"\n")

        try:
            metrics = runtime.run(request, report)
            report({"event": "passed", "metrics": dict(metrics)})
        except BaseException as error:
            report({"event": "failed", "failure": failures.from_exception(error)})
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        # Not sys.exit: the interpreter's clean-up is the host's, not the child's.
        os._exit(code)


def _prefer_as_victim() -> None:
    """Ask the kernel to end this process first when the machine runs out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
