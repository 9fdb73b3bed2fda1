"""What peers share: they quantize the float model after training, and may not be installed."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from typing import Any

from harness.stages.workbench import CheckError
from harness.techniques.post_training import Ptq


class PeerError(CheckError):
    """A peer failed outside this process; the message is its own."""


class Peer(Ptq):
    """A column of somebody else's tool."""

    group = "peers"

    #: Distributions that it needs besides those that every case does.
    distributions: tuple[str, ...] = ()

    #: The extra of this project that installs them.
    extra = "peers"

    def unavailable(self) -> str | None:
        """Return why it cannot run here and what to do about it; None: it can."""
        missing = [name for name, version in self.depends().items() if version is None]
        if not missing:
            return None
        return (
            f"{', '.join(missing)} not installed: "
            f"`pip install -c constraints.txt -e '.[{self.extra}]'`"
        )

    def depends(self) -> Mapping[str, str | None]:
        """Return the versions of what it works with; None for what is not installed."""
        return {name: _version(name) for name in self.distributions}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def one_by_one(batches: Any) -> Iterator[list[Any]]:
    """Yield the samples of batches one at a time, as a list of inputs: arrays with a batch of 1."""
    for batch in batches:
        inputs = list(batch) if isinstance(batch, (list, tuple)) else [batch]
        for i in range(len(inputs[0])):
            yield [x[i : i + 1] for x in inputs]
