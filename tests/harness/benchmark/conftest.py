"""Units that cost nothing, for the tests of the training benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from harness.benchmark.definition.settings import DEFAULT
from harness.execution.attempt import Outcome
from harness.records import Record
from harness.vocabulary import Status

FAKES = Path(__file__).with_name("fakes")

MakeRecord = Callable[..., Record]


@pytest.fixture
def make_record() -> MakeRecord:
    """A record of a unit: ``make_record("MobileNetV2", "qat", 2021, accuracy=0.98)``."""

    def make(
        application: str, technique: str, seed: int = 2021, status: str = "pass", **metrics: Any
    ) -> Record:
        return Record(
            case=f"{application}-{technique}-bench-{seed}",
            application=application,
            family=application.lower(),
            technique=technique,
            variant="bench",
            status=status,
            stage="run" if status == "pass" else "train",
            until="run",
            metrics=metrics,
            started="2026-01-01T00:00:00+00:00",
            environment={"python": "3.11.0", "seed": seed, **asdict(DEFAULT)},
        )

    return make


class FakeRunner:
    """Runs requests in this process: remembers them, and does as `outcomes` says."""

    def __init__(self) -> None:
        self.requests: list[Mapping[str, Any]] = []
        self.outcomes: dict[str, Outcome | BaseException] = {}

    @property
    def cases(self) -> list[str]:
        return [r["case"].removesuffix("-bench-2021") for r in self.requests]

    def run(self, request: Mapping[str, Any]) -> Outcome:
        self.requests.append(request)
        if request["start"]:
            assert Path(request["start"]).exists(), "its start is done, its weights are kept"
        found = self.outcomes.get(request["case"])
        if isinstance(found, BaseException):
            raise found
        if found is not None:
            return found
        if request["keep"]:
            path = Path(request["keep"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("weights")
        stages = [{"name": "run", "status": "pass"}]
        return Outcome(Status.PASS, stages, {"accuracy": 0.9}, seconds=1.0)

    def close(self) -> None:
        return None


@pytest.fixture
def fake_runner() -> FakeRunner:
    return FakeRunner()
