"""Flights: cases on their way, there and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cluster.roster import Member
from harness.execution.attempt import Outcome
from harness.execution.jobs import Done, Job
from harness.vocabulary import Status

if TYPE_CHECKING:
    from distributed import Future


@dataclass
class Flight:
    """A case that a worker has."""

    job: Job
    member: Member
    future: Future
    lost: tuple[str, ...]
    started: float | None = None


@dataclass(frozen=True)
class Waiting:
    """A case that has been taken and has no worker now; ``lost``: names of those it lost."""

    job: Job
    lost: tuple[str, ...] = field(default=())


def by_value() -> Callable[..., None]:
    """Return what runs a case, in a form that a scheduler without this project can read.

    It reads every task that it passes on. A function within a function travels as its code, one
    of a module as the module's name; all else that is sent with a case are plain numbers and words.
    """

    def run(*arguments: Any) -> None:
        from harness.cluster.worker import run as here

        here(*arguments)

    return run


def ended(job: Job, told: str) -> Done:
    """Return a job that has ended, from what `harness.cluster.worker.run` tells of it."""
    news = json.loads(told)
    facts = {**news["outcome"], "status": Status(news["outcome"]["status"])}
    return Done(job, Outcome(**facts), news["environment"])
