"""Welcome: which workers take cases, asked of each when it is first seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import environment
from harness.cluster import worker
from harness.cluster.calls import within
from harness.cluster.identity import differences, identity
from harness.cluster.roster import Member

if TYPE_CHECKING:
    from distributed import Client

#: How long workers may take to say what they are; they read a few hundred files for it.
ANSWER_SECONDS = 20.0

#: What a worker says of itself, or what came of asking.
Answer = Mapping[str, Any] | Exception

_FLAG = '`dask worker SCHEDULER --nthreads 1 --resources "MEMORY=16e9"` (bytes)'


class Welcome:
    """Asks workers what they are, and makes members of them.

    Args:
      client: of the cluster.
      runtime: the module that runs a case.
    """

    def __init__(self, client: Client, runtime: str) -> None:
        self._client = client
        self._runtime = runtime

    def ask(self, addresses: Sequence[str]) -> dict[str, Answer]:
        """Return what each worker answers."""
        try:
            found: dict[str, Answer] = within(
                ANSWER_SECONDS,
                lambda: self._client.run(
                    worker.welcome, self._runtime, workers=list(addresses), on_error="return"
                ),
            )
        except Exception as error:
            found = {}
            missing: Exception = error
        else:
            missing = TimeoutError("it has gone")
        return {address: found.get(address, missing) for address in addresses}

    def member(self, address: str, answer: Answer) -> Member | str:
        """Return a worker as a member, or in one sentence why it cannot be one."""
        if isinstance(answer, ModuleNotFoundError):
            return (
                f"{address} has not this version of the project installed ({answer}): install "
                f"revision {environment.capture()['revision']} there, or start it in a folder that "
                "has no `harness` of its own"
            )
        if isinstance(answer, Exception):
            return f"{address} did not answer ({type(answer).__name__}: {answer})"
        differs = differences(identity(), answer["identity"])
        if differs:
            here = environment.capture()["revision"]
            return (
                f"{address} differs: {differs}; revision {answer['revision']} there, {here} here: "
                "install the same versions on both"
            )
        if not answer["runtime"]:
            return f"{address} has no module {self._runtime}, which runs the cases"
        memory = answer["memory"]
        if memory is None:
            return f"{address} does not say what memory its cases may take: start it with {_FLAG}"
        if memory < 2**20:
            return f"{address} has MEMORY={memory:g}, which is in bytes: start it with {_FLAG}"
        return Member(address, answer["name"], answer["slots"], int(memory), answer["cores"])
