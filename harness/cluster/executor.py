"""The executor: hands cases to the workers of a cluster and takes back what became of them.

One thread drives it, the loop of the run. What Dask tells it of (a case has started or ended,
a worker has come or gone) is put into a queue by Dask's threads, and looked at by that thread
alone. As many cases are with Dask as the workers have threads, no more: their order stays the
loop's, and the scheduler holds next to nothing, however many cases there are.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from harness.cluster import worker
from harness.cluster.calls import ClusterLost, is_connected, quietly_closed, within
from harness.cluster.dispatch import Dispatch
from harness.cluster.news import News
from harness.cluster.roster import Member, Roster
from harness.cluster.welcome import Answer, Welcome
from harness.execution.attempt import Limits
from harness.execution.jobs import Done, Job
from harness.vocabulary import UsageError

if TYPE_CHECKING:
    from distributed import Client

#: How long a run goes on without a worker: a queue of a batch system may take its time.
PATIENCE_SECONDS = 600.0

#: How long workers may take to end what they are told to.
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
        self._tell = tell
        self._news = News()
        self._roster = Roster()
        self._dispatch = Dispatch(client, self._roster, self._news, runtime, limits)
        self._asked: set[str] = set()
        self._alone_since = time.monotonic()
        self._is_open = True

    def begin(self, address: str, seconds: float) -> None:
        """Ask the workers that are there; wait for one if there is none.

        Raises:
          UsageError: none comes, or one that is there will not do.
        """
        self._client.subscribe_topic(_ALL, self._cluster_event)
        self._client.subscribe_topic(self._dispatch.topic, self._case_event)
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
        return max(0, self._roster.free() - len(self._dispatch.waiting))

    def fits(self, job: Job) -> bool:
        self._catch_up()
        return self._dispatch.never_fits(job) or self._roster.place(job) is not None

    def submit(self, job: Job) -> None:
        self._dispatch.submit(job)
        self._catch_up()

    def running(self) -> Mapping[str, float]:
        self._catch_up()
        return self._dispatch.running()

    def wait(self, seconds: float) -> list[Done]:
        """As `Executor.wait`.

        Raises:
          ClusterLost: the scheduler has gone, or there has been no worker for long.
        """
        deadline = time.monotonic() + seconds
        self._catch_up()
        while not self._dispatch.has_done():
            self._refuse_lost()  # only now: what has ended comes first
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._news.handle_next(min(left, 1.0))  # in steps: that nobody comes back is no news
            self._catch_up()
        return self._dispatch.take_done()

    def close(self, *, cancel: bool = False) -> None:
        if not self._is_open:
            return
        while not cancel and (self._dispatch.flights or self._dispatch.waiting):
            self.wait(1.0)
        self._is_open = False
        if is_connected(self._client):
            by_worker = [member.address for member in self._roster]
            attempts = list(self._dispatch.flights)
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
            self._news.put(self._came, message["worker"])
        elif isinstance(message, dict) and message.get("action") == "remove-worker":
            self._news.put(self._went, message["worker"])

    def _case_event(self, event: tuple[float, Any]) -> None:
        _, message = event
        self._news.put(self._dispatch.told, message, time.monotonic())

    def _catch_up(self) -> None:
        """Look at all news there are, then send what can be sent."""
        self._news.handle_all()
        if self._roster:
            self._alone_since = time.monotonic()
        if is_connected(self._client):
            self._dispatch.send_waiting()

    # --- news, in the loop's thread ---------------------------------------------------

    def _came(self, address: str) -> None:
        if address in self._asked:
            return
        self._asked.add(address)

        def ask() -> None:
            self._news.put(self._answered, address, self._welcome.ask([address])[address])

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
        self._dispatch.worker_went(address)

    def _refuse_lost(self) -> None:
        if not is_connected(self._client):
            raise ClusterLost("the Dask scheduler went away: start it again and use --resume")
        alone = time.monotonic() - self._alone_since
        if not self._roster and alone > PATIENCE_SECONDS:
            raise ClusterLost(
                f"no worker has been there for {alone / 60:.0f} minutes: "
                "start some and use --resume"
            )
