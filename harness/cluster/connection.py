"""Connecting to a cluster: what can be wrong is said in one sentence before anything runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.cluster.calls import quietly_closed, within
from harness.execution.attempt import Limits
from harness.execution.jobs import Executor
from harness.vocabulary import UsageError

if TYPE_CHECKING:
    from distributed import Client

#: How long a scheduler, and then each worker, may take to answer.
ANSWER_SECONDS = 9.0

#: How long a first worker may take to come.
WORKERS_SECONDS = 10.0

_SCHEMES = ("tcp://", "tls://")


def connect(
    address: str,
    *,
    runtime: str,
    limits: Limits,
    workers_seconds: float = WORKERS_SECONDS,
    tell: Callable[[str], None] | None = None,
) -> Executor:
    """Return an executor that sends cases to the workers of a Dask scheduler.

    Args:
      address: ``tcp://HOST:PORT``, or ``tls://`` with certificates in Dask's configuration.
      runtime: the module that runs a case.
      limits: per case, kept by the worker.
      workers_seconds: how long to wait for a first worker.
      tell: what to do with a sentence about a worker that comes later and cannot be used;
        printed if not said.

    Raises:
      UsageError: there is no scheduler, no worker, or a worker that will not do.
    """
    client = _client(address)
    try:
        from harness.cluster.executor import ClusterExecutor
        from harness.cluster.welcome import Welcome

        welcome = Welcome(client, runtime)
        executor = ClusterExecutor(client, welcome, runtime, limits, tell or _print)
        executor.begin(address, workers_seconds)
    except BaseException:
        quietly_closed(client)
        raise
    return executor


def _print(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _client(address: str) -> Client:
    if not address.startswith(_SCHEMES) or not address.rpartition(":")[2].isdecimal():
        raise UsageError(
            f"{address!r} is no address of a Dask scheduler: give tcp://HOST:PORT or "
            "tls://HOST:PORT, as `dask scheduler` prints it"
        )
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "a cluster needs the extra `cluster`, here and on the workers: "
            '`pip install -c constraints.txt -e ".[cluster]"`'
        ) from error

    class Closed(Client):
        """A client that is closed by who made it, never by the garbage collector.

        That may come by while another client is starting, under a lock that closing takes too.
        """

        def __del__(self) -> None:
            pass

    # Dask tells every failed attempt in a traceback of its own; one sentence says it better.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        # A server that takes connections and says nothing would be waited on past the timeout.
        return within(
            ANSWER_SECONDS + 1,
            lambda: Closed(
                address, timeout=ANSWER_SECONDS, name="tfmot-matrix", set_as_default=False
            ),
        )
    except Exception as error:  # a wrong port, somebody else's server, certificates: all end here
        reason = str(error.__cause__ or error).partition("\n")[0] or type(error).__name__
        raise UsageError(
            f"no Dask scheduler answers at {address} ({reason}): is `dask scheduler` running "
            "there, is the port the one it prints, and has it TLS if and only if this has?"
        ) from error
