"""The host process (`harness.execution.host`) from outside: begun, talked to, ended."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from typing import Any

import psutil

from harness import search
from harness.execution import huge_pages
from harness.failures import facts

#: How long a host may take to import, and to start a case.
READY_SECONDS = 180.0
#: How long a host may take to end by itself.
CLOSE_SECONDS = 5.0
#: A host that grew by this much since it was ready is replaced.
HOST_GROWTH_BYTES = 512 * 2**20


#: What the process runs. Not ``-m``, which looks in the current folder first.
PROGRAM = f"{search.NOT_HERE_FIRST}from harness.execution import host; sys.exit(host.called())"


class HostError(RuntimeError):
    """The host process could not start, or went away: the harness's own fault."""

    def __init__(self, message: str, failure: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.failure = failure or {"type": "HostError", "message": message}


class Host:
    """The host process and the two pipes to it."""

    def __init__(self, runtime: str) -> None:
        request_read, self._requests = os.pipe()
        self._answers, answer_write = os.pipe()
        environment = {
            **os.environ,
            **huge_pages.asked_for(os.environ),
            "PYTHONPATH": search.for_children(),
        }
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the host)
        self._folder = tempfile.mkdtemp(prefix="tfmot-matrix-")
        command = [sys.executable, "-c", PROGRAM, runtime]
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

    def start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Have a case started; return what the host says of its process."""
        self.send(request)
        started = self.receive(READY_SECONDS)
        if started is None or "pid" not in started:
            raise HostError("the host process did not start the case")
        return started

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
