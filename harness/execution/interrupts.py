"""Ctrl-C: at once, without a traceback, and with what is finished kept."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from harness.execution.processes import Descendants
from harness.vocabulary import Exit

#: What a terminal sends on Ctrl-C, and what a batch system does when time is up.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While it is entered, an interrupt ends the run in an order that depends on its phase.

    Before and after the work, it ends the process at once: nothing is lost by that. In it
    (see `working`), the first one is noted, for who drives the work to end it; the next kills
    whatever runs.
    """

    def __init__(self) -> None:
        self.asked = False
        self._working = False
        self._before: dict[int, Any] = {}
        self._stderr = -1
        self._ours: Descendants | None = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is not threading.main_thread():
            return self  # signals are for the main thread
        self._ours = Descendants()
        with contextlib.suppress(OSError):
            self._stderr = os.dup(2)  # pytest puts another in its place
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as for a job in the background
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._stderr >= 0:
            os.close(self._stderr)
            self._stderr = -1

    @contextlib.contextmanager
    def working(self) -> Any:
        """Within it, the first interrupt is only noted in `asked`."""
        self._working = True
        try:
            yield self
        finally:
            self._working = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._working and not self.asked:
            self.asked = True
            return
        told = "" if self._working or self.asked else "harness: interrupted before the first case\n"
        if self._ours is not None:
            self._ours.kill()
        with contextlib.suppress(OSError):
            os.write(self._stderr, told.encode())
        os._exit(int(Exit.INTERRUPTED))
