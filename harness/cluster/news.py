"""News: what Dask's threads tell, to be looked at by the thread of the loop alone."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable
from typing import Any


class News:
    """A queue of calls, made by whoever looks at it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = (
            queue.SimpleQueue()
        )

    def put(self, handle: Callable[..., None], *arguments: Any) -> None:
        """Have a call made by the thread that looks; from any thread."""
        self._queue.put((handle, arguments))

    def handle_all(self) -> None:
        """Look at all there are."""
        while True:
            try:
                handle, arguments = self._queue.get_nowait()
            except queue.Empty:
                break
            handle(*arguments)

    def handle_next(self, seconds: float) -> None:
        """Look at one; wait for it if there is none."""
        with contextlib.suppress(queue.Empty):
            handle, arguments = self._queue.get(timeout=seconds)
            handle(*arguments)
