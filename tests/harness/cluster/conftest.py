"""A Dask scheduler and workers on loopback, each a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from dask_processes import GIB, Cluster

from harness.cluster import connect
from harness.execution.attempt import Limits
from harness.execution.jobs import Executor

Connect = Callable[..., Executor]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers: two threads with 8 GiB, and one with 2 GiB."""
    with Cluster(tmp_path_factory.mktemp("dask")) as one:
        one.worker("large", 8 * GIB, "--nthreads", "2")
        one.worker("small", 2 * GIB)
        one.wait_for(2)
        yield one


@pytest.fixture
def scratch_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler alone: for tests that end its workers, or itself."""
    with Cluster(tmp_path) as one:
        yield one


@pytest.fixture
def connected() -> Iterator[Connect]:
    """Connects to a cluster, and disconnects in the end."""
    with ExitStack() as stack:

        def make(cluster: Cluster, runtime: str = "fake_runtime", **more: object) -> Executor:
            given = {"limits": Limits(seconds=30), **more}
            one = connect(cluster.address, runtime=runtime, **given)  # type: ignore[arg-type]
            stack.callback(one.close, cancel=True)
            return one

        yield make
