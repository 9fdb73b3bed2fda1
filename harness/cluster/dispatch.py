"""Dispatch: cases are sent to workers, come back, or are lost and sent again."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness import environment
from harness.cluster import worker
from harness.cluster.calls import is_connected
from harness.cluster.flights import Flight, Waiting, by_value, ended
from harness.cluster.news import News
from harness.cluster.roster import Member, Roster, gib
from harness.execution.attempt import Limits, Outcome
from harness.execution.jobs import Done, Job
from harness.vocabulary import Status

if TYPE_CHECKING:
    from distributed import Client

#: How often a case is begun: again on another worker if the first is lost.
ATTEMPTS = 2

#: How long a result may take to arrive.
_RESULT_SECONDS = 10.0


class Dispatch:
    """The cases that wait for a worker or are with one. Used by one thread, the loop's.

    Args:
      client: connected to the scheduler.
      roster: the workers that take cases.
      news: where it is noted that a task is over.
      runtime: the module that runs a case.
      limits: per case.

    Attributes:
      topic: under which workers tell of the cases.
      flights: the cases that workers have, by attempt.
      waiting: those that have no worker now.
    """

    def __init__(
        self, client: Client, roster: Roster, news: News, runtime: str, limits: Limits
    ) -> None:
        self._client = client
        self._roster = roster
        self._news = news
        self._runtime = runtime
        self._limits = asdict(limits)
        self._run = by_value()
        self._token = secrets.token_hex(4)
        self._numbers = itertools.count()
        self._done: list[Done] = []
        self.topic = f"{worker.PLUGIN}-{self._token}"
        self.flights: dict[str, Flight] = {}
        self.waiting: list[Waiting] = []

    def submit(self, job: Job) -> None:
        """Take a case, to be sent when there is room for it."""
        self.waiting.append(Waiting(job))

    def running(self) -> Mapping[str, float]:
        """Return the seconds since each running case started."""
        now = time.monotonic()
        return {
            flight.job.case: now - flight.started
            for flight in self.flights.values()
            if flight.started is not None
        }

    def has_done(self) -> bool:
        """Whether there are cases that have ended and have not been handed out."""
        return bool(self._done)

    def take_done(self) -> list[Done]:
        """Hand out the cases that have ended."""
        done, self._done = self._done, []
        return done

    # --- to the workers ---------------------------------------------------------------

    def never_fits(self, job: Job) -> bool:
        """Whether no worker is large enough for a case."""
        ceiling = self._roster.ceiling()
        return 0 < ceiling < self._roster.size(job)

    def send_waiting(self) -> None:
        """Send what a worker has room for; give up what none ever will have."""
        left: list[Waiting] = []
        for one in self.waiting:
            member = self._roster.place(one.job, one.lost)
            if member is not None:
                self._send(one, member)
            elif self.never_fits(one.job):
                self._fail(
                    one.job,
                    f"{one.job.case} is expected to take {gib(self._roster.size(one.job))}, and "
                    f"the largest worker has {gib(self._roster.ceiling())} of MEMORY: add a "
                    "larger worker and run with --resume",
                )
            else:
                left.append(one)
        self.waiting = left

    def _send(self, one: Waiting, member: Member) -> None:
        number = next(self._numbers)
        attempt = f"{one.job.case}-{self._token}-{number}"
        request = dict(one.job.request)
        if "threads" in request:  # of the client's machine; the worker's share counts
            request["threads"] = self._roster.threads(member)
        future = self._client.submit(
            self._run,
            attempt,
            one.job.group,
            request,
            self._runtime,
            self._limits,
            self.topic,
            key=attempt,
            workers=[member.address],
            allow_other_workers=False,
            resources={worker.MEMORY: self._roster.size(one.job)},
            priority=-number,
            retries=0,
            pure=False,
        )
        self._roster.give(member, attempt, one.job)
        self.flights[attempt] = Flight(one.job, member, future, one.lost)
        future.add_done_callback(lambda _: self._news.put(self._has_ended, attempt))

    # --- from the workers -------------------------------------------------------------

    def told(self, message: Mapping[str, Any], when: float) -> None:
        """Take in what a worker tells of a case: that it has started, or what became of it."""
        flight = self.flights.get(message["attempt"])
        if flight is None:
            return
        if "told" not in message:
            flight.started = when
            return
        self._land(message["attempt"])
        self._done.append(ended(flight.job, message["told"]))

    def _has_ended(self, attempt: str) -> None:
        """The task is over; what became of its case has been told before, unless it failed."""
        flight = self.flights.get(attempt)
        if flight is None:
            return
        try:
            flight.future.result(_RESULT_SECONDS)
        except Exception as error:
            self._has_failed(attempt, flight, error)
        else:
            self._lost(attempt, "it told nothing of the case")

    def _has_failed(self, attempt: str, flight: Flight, error: Exception) -> None:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        if not is_connected(self._client):
            return  # the executor tells, once it has handed out what has ended
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        if isinstance(error, KilledWorker | FutureCancelledError | TimeoutError | OSError):
            self._lost(attempt, reason)
        elif type(error).__name__ == "Stopped":  # by a worker that was about to close
            self._lost(attempt, "it closed")
        else:
            self._land(attempt)
            self._fail(flight.job, f"the worker {flight.member.name} failed: {reason}")

    def worker_went(self, address: str) -> None:
        """Note that a worker has gone, with the cases that it had."""
        for attempt, flight in list(self.flights.items()):
            if flight.member.address == address:
                self._lost(attempt, "it went away")

    def _land(self, attempt: str) -> Flight:
        """Take a case from its worker, and let Dask forget it."""
        flight = self.flights.pop(attempt)
        self._roster.end(flight.member.address, attempt)
        flight.future.release()
        return flight

    def _lost(self, attempt: str, reason: str) -> None:
        """A worker was lost over a case: try another, once."""
        flight = self._land(attempt)
        lost = (*flight.lost, flight.member.name)
        if len(lost) < ATTEMPTS:
            self.waiting.insert(0, Waiting(flight.job, lost))
            return
        self._fail(
            flight.job,
            f"{flight.job.case} lost {len(lost)} workers, one after the other: "
            f"{' and '.join(lost)} (of the last: {reason})",
        )

    def _fail(self, job: Job, message: str) -> None:
        outcome = Outcome(Status.ERROR, failure={"type": "Cluster", "message": message})
        self._done.append(Done(job, outcome, environment.capture()))
