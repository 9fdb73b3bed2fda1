"""What an executor is: it takes jobs, runs them somewhere, and hands back what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from harness.execution.attempt import Outcome


@dataclass(frozen=True)
class Job:
    """One case, as a worker gets it.

    Attributes:
      case: its id.
      group: its application and variant: the jobs of one group are cheaper one after
        another on one worker.
      request: what the runtime's ``run`` takes, ready for JSON.
      memory_bytes: the peak that is expected; None if unknown.
    """

    case: str
    group: str
    request: Mapping[str, Any]
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Done:
    """A job that has ended.

    Attributes:
      job: the job.
      outcome: what became of it.
      environment: of the machine that ran it, as `harness.environment.capture` tells it.
    """

    job: Job
    outcome: Outcome
    environment: Mapping[str, Any]


class ExecutorLost(RuntimeError):
    """What runs the cases has gone: what has ended is kept, the rest has not run."""


class Executor(Protocol):
    """Runs jobs; driven by one thread, the loop."""

    def free(self) -> int:
        """Return how many more jobs it takes now."""
        ...

    def fits(self, job: Job) -> bool:
        """Whether it would start this job now, by memory."""
        ...

    def submit(self, job: Job) -> None:
        """Start a job."""
        ...

    def wait(self, seconds: float) -> list[Done]:
        """Return the jobs that have ended; none if no job does in time.

        Raises:
          ExecutorLost: no more will.
        """
        ...

    def running(self) -> Mapping[str, float]:
        """Return the seconds since each running case started."""
        ...

    def close(self, *, cancel: bool = False) -> None:
        """End the workers, once what runs has ended; at once if it is to be cancelled."""
        ...
