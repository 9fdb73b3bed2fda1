"""Connecting: one sentence for whatever is wrong, before anything runs."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dask_processes import GIB, Cluster, drive, fake, free_port, until

from harness.cluster import connect, connection
from harness.execution.attempt import Limits
from harness.execution.jobs import Executor
from harness.vocabulary import Status, UsageError

Connect = Callable[..., Executor]


def refused(address: str, **more: float) -> str:
    with pytest.raises(UsageError) as caught:
        connect(address, runtime="fake_runtime", limits=Limits(), **more)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.fixture
def other_tensorflow(tmp_path: Path) -> str:
    """A folder that makes a worker believe it has another TensorFlow."""
    about = tmp_path / "other" / "tensorflow-9.9.9.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorflow\nVersion: 9.9.9\n")
    return str(about.parent)


@pytest.mark.parametrize("address", ["localhost", "tcp://localhost", "http://localhost:80", "a:1"])
def test_what_is_no_address_is_told(address: str) -> None:
    assert refused(address).startswith(f"'{address}' is no address of a Dask scheduler")


def test_nobody_there_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection.ANSWER_SECONDS <= 10
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 1.0)
    address = f"tcp://127.0.0.1:{free_port()}"
    told = refused(address)
    assert told.startswith(f"no Dask scheduler answers at {address} (")
    assert "\n" not in told


def test_somebody_else_there_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        assert refused(address).startswith(f"no Dask scheduler answers at {address} (")
    assert time.monotonic() - began < 8


def test_tls_without_certificates_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 1.0)
    address = f"tls://127.0.0.1:{free_port()}"
    told = refused(address)
    assert told.startswith(f"no Dask scheduler answers at {address} (")
    assert "\n" not in told


def test_a_scheduler_without_workers_is_told(scratch_cluster: Cluster) -> None:
    told = refused(scratch_cluster.address, workers_seconds=0.1)
    assert f'`dask worker {scratch_cluster.address} --nthreads 1 --resources "MEMORY=' in told


def test_workers_that_will_not_do_are_told_one_by_one(
    scratch_cluster: Cluster, other_tensorflow: str
) -> None:
    scratch_cluster.worker("other", 2 * GIB, PYTHONPATH=other_tensorflow)
    scratch_cluster.worker("silent", None)
    scratch_cluster.worker("gib", 16)
    scratch_cluster.wait_for(3)
    told = refused(scratch_cluster.address).splitlines()
    assert len(told) == 3
    other, silent, gib = (
        next(line for line in told if what in line) for what in ("9.9.9", "not say", "MEMORY=16,")
    )
    assert re.search(r"tensorflow 9\.9\.9 \(here \d+\.\d+\.\d+\)", other)
    assert "tf_keras" not in other, "what agrees is not named"
    assert '--resources "MEMORY=16e9"' in silent
    assert "in bytes" in gib
    assert all(line.startswith("tcp://127.0.0.1:") for line in told)


def test_workers_that_come_later_are_asked_too(
    scratch_cluster: Cluster, connected: Connect, other_tensorflow: str
) -> None:
    scratch_cluster.worker("first", 2 * GIB)
    scratch_cluster.wait_for(1)
    told: list[str] = []
    executor = connected(scratch_cluster, tell=told.append)
    assert executor.free() == 1
    scratch_cluster.worker("other", 2 * GIB, PYTHONPATH=other_tensorflow)
    scratch_cluster.worker("second", 2 * GIB)
    until(lambda: executor.free() == 2 and told)
    assert len(told) == 1
    assert "tensorflow 9.9.9 (here " in told[0]
    done = drive(executor, [fake(f"Pass{n}-qat", memory=GIB) for n in range(4)])
    assert {one.outcome.status for one in done.values()} == {Status.PASS}
    assert executor.free() == 2
