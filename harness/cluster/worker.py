"""What happens on a worker: a case runs in a process of its own, as on one machine.

Everything here is imported by the worker from its own installation of this project. The
scheduler needs none: to it, a case is a task like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker

from harness import environment
from harness.cluster.identity import identity
from harness.execution.attempt import Limits, Outcome
from harness.execution.runner import Runner
from harness.stages.inputs.weights import WORDS as WEIGHTS
from harness.vocabulary import Status

#: The plugin's name on a worker.
PLUGIN = "tfmot-matrix"

#: The resource that cases ask for, in bytes: ``dask worker --resources MEMORY=16e9``.
MEMORY = "MEMORY"

#: A host process that has had no case for so long is ended: its client may be gone.
IDLE_SECONDS = 60.0

#: How long a case may take to end when it is told to.
_END_SECONDS = 5.0

#: States of a task of Dask's that was executing: all others mean that nobody wants it any more.
_ENDS = ("memory", "error", "long-running", "rescheduled")


@dataclass(frozen=True)
class Kind:
    """What hosts differ in; one of another kind cannot take a case over."""

    runtime: str
    limits: Limits


@dataclass
class _Seat:
    """A runner, and whose case it had last."""

    kind: Kind
    runner: Runner
    group: str = ""


class Cases(WorkerPlugin):
    """The runners of one worker: at most one per thread, kept between cases."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._free: list[_Seat] = []
        self._at_work: dict[str, Runner] = {}
        self._unwanted: set[str] = set()
        # Those that ended just now: what Dask still says of them is no news.
        self._over: deque[str] = deque(maxlen=256)
        self._timer: threading.Timer | None = None

    def run(self, attempt: str, kind: Kind, group: str, request: Mapping[str, Any]) -> Outcome:
        """Run one case; raise `harness.execution.runner.Stopped` if it is no longer wanted."""
        with self._seat(attempt, kind, group) as runner:
            return runner.run(request)

    @contextmanager
    def _seat(self, attempt: str, kind: Kind, group: str) -> Iterator[Runner]:
        with self._lock:
            alike = [seat for seat in self._free if seat.kind == kind]
            last = [seat for seat in alike if seat.group == group]
            # Those of another kind are of another run; a thread has one host, not two.
            others = [] if alike else self._free[:1]
            for one in [*(last or alike)[:1], *others]:
                self._free.remove(one)
            seat = next(iter(last or alike), None) or _Seat(kind, Runner(kind.runtime, kind.limits))
            seat.group = group
            self._at_work[attempt] = seat.runner
            if attempt in self._unwanted:
                seat.runner.stop()
        for one in others:
            one.runner.close()
        is_sound = False
        try:
            yield seat.runner
            is_sound = True
        finally:
            with self._lock:
                # One that was told to stop as its case ended anyway would refuse the next.
                is_sound = is_sound and attempt not in self._unwanted
                if is_sound:
                    self._free.append(seat)
                    self._leave(attempt)
            if not is_sound:
                seat.runner.close()
                with self._lock:
                    self._leave(attempt)

    def _leave(self, attempt: str) -> None:
        del self._at_work[attempt]
        self._over.append(attempt)
        self._unwanted.discard(attempt)
        self._watch_idle()
        self._ended.notify_all()

    def stop(self, attempt: str) -> None:
        """End a case at once; one that has not come so far ends when it does."""
        with self._lock:
            if attempt in self._over:
                return
            self._unwanted.add(attempt)
            runner = self._at_work.get(attempt)
        if runner is not None:
            runner.stop()

    def close(self) -> None:
        """End everything."""
        with self._lock:
            attempts = list(self._at_work)
        self.end(attempts)

    def end(self, attempts: Collection[str]) -> None:
        """End some cases and all hosts that have none; return when they have ended."""
        for attempt in attempts:
            self.stop(attempt)
        with self._lock:
            self._ended.wait_for(
                lambda: not self._at_work.keys() & set(attempts), timeout=_END_SECONDS
            )
        self.close_idle()

    def close_idle(self) -> None:
        """End the hosts that have no case now."""
        with self._lock:
            idle, self._free = self._free, []
        for seat in idle:
            seat.runner.close()

    def _watch_idle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(IDLE_SECONDS, self.close_idle)
        self._timer.daemon = True
        self._timer.start()

    # --- what Dask calls, in the worker's event loop --------------------------------

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        # Dask cannot end a thread: a task that is cancelled, or whose client has gone, is
        # only forgotten. Its case has a process, which can be ended.
        if start in ("executing", "long-running") and finish not in _ENDS:
            self.stop(str(key))

    async def teardown(self, worker: Worker) -> None:
        await asyncio.to_thread(self.close)


