"""Jobs: what the loop of a run hands to whatever executes cases, and what it gets back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from harness.isolation import Outcome


@dataclass(frozen=True)
class Job:
    """One attempt at a case, before it is made.

    Attributes:
      case: the case id.
      group: application and variant: jobs of one group are cheaper after another on one worker.
      request: what the runtime's ``run`` takes; as JSON.
      memory_bytes: the expected peak; None if it is unknown.
    """

    case: str
    group: str
    request: Mapping[str, Any]
    memory_bytes: int | None


@dataclass(frozen=True)
class Done:
    """A job that has ended.

    Attributes:
      job: which.
      outcome: what became of it.
      environment: of the machine that ran it (``harness.environment.capture``).
    """

    job: Job
    outcome: Outcome
    environment: Mapping[str, Any]


class Executor(Protocol):
    """Runs jobs; driven by one thread, the loop of the run."""

    def free(self) -> int:
        """Return how many more jobs it takes now."""

    def fits(self, job: Job) -> bool:
        """Whether it would start ``job`` now, by memory."""

    def submit(self, job: Job) -> None:
        """Take a job."""

    def wait(self, seconds: float) -> list[Done]:
        """Return those that have ended; nothing after ``seconds`` without one."""

    def running(self) -> Mapping[str, float]:
        """Return the seconds since each case that runs has started."""

    def close(self, *, cancel: bool = False) -> None:
        """End; ``cancel``: end what runs at once."""
