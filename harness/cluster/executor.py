"""The executor: hands cases to the workers of a cluster and takes back what became of them.

One thread drives it, the loop of the run. What Dask tells it of (a case has started or ended,
a worker has come or gone) is put into a queue by Dask's threads, and looked at by that thread
alone. As many cases are with Dask as the workers have threads, no more: their order stays the
loop's, and the scheduler holds next to nothing, however many cases there are.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness import environment
from harness.cluster import worker
from harness.cluster.calls import ClusterLost, quietly_closed, within
from harness.cluster.flights import Flight, Waiting, by_value, ended
from harness.cluster.roster import Member, Roster, gib
from harness.cluster.welcome import Answer, Welcome
from harness.execution.attempt import Limits, Outcome
from harness.execution.jobs import Done, Job
from harness.vocabulary import Status, UsageError

if TYPE_CHECKING:
    from distributed import Client

#: How often a case is begun: again on another worker if the first is lost.
ATTEMPTS = 2

#: How long a run goes on without a worker: a queue of a batch system may take its time.
PATIENCE_SECONDS = 600.0

#: How long a result may take to arrive, and workers to end what they are told to.
_RESULT_SECONDS = 10.0
_DISMISS_SECONDS = 6.0

#: How long the scheduler may take to say which workers there are.
_ASK_SECONDS = 10.0

#: Dask's own topic, where workers come and go.
_ALL = "all"


class ClusterExecutor:
    """An `harness.execution.jobs.Executor` whose workers are those of a Dask cluster.

    Args:
      client: connected to the scheduler; closed with this.
      welcome: decides which workers take cases.
      runtime: the module that runs a case.
      limits: per case.
      tell: is given a sentence about a worker that comes later and cannot be used.
    """

    def __init__(
        self,
        client: Client,
        welcome: Welcome,
        runtime: str,
        limits: Limits,
        tell: Callable[[str], None],
    ) -> None:
        self._client = client
        self._welcome = welcome
        self._runtime = runtime
        self._limits = asdict(limits)
        self._run = by_value()
        self._tell = tell
        self._token = secrets.token_hex(4)
        self._topic = f"{worker.PLUGIN}-{self._token}"
        self._numbers = itertools.count()
        self._roster = Roster()
        self._flights: dict[str, Flight] = {}
        self._waiting: list[Waiting] = []
        self._done: list[Done] = []
        self._asked: set[str] = set()
        self._alone_since = time.monotonic()
        self._news: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = (
            queue.SimpleQueue()
        )
        self._is_open = True

    def begin(self, address: str, seconds: float) -> None:
        """Ask the workers that are there; wait for one if there is none.

        Raises:
          UsageError: none comes, or one that is there will not do.
        """
        self._client.subscribe_topic(_ALL, self._cluster_event)
        self._client.subscribe_topic(self._topic, self._case_event)
        deadline = time.monotonic() + seconds
        while not (there := self._addresses(address)):
            if time.monotonic() > deadline:
                raise UsageError(
                    f"the scheduler at {address} has no worker: start some, "
                    f'`dask worker {address} --nthreads 1 --resources "MEMORY=16e9"`'
                )
            time.sleep(0.1)
        self._asked.update(there)
        found = [self._welcome.member(*one) for one in self._welcome.ask(there).items()]
        refused = [one for one in found if isinstance(one, str)]
        if refused:
            raise UsageError("\n".join(refused))
        for one in found:
            if isinstance(one, Member):
                self._roster.add(one)

    def _addresses(self, address: str) -> list[str]:
        try:
            return within(_ASK_SECONDS, lambda: list(self._client.nthreads()))
        except (TimeoutError, OSError) as error:
            raise UsageError(
                f"the scheduler at {address} does not say which workers it has ({error})"
            ) from error

    # --- what the loop calls ----------------------------------------------------------

    def free(self) -> int:
        self._catch_up()
        return max(0, self._roster.free() - len(self._waiting))

    def fits(self, job: Job) -> bool:
        self._catch_up()
        return self._never_fits(job) or self._roster.place(job) is not None

    def submit(self, job: Job) -> None:
        self._waiting.append(Waiting(job))
        self._catch_up()

    def running(self) -> Mapping[str, float]:
        self._catch_up()
        now = time.monotonic()
        return {
            flight.job.case: now - flight.started
            for flight in self._flights.values()
            if flight.started is not None
        }

    def wait(self, seconds: float) -> list[Done]:
        """As `Executor.wait`.

        Raises:
          ClusterLost: the scheduler has gone, or there has been no worker for long.
        """
        deadline = time.monotonic() + seconds
        self._catch_up()
        while not self._done:  # what has ended comes first, whatever has been lost since
            self._refuse_lost()
            left = deadline - time.monotonic()
            if left <= 0:
                break
            with contextlib.suppress(queue.Empty):
                # In steps: that nobody comes back is no news.
                handle, arguments = self._news.get(timeout=min(left, 1.0))
                handle(*arguments)
            self._catch_up()
        done, self._done = self._done, []
        return done

    def close(self, *, cancel: bool = False) -> None:
        if not self._is_open:
            return
        while not cancel and (self._flights or self._waiting):
            self.wait(1.0)
        self._is_open = False
        if self._is_connected():
            by_worker = [member.address for member in self._roster]
            attempts = list(self._flights)
            with contextlib.suppress(Exception):
                within(
                    _DISMISS_SECONDS,
                    lambda: self._client.run(
                        worker.dismiss, attempts, workers=by_worker, on_error="ignore"
                    ),
                )
        quietly_closed(self._client)

    # --- news, from Dask's threads ----------------------------------------------------

    def _cluster_event(self, event: tuple[float, Any]) -> None:
        _, message = event
        if isinstance(message, dict) and message.get("action") == "add-worker":
            self._news.put((self._came, (message["worker"],)))
        elif isinstance(message, dict) and message.get("action") == "remove-worker":
            self._news.put((self._went, (message["worker"],)))

    def _case_event(self, event: tuple[float, Any]) -> None:
        _, message = event
        self._news.put((self._case_news, (message, time.monotonic())))

    def _catch_up(self) -> None:
        """Look at all news there are, then send what can be sent."""
        while True:
            try:
                handle, arguments = self._news.get_nowait()
            except queue.Empty:
                break
            handle(*arguments)
        if self._roster:
            self._alone_since = time.monotonic()
        if self._is_connected():
            self._send_waiting()

    def _is_connected(self) -> bool:
        return bool(self._client.status == "running")

    # --- news, in the loop's thread ---------------------------------------------------

    def _came(self, address: str) -> None:
        if address in self._asked:
            return
        self._asked.add(address)

        def ask() -> None:
            self._news.put((self._answered, (address, self._welcome.ask([address])[address])))

        threading.Thread(target=ask, daemon=True).start()

    def _answered(self, address: str, answer: Answer) -> None:
        if address not in self._asked:
            return  # it went meanwhile
        found = self._welcome.member(address, answer)
        if isinstance(found, Member):
            self._roster.add(found)
        else:
            self._tell(f"a worker is left out: {found}")

    def _went(self, address: str) -> None:
        self._asked.discard(address)
        self._roster.remove(address)
        for attempt, flight in list(self._flights.items()):
            if flight.member.address == address:
                self._lost(attempt, "it went away")

    def _case_news(self, message: Mapping[str, Any], when: float) -> None:
        flight = self._flights.get(message["attempt"])
        if flight is None:
            return
        if "told" not in message:
            flight.started = when
            return
        self._land(message["attempt"])
        self._done.append(ended(flight.job, message["told"]))

    def _has_ended(self, attempt: str) -> None:
        """The task is over; what became of its case has been told before, unless it failed."""
        flight = self._flights.get(attempt)
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

        if not self._is_connected():
            return  # `wait` tells, once it has handed out what has ended
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        if isinstance(error, KilledWorker | FutureCancelledError | TimeoutError | OSError):
            self._lost(attempt, reason)
        elif type(error).__name__ == "Stopped":  # by a worker that was about to close
            self._lost(attempt, "it closed")
        else:
            self._land(attempt)
            self._fail(flight.job, f"the worker {flight.member.name} failed: {reason}")

    # --- cases ------------------------------------------------------------------------

    def _never_fits(self, job: Job) -> bool:
        ceiling = self._roster.ceiling()
        return 0 < ceiling < self._roster.size(job)

    def _send_waiting(self) -> None:
        left: list[Waiting] = []
        for one in self._waiting:
            member = self._roster.place(one.job, one.lost)
            if member is not None:
                self._send(one, member)
            elif self._never_fits(one.job):
                self._fail(
                    one.job,
                    f"{one.job.case} is expected to take {gib(self._roster.size(one.job))}, and "
                    f"the largest worker has {gib(self._roster.ceiling())} of MEMORY: add a "
                    "larger worker and run with --resume",
                )
            else:
                left.append(one)
        self._waiting = left

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
            self._topic,
            key=attempt,
            workers=[member.address],
            allow_other_workers=False,
            resources={worker.MEMORY: self._roster.size(one.job)},
            priority=-number,
            retries=0,
            pure=False,
        )
        self._roster.give(member, attempt, one.job)
        self._flights[attempt] = Flight(one.job, member, future, one.lost)
        future.add_done_callback(lambda _: self._news.put((self._has_ended, (attempt,))))

    def _land(self, attempt: str) -> Flight:
        """Take a case from its worker, and let Dask forget it."""
        flight = self._flights.pop(attempt)
        self._roster.end(flight.member.address, attempt)
        flight.future.release()
        return flight

    def _lost(self, attempt: str, reason: str) -> None:
        """A worker was lost over a case: try another, once."""
        flight = self._land(attempt)
        lost = (*flight.lost, flight.member.name)
        if len(lost) < ATTEMPTS:
            self._waiting.insert(0, Waiting(flight.job, lost))
            return
        self._fail(
            flight.job,
            f"{flight.job.case} lost {len(lost)} workers, one after the other: "
            f"{' and '.join(lost)} (of the last: {reason})",
        )

    def _fail(self, job: Job, message: str) -> None:
        outcome = Outcome(Status.ERROR, failure={"type": "Cluster", "message": message})
        self._done.append(Done(job, outcome, environment.capture()))

    def _refuse_lost(self) -> None:
        if not self._is_connected():
            raise ClusterLost("the Dask scheduler went away: start it again and use --resume")
        alone = time.monotonic() - self._alone_since
        if not self._roster and alone > PATIENCE_SECONDS:
            raise ClusterLost(
                f"no worker has been there for {alone / 60:.0f} minutes: "
                "start some and use --resume"
            )
