"""A Dask scheduler and workers on loopback, each a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dask_processes import Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, of 8 and of 2 GiB."""
    with Cluster(tmp_path_factory.mktemp("dask")) as one:
        one.worker("large", 8 * 2**30)
        one.worker("small", 2 * 2**30)
        one.wait_for(2)
        yield one
