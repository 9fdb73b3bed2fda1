"""A check from what was asked to records: one technique after the other, each watched."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness import environment, techniques
from harness.baseline.expectations import Expectations
from harness.baseline.marking import compared
from harness.checking import scripts
from harness.checking.asked import Asked
from harness.execution.runner import Runner
from harness.failures.facts import headline
from harness.matrix.application import Application
from harness.matrix.cases import Case
from harness.records import Record
from harness.runs.from_outcome import from_outcome
from harness.runs.progress import Heartbeat
from harness.runs.recorder import blocked_by
from harness.runs.stamps import new_run_id, now
from harness.stages.workbench import Options
from harness.vocabulary import CONTROL, STAGES, Status, UsageError

#: What the control goes through: the model as it is, trained by nobody.
_OF_CONTROL = ("build", "export", "run", "parity")

#: Errors of the build that are of the call, not of the model: what was given is told to change.
_OF_THE_CALL = ("UntrustedFileError", "ModelFileError", "UsageError", "ConfigError")

#: The word for the work on layers, where the matrix has a technique.
LAYERS = "layers"


@dataclass
class Found:
    """What a check has found.

    Attributes:
      records: one for each technique, in order.
      facts: by technique, what the page tells beside the record; under `LAYERS` what it tells of
        the layers.
    """

    records: list[Record] = field(default_factory=list)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def control(self) -> Record:
        return self.records[0]


def by_default() -> tuple[str, ...]:
    """Return the techniques that need no training."""
    from harness.checking.recipes import RECIPES

    known = techniques.registry()
    return tuple(one for one in RECIPES if one in known and "train" not in known[one].stages)


class Checking:
    """Runs the techniques of a check.

    Args:
      asked: for.
      beat: says what is at work, after a while of silence.
      runner: of processes; by default one for this check alone.
    """

    def __init__(
        self, asked: Asked, beat: Callable[[str], None], runner: Runner | None = None
    ) -> None:
        self._asked = asked
        self._beat = beat
        self._runner = runner
        self._run_id = new_run_id()
        self.found = Found()

    def run(self, ended: Callable[[Record], None]) -> Found:
        """Run all techniques, and look at the layers if there is to be a page.

        Args:
          ended: told of each record as it is there.

        Raises:
          UsageError: the model cannot be opened, or the inputs do not fit it.
        """
        heartbeat = Heartbeat(self._beat)
        try:
            with (
                tempfile.TemporaryDirectory(prefix="tfmot-matrix-check-") as folder,
                self._running() as runner,
            ):
                for technique in self._asked.techniques:
                    heartbeat.started(technique)
                    record = self._technique(technique, runner, Path(folder))
                    heartbeat.ended(technique)
                    self.found.records.append(record)
                    ended(record)
                    if technique == CONTROL:
                        _refuse_call(record)
                if self._asked.out is not None and self.found.control.metrics.get("layers"):
                    heartbeat.started(LAYERS)
                    self._layers(runner, Path(folder))
                    heartbeat.ended(LAYERS)
        finally:
            heartbeat.close()
        return self.found

    def _running(self) -> AbstractContextManager[Runner]:
        if self._runner is not None:
            return nullcontext(self._runner)
        return Runner(self._asked.runtime, self._asked.limits)

    def _technique(self, technique: str, runner: Runner, folder: Path) -> Record:
        case = self._case(technique)
        started = now()
        control = self.found.records[0] if self.found.records else None
        if control is not None and not control.passed:
            outcome = blocked_by(control)
        else:
            request = self._request(technique, folder)
            outcome = runner.run(request)
            self.found.facts[technique] = _read(Path(request["facts"]))
        record = from_outcome(
            case,
            outcome,
            until=STAGES[-1],
            run_id=self._run_id,
            key="",
            started=started,
            repro=self._asked.command(technique),
            environment={**environment.capture(), "seed": self._asked.data.seed},
        )
        return compared(record, Expectations())

    def _layers(self, runner: Runner, folder: Path) -> None:
        request = {**self._request(CONTROL, folder), "stages": ["build"], "layers": True}
        request |= {"facts": str(folder / "layers.json"), "case": LAYERS, "keep": ""}
        outcome = runner.run(request)
        facts = _read(folder / "layers.json")
        if outcome.status is not Status.PASS:
            failure = outcome.failure or {}
            told = headline(str(failure.get("message", ""))) or str(outcome.status)
            facts["why_not"] = {"": f"{outcome.status}: {told}"}
        self.found.facts[LAYERS] = facts

    def _case(self, technique: str) -> Case:
        opened = Application(
            self._asked.source.name, "own", "harness.checking.opened", "open_model", "", own=True
        )
        return Case(opened, techniques.registry()[technique], "top")

    def _request(self, technique: str, folder: Path) -> dict[str, Any]:
        asked = self._asked
        stages = _OF_CONTROL if technique == CONTROL else techniques.registry()[technique].stages
        given = Options(samples=asked.data.count, seed=asked.data.seed, weights="own")
        keep = str(asked.out.absolute()) if asked.save and asked.out else ""
        return {
            **asked.told(),
            "case": f"{asked.source.name}-{technique}",
            "technique": technique,
            "stages": list(stages),
            "options": asdict(given),
            "threads": asked.threads,
            "facts": str(folder / f"{technique}.json"),
            "keep": keep,
            "file": scripts.file_name(asked, technique),
            "samples": scripts.samples_name(asked),
        }


def _read(path: Path) -> dict[str, Any]:
    """Return what a process has left; nothing where it ended before."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _refuse_call(control: Record) -> None:
    """Stop where the model or its inputs are not what the call says.

    Raises:
      UsageError: in one sentence.
    """
    failure = control.failure
    if control.passed or control.stage != "build" or failure is None:
        return
    if failure.type in _OF_THE_CALL:
        hint = " (here: --trust)" if failure.type == "UntrustedFileError" else ""
        raise UsageError(f"{' '.join(failure.message.split())}{hint}")


def summary(found: Found, asked: Asked) -> Mapping[str, Any]:
    """Return all that a check has found as data for JSON, but for the verdict."""
    return {
        "model": asdict(asked.source),
        "data": asdict(asked.data),
        "records": [json.loads(record.to_json()) for record in found.records],
        "facts": found.facts,
    }
