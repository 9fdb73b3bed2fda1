"""The processes that this one has started, and theirs: ending them all at once."""

from __future__ import annotations

import contextlib

import psutil


class Descendants:
    """All processes below this one, but for those that were there at first."""

    def __init__(self) -> None:
        self._others = set(_below())

    def kill(self) -> None:
        """Kill them; what they start meanwhile is for the next call."""
        for process in _below():
            if process not in self._others:
                with contextlib.suppress(psutil.Error):
                    process.kill()


def _below() -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return psutil.Process().children(recursive=True)
    return []
