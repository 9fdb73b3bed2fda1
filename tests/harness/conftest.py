"""A fake Keras package and a way to run the harness on it, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from workbench import Bench, write_package

from harness import environment
from harness.matrix import discovery, keras_package
from harness.records import Record


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path)
    yield one
    for process in psutil.process_iter():
        try:
            if process.environ().get("FAKE_MARK") == one.mark:
                process.kill()
        except psutil.Error:
            continue


@pytest.fixture
def fake_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Makes a fake package the chosen Keras of this process: ``fake_keras(Pass=2, Rank=1)``."""

    def forget() -> None:
        discovery._discover.cache_clear()
        keras_package.distribution_version.cache_clear()
        environment.capture.cache_clear()

    def make(**kinds: int) -> Path:
        write_package(tmp_path, kinds)
        monkeypatch.syspath_prepend(str(tmp_path))
        forget()
        return tmp_path

    monkeypatch.setenv("KERAS_MODULE", "fakekeras")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield make
    forget()


MakeRecord = Callable[..., Record]


@pytest.fixture
def make_record() -> MakeRecord:
    """A record with sensible values for all that a test does not name."""

    def make(case: str = "Net-qat-tfmot-notop", **given: object) -> Record:
        application, _, rest = case.partition("-")
        technique, _, variant = rest.rpartition("-")
        values: dict[str, object] = {
            "case": case,
            "application": application,
            "family": "net",
            "technique": technique,
            "variant": variant,
            "status": "pass",
            "stage": "save",
            "until": "save",
            "run_id": "run",
            "started": "2026-01-01T00:00:00+00:00",
        }
        return Record(**{**values, **given})  # type: ignore[arg-type]

    return make
