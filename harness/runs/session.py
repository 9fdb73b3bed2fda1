"""A run: what every case of one invocation shares, and the way from a case to its record."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from harness import environment, records
from harness.baseline import compare, expectations
from harness.baseline.agreement import disagreements
from harness.baseline.expectations import Expectations
from harness.execution import admission
from harness.execution.attempt import Limits, Outcome
from harness.execution.runner import Runner
from harness.failures import classify
from harness.matrix.cases import Case
from harness.paths import EXPECTATIONS, REPORTS, interpreter, shown, working_dir
from harness.provenance import keys, lock
from harness.provenance.reference import Reference
from harness.records import Failure, Record, StageResult
from harness.stages.workbench import Options
from harness.vocabulary import CONTROL, STAGES, Expectation, Status

DEFAULT_RUNTIME = "harness.execution.runtime"

#: How a run is called, after the interpreter.
COMMAND = ("-m", "harness", "run")

#: Options of which a run has at most one: what of an earlier run it goes on with.
RESUME, ONLY_FAILED = "--resume", "--only-failed"


@dataclass(frozen=True)
class Settings:
    """What one run was asked to do, and where it keeps its records."""

    results: Path
    until: str = STAGES[-1]
    options: Options = field(default_factory=Options)
    limits: Limits = field(default_factory=Limits)
    runtime: str = DEFAULT_RUNTIME
    fresh: bool = False
    run_id: str = ""
    threads: int = 1
    expectations: Path = EXPECTATIONS
    reference: Path = REPORTS / records.RESULTS_NAME
    words: tuple[str, ...] = COMMAND

    @property
    def file(self) -> Path:
        return self.results / records.RESULTS_NAME

    @property
    def locks(self) -> Path:
        """The folder through which workers agree on what runs beside what."""
        return self.results / "locks"

    def repro(self, case: Case) -> str:
        """Return the command that runs ``case`` exactly as this run does."""
        words = [f"python -m harness case {case.id}"]
        if not case.application.is_discovered:
            words.append(f"--applications {case.application.module}:{case.application.function}")
        if self.until != STAGES[-1]:
            words.append(f"--until {self.until}")
        words += [
            f"--{name.replace('_', '-')} {value}"
            for name, value in asdict(self.options).items()
            if value != getattr(Options(), name)
        ]
        return " ".join(words)

    def accept(self) -> str:
        """Return the command that makes this run the baseline."""
        words = [interpreter(), "-m harness accept", shlex.quote(shown(self.results))]
        if self.expectations != EXPECTATIONS:
            words.append(f"--expectations {shlex.quote(shown(self.expectations))}")
        return " ".join(words)

    def go_on(self, how: str = RESUME) -> str:
        """Return the command that goes on with this run where it stops."""
        words = [word for word in self.words if word not in (RESUME, ONLY_FAILED)]
        if self.words[: len(COMMAND)] == COMMAND:
            words.insert(len(COMMAND), how)
        else:  # it was called as pytest is
            words.append(how)
        if self.results.absolute() != working_dir().absolute() and not any(
            word.startswith("--results") for word in words
        ):
            words += ["--results", shown(self.results)]
        return " ".join([interpreter(), *map(shlex.quote, words)])


def new_run_id() -> str:
    """Return an id that sorts by time and does not repeat."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def load_reference(path: Path) -> Reference:
    """Return the reference run; an empty one if there is none to be read."""
    try:
        return Reference(records.read(path).records, path)
    except records.RecordError:
        return Reference()


