"""Calls to a cluster that may not answer."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from harness.execution.jobs import ExecutorLost

if TYPE_CHECKING:
    from distributed import Client


#: How long a client may take to say good-bye.
_CLOSE_SECONDS = 4.0

Answer = TypeVar("Answer")


class ClusterLost(ExecutorLost):
    """The scheduler or all workers have gone: what has ended is kept, the rest has not run."""


def within(seconds: float, function: Callable[[], Answer]) -> Answer:
    """Return what a call returns; raise TimeoutError if that takes too long."""
    answer: queue.SimpleQueue[tuple[Answer | None, BaseException | None]] = queue.SimpleQueue()

    def call() -> None:
        try:
            answer.put((function(), None))
        except BaseException as error:
            answer.put((None, error))

    threading.Thread(target=call, daemon=True).start()  # one that hangs must not keep us
    try:
        found, error = answer.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return found  # type: ignore[return-value]  # with no error there is an answer


def is_connected(client: Client) -> bool:
    """Whether a client has its scheduler."""
    return bool(client.status == "running")


def quietly_closed(client: Client) -> None:
    """Close a client whose scheduler may be gone."""
    with contextlib.suppress(Exception):
        within(_CLOSE_SECONDS, lambda: client.close(timeout=_CLOSE_SECONDS / 2))
