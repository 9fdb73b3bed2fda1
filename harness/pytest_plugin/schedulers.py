"""Where cases run: ``local:N`` or ``tcp://HOST:PORT``, as the command line says it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from harness import environment
from harness.execution.attempt import Limits
from harness.execution.jobs import Executor
from harness.vocabulary import UsageError

LOCAL = "local:"
#: How the addresses of a cluster begin.
REMOTE = ("tcp://", "tls://")


@dataclass(frozen=True)
class Scheduler:
    """Where the cases of a run go.

    Attributes:
      workers: how many at once on this machine; 0 for a cluster, which knows itself.
      address: of the cluster's scheduler; empty for this machine.
    """

    workers: int
    address: str = ""

    @property
    def threads(self) -> int:
        """How many threads a case may use."""
        return max(1, environment.cores() // self.workers) if self.workers else 1

    def connect(self, limits: Limits, runtime: str) -> Executor:
        """Return what runs the cases.

        Raises:
          UsageError: the cluster cannot be used, or what it needs is not installed.
        """
        if not self.address:
            from harness.execution.local import LocalExecutor

            return LocalExecutor(self.workers, limits, runtime)
        try:
            importlib.import_module("distributed")
        except ImportError as error:
            raise UsageError(
                f"--scheduler {self.address} needs Dask: pip install 'tfmot-matrix[cluster]'"
            ) from error
        cluster = importlib.import_module("harness.cluster")
        executor: Executor = cluster.connect(self.address, limits=limits, runtime=runtime)
        return executor


def parse(number: str, scheduler: str | None) -> Scheduler:
    """Read the options ``-n`` and ``--scheduler``.

    Raises:
      UsageError: either does not read so.
    """
    if scheduler is None:
        return Scheduler(_workers("-n", number))
    if scheduler.startswith(REMOTE):
        return Scheduler(0, scheduler)
    if scheduler.startswith(LOCAL):
        return Scheduler(_workers("--scheduler", scheduler.removeprefix(LOCAL), scheduler))
    raise UsageError(
        f"--scheduler {scheduler}: must read local:N, or tcp://HOST:PORT (tls://HOST:PORT) "
        "of a Dask scheduler"
    )


def _workers(option: str, number: str, shown: str | None = None) -> int:
    if number == "auto":
        return environment.worker_count()
    if not number.isdecimal():
        raise UsageError(f"{option} {shown or number}: must be a whole number of cases, or auto")
    return max(1, int(number))  # 0 means, as for xdist, that nothing runs beside another