class FileHistory:
    """What a record file that others append to meanwhile says of a case; read at every call."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, case_id: str) -> list[Record]:
        """Return the records of a case, the oldest first."""
        return find(self._path, case_id)

    def add(self, record: Record) -> None:
        """Nothing is to be noted: the file is asked again."""


class MemoryHistory:
    """What a record file says of a case, if nobody else appends to it: read once."""

    def __init__(self, path: Path) -> None:
        self._by_case: dict[str, list[Record]] = {}
        with contextlib.suppress(records.RecordError):
            for record in records.read(path).records:
                self.add(record)

    def of(self, case_id: str) -> list[Record]:
        """Return the records of a case, the oldest first."""
        return self._by_case.get(case_id, [])

    def add(self, record: Record) -> None:
        """Note a record that has been appended to the file."""
        self._by_case.setdefault(record.case, []).append(record)


class Recorder:
    """The way from a case to its record, but for running it.

    Args:
      settings: what this run was asked to do.
      reference: the run that outcomes are taken from; read from where the settings say.
      history: what the results have of each case.
      sample: ids of the cases that are run though the reference run has them.
    """

    def __init__(
        self,
        settings: Settings,
        reference: Reference | None = None,
        history: FileHistory | MemoryHistory | None = None,
        sample: Collection[str] = (),
    ) -> None:
        self.sample = sample
        self.settings = settings
        self.reference = reference or load_reference(settings.reference)
        self._history = history or FileHistory(settings.file)
        self._baseline = expectations.read(settings.expectations)
        self._code = lock.note(settings.results, settings.reference)

    def reused(self, case: Case) -> Record | None:
        """Return the record of a case whose outcome is taken from the reference run."""
        if self.settings.fresh or case.id in self.sample or self._history.of(case.id):
            return None
        return self.taken_over(case)

    def taken_over(self, case: Case) -> Record | None:
        """Return the record of the reference run, if it holds, as one of this run."""
        known = self.reference.lookup(case, self.settings.until, self.settings.options)
        if known is None:
            return None
        record = dataclasses.replace(
            known, run_id=self.settings.run_id, repro=self.settings.repro(case)
        )
        return compared(classify.apply(record), self._baseline)

    def blocked(self, case: Case) -> Outcome | None:
        """Return the outcome of a case whose control is known to have failed in this run."""
        if case.technique.id == CONTROL:
            return None
        controls = self._history.of(case.control)
        if not controls or controls[-1].passed or controls[-1].status == Status.ERROR:
            return None
        control = controls[-1]
        failure = {
            "type": "Blocked",
            "message": f"the control {control.case} ended as {control.status} "
            f"({control.label}) at {control.stage}",
        }
        return Outcome(Status.BLOCKED, [{"name": control.stage, "status": "blocked"}], {}, failure)

    def request(self, case: Case) -> dict[str, Any]:
        """Return what the runtime is told of a case."""
        return {
            "case": case.id,
            "module": case.application.module,
            "function": case.application.function,
            "technique": case.technique.id,
            "variant": case.variant,
            "until": self.settings.until,
            "options": asdict(self.settings.options),
            "threads": self.settings.threads,
        }

    def record(
        self,
        case: Case,
        outcome: Outcome,
        started: str,
        environment_: Mapping[str, Any] | None = None,
    ) -> Record:
        """Return the record of an attempt, compared with its control and the baseline.

        Args:
          case: the case.
          outcome: what became of it.
          started: when.
          environment_: of the machine that ran it; by default this one.
        """
        until, given = self.settings.until, self.settings.options
        attempts = [r.attempt for r in self._history.of(case.id)]
        record = from_outcome(
            case,
            outcome,
            until=until,
            run_id=self.settings.run_id,
            key="",
            started=started,
            attempt=max(attempts, default=0) + 1,
            repro=self.settings.repro(case),
            environment={**(environment_ or environment.capture()), "seed": given.seed},
        )
        record = dataclasses.replace(
            record, key=keys.key_of(record, case, until, given), code=self._code
        )
        known = self.reference.lookup(case, until, given)
        if known is not None:
            record = dataclasses.replace(record, disagrees=disagreements(record, known))
        return compared(record, self._baseline)

    def append(self, record: Record) -> Record:
        """Write a record down.

        Raises:
          OSError: it cannot be written.
        """
        records.append(self.settings.file, record)
        self._history.add(record)
        return record


class Session:
    """Runs cases one after the other and leaves their records behind. One per worker.

    Args:
      settings: what this run was asked to do.
      run_case: runs a request; by default in a process of its own.
      sample: ids of the cases that are run though the reference run has them.
    """

    def __init__(
        self,
        settings: Settings,
        run_case: Callable[[Mapping[str, Any]], Outcome] | None = None,
        sample: Collection[str] = (),
    ) -> None:
        self.settings = settings
        self._recorder = Recorder(settings, sample=sample)
        self._runner: Runner | None = None
        if run_case is None:
            self._runner = Runner(settings.runtime, settings.limits)
            run_case = self._runner.run
        self._run_case = run_case

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()

    def run(self, case: Case) -> Record:
        """Run one case, or take over what is known of it, and append its record."""
        recorder = self._recorder
        record = recorder.reused(case)
        if record is None:
            started = now()
            outcome = recorder.blocked(case) or self._attempt(case)
            record = recorder.record(case, outcome, started)
        return recorder.append(record)

    def _attempt(self, case: Case) -> Outcome:
        """Run a case, alone on the machine if it is expected to take most of its memory."""
        alone = admission.needs_all(self._recorder.reference.peak(case))
        with admission.admitted(self.settings.locks, alone=alone, case=case.id):
            return self._run_case(self._recorder.request(case))


def from_outcome(case: Case, outcome: Outcome, **known: Any) -> Record:
    """Turn what became of an attempt into its record, with its label."""
    failure = None
    if outcome.failure is not None:
        names = Failure.__dataclass_fields__
        facts = {k: v for k, v in outcome.failure.items() if k in names and v is not None}
        facts["chain"] = tuple(facts.get("chain", ()))
        facts["frames"] = tuple(facts.get("frames", ()))
        failure = Failure(**facts)
    record = Record(
        case=case.id,
        application=case.application.name,
        family=case.application.family,
        technique=case.technique.id,
        variant=case.variant,
        status=str(outcome.status),
        stage=outcome.stages[-1]["name"] if outcome.stages else STAGES[0],
        stages=tuple(
            StageResult(
                name=one["name"],
                status=one["status"] or str(outcome.status),
                seconds=round(one.get("seconds", 0.0), 3),
                cpu_seconds=round(one.get("cpu_seconds", 0.0), 3),
            )
            for one in outcome.stages
        ),
        failure=failure,
        metrics=outcome.metrics,
        peak_rss_bytes=outcome.peak_rss_bytes,
        seconds=round(outcome.seconds, 3),
        cpu_seconds=round(outcome.cpu_seconds, 3),
        **known,
    )
    if outcome.status is Status.BLOCKED:
        return dataclasses.replace(record, label="control")
    return classify.apply(record)


def compared(record: Record, baseline: Expectations) -> Record:
    """Return ``record`` with what the baseline says of its case, and how the two compare."""
    expected = baseline.of_record(record)
    verdict = compare.classify(expected, record.outcome(), until=record.until)
    if record.disagrees and verdict in (Expectation.EXPECTED, Expectation.NEW):
        verdict = Expectation.REGRESSION
    return dataclasses.replace(
        record,
        expectation=str(verdict),
        expected=None
        if expected is None
        else {"status": expected[0], "stage": expected[1], "label": expected[2]},
    )


def find(path: Path, case_id: str) -> list[Record]:
    """Return the records of one case in a file that others append to meanwhile."""
    try:
        raw = path.read_bytes()
    except OSError:
        return []
    mark = f'"case":{json.dumps(case_id)}'.encode()
    found = []
    for line in raw.split(b"\n"):
        if mark in line:
            try:
                found.append(Record.from_dict(json.loads(line)))
            except ValueError:
                continue
    return found