# --- what the client calls: through `Client.run`, in the event loop -----------------------


async def welcome(runtime: str, dask_worker: Worker) -> dict[str, Any]:
    """Make a worker ready for cases, and return what the client has to know of it."""
    if PLUGIN not in dask_worker.plugins:
        await dask_worker.plugin_add(plugin=Cases(), name=PLUGIN)
    return {
        **await asyncio.to_thread(_describe, runtime),
        "name": str(dask_worker.name),
        "slots": dask_worker.state.nthreads,
        "memory": dask_worker.state.total_resources.get(MEMORY),
    }


def _describe(runtime: str) -> dict[str, Any]:
    return {
        "identity": dict(identity()),
        "revision": environment.capture()["revision"],
        "cores": _cores(),
        "runtime": _is_there(runtime),
    }


async def dismiss(attempts: list[str], dask_worker: Worker) -> None:
    """End cases of a client that leaves, and hosts that it leaves idle."""
    plugin = dask_worker.plugins.get(PLUGIN)
    if isinstance(plugin, Cases):
        await asyncio.to_thread(plugin.end, attempts)


# --- what the client submits: runs in a thread of the worker ------------------------------


def run(
    attempt: str,
    group: str,
    request: Mapping[str, Any],
    runtime: str,
    limits: Mapping[str, Any],
    topic: str,
) -> None:
    """Run one case, and tell what became of it and in which environment.

    That goes to the client as news, not as the task's result: a result stays here until the
    client asks for it, two more messages during which the worker may be lost, and the case with it.

    Args:
      attempt: the key of the task.
      group: what it shares with cases that are cheaper after it.
      request: what the runtime is told of it.
      runtime: the module that runs it.
      limits: those it is kept to, by field.
      topic: of the news.
    """
    worker = get_worker()
    plugin = worker.plugins[PLUGIN]
    assert isinstance(plugin, Cases)
    worker.log_event(topic, {"attempt": attempt})
    wanting = _wanting(request)
    if wanting:
        failure = {"type": "NotOnWorker", "message": f"the worker {worker.name} {wanting}"}
        outcome = Outcome(Status.ERROR, failure=failure)
    else:
        kind = Kind(runtime, Limits(**limits))
        outcome = plugin.run(attempt, kind, group, request)
    # As JSON, which what a case tells has been before: Dask would make tuples of its lists.
    told = json.dumps({"outcome": vars(outcome), "environment": environment.capture()})
    worker.log_event(topic, {"attempt": attempt, "told": told})


def _wanting(request: Mapping[str, Any]) -> str | None:
    """Return what a case needs and a worker has not; nothing of the client's is there."""
    module = str(request.get("module") or "")
    if module and not _is_there(module.partition(".")[0]):
        return f"has no module {module}: install the package that defines it there, too"
    weights = (request.get("options") or {}).get("weights")
    if weights and weights not in WEIGHTS and not Path(weights).is_dir():
        return f"has no folder {weights}: put the weights there, too"
    return None


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _cores() -> int:
    """Return how many cores this process may use: by affinity, and in a container by quota."""
    cores = environment.cores()
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    return max(1, min(cores, os.cpu_count() or 1))
