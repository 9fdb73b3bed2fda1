"""A runtime without TensorFlow whose cases do what their application's name says."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from harness.stages import up_to


def check() -> None:
    return None


def preload() -> None:
    return None


def run(request: Mapping[str, Any], report: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    kind = request["function"].rstrip("0123456789")
    for name in up_to(request["until"], module=request["module"]):
        report({"event": "start", "stage": name})
        try:
            # The control passes, so that no other column is blocked by it.
            if name == "transform" and (request["technique"] != "float" or kind == "Control"):
                FAULTS.get(kind, lambda: None)()
        finally:
            report(
                {
                    "event": "end",
                    "stage": name,
                    "seconds": 0.001,
                    "cpu_seconds": 0.001,
                    "metrics": {"parameters": len(request["function"])},
                }
            )
    return {"loss": 0.5}


def _raise(kind: type[BaseException], message: str) -> Callable[[], None]:
    def fault() -> None:
        raise kind(message)

    return fault


def _garbage() -> None:
    os.write(1, bytes(range(256)) * 2000)
    os.write(2, b'{"event":"passed"}\n{"done": 1}\n\x00\xff' * 2000)
    raise RuntimeError("<script>alert('garbage')</script> \x1b[31m\x00")


def _exhaust() -> None:
    held = []
    while True:
        held.append(bytearray(os.urandom(1)) * (32 * 2**20))
        time.sleep(0.01)


def _orphan() -> None:
    """Leave a process behind, in a session of its own."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)


def _deaf_hang() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(3600)


def _kill_worker() -> None:
    """End the process that started the host, as the kernel may."""
    import psutil

    psutil.Process().parents()[1].kill()
    time.sleep(600)


FAULTS: dict[str, Callable[[], None]] = {
    "Slow": lambda: time.sleep(0.4),
    "KillWorker": _kill_worker,
    "KillHost": lambda: os.kill(os.getppid(), signal.SIGKILL) or time.sleep(600),
    "Hang": _deaf_hang,
    "Abort": os.abort,
    "Segv": lambda: ctypes.string_at(0) and None,
    "Kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "Exit": lambda: os._exit(0),
    "Exhaust": _exhaust,
    "Memory": _raise(MemoryError, "cannot allocate"),
    "Garbage": _garbage,
    "Orphan": _orphan,
    "Nested": _raise(
        ValueError, "Quantizing a keras Model inside another keras Model is not supported."
    ),
    "Rank": _raise(ValueError, "Shape must be rank 4 but is rank 5 for '{{node x/y}}'"),
    "Odd": _raise(KeyError, "something nobody has seen"),
    "Control": _raise(RuntimeError, "even the control fails"),
}

#: Status, label and signal that the harness must come to, by kind.
EXPECTED: dict[str, tuple[str, str | None, str | None]] = {
    "Pass": ("pass", None, None),
    "Hang": ("timeout", "timeout", None),
    "Abort": ("crash", "crash", "SIGABRT"),
    "Segv": ("crash", "crash", "SIGSEGV"),
    "Kill": ("crash", "crash", "SIGKILL"),
    "Exit": ("crash", "crash", None),
    "Exhaust": ("oom", "oom", None),
    "Memory": ("oom", "oom", None),
    "Garbage": ("fail", "unclassified", None),
    "Orphan": ("pass", None, None),
    "Nested": ("fail", "nested-model", None),
    "Rank": ("fail", "tensor-rank", None),
    "Odd": ("fail", "unclassified", None),
}
