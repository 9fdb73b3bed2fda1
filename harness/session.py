"""A run: what every case of one invocation shares, and the way from a case to its record."""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from harness import admission, compare, environment, errors, expectations, records, reuse
from harness.cases import Case
from harness.expectations import Expectations
from harness.isolation import Limits, Outcome, Runner
from harness.paths import EXPECTATIONS, REPORTS, shown
from harness.records import Failure, Record, StageResult
from harness.stages.bench import Options
from harness.words import CONTROL, STAGES, Status

DEFAULT_RUNTIME = "harness.runtime"


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
        words = ["python -m harness accept", shown(self.results)]
        if self.expectations != EXPECTATIONS:
            words.append(f"--expectations {shown(self.expectations)}")
        return " ".join(words)


def new_run_id() -> str:
    """Return an id that sorts by time and does not repeat."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def load_reference(path: Path) -> reuse.Reference:
    """Return the reference run; an empty one if there is none to be read."""
    try:
        return reuse.Reference(records.read(path).records)
    except records.RecordError:
        return reuse.Reference()


class Session:
    """Runs cases and leaves their records behind. One per worker.

    Args:
      settings: what this run was asked to do.
      run_case: runs a request; by default in a process of its own.
    """

    def __init__(
        self, settings: Settings, run_case: Callable[[Mapping[str, Any]], Outcome] | None = None
    ) -> None:
        self.settings = settings
        self._baseline = expectations.read(settings.expectations)
        self._reference = load_reference(settings.reference)
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
        record = compared(self._outcome(case), self._baseline)
        records.append(self.settings.file, record)
        return record

    def _outcome(self, case: Case) -> Record:
        until, given = self.settings.until, self.settings.options
        earlier = find(self.settings.file, case.id)
        known = None
        if not earlier and not self.settings.fresh:
            known = self._reference.lookup(case, until, given)
        if known is not None:
            return errors.apply(
                dataclasses.replace(
                    known, run_id=self.settings.run_id, repro=self.settings.repro(case)
                )
            )
        blocked = self._blocked(case)
        started = now()
        outcome = blocked or self._attempt(case)
        attempts = [r.attempt for r in earlier]
        record = from_outcome(
            case,
            outcome,
            until=until,
            run_id=self.settings.run_id,
            key="",
            started=started,
            attempt=max(attempts, default=0) + 1,
            repro=self.settings.repro(case),
            environment={**environment.capture(), "seed": given.seed},
        )
        return dataclasses.replace(record, key=reuse.key_of(record, case, until, given))

    def _attempt(self, case: Case) -> Outcome:
        """Run a case, alone on the machine if it is expected to take most of its memory."""
        alone = admission.needs_all(self._reference.peak(case))
        with admission.admitted(self.settings.locks, alone=alone, case=case.id):
            return self._run_case(self.request(case))

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

    def _blocked(self, case: Case) -> Outcome | None:
        """Return the outcome of a case whose control is known to have failed in this run."""
        if case.technique.id == CONTROL:
            return None
        controls = find(self.settings.file, case.control)
        if not controls or controls[-1].passed or controls[-1].status == Status.ERROR:
            return None
        control = controls[-1]
        failure = {
            "type": "Blocked",
            "message": f"the control {control.case} ended as {control.status} "
            f"({control.label}) at {control.stage}",
        }
        return Outcome(Status.BLOCKED, [{"name": control.stage, "status": "blocked"}], {}, failure)


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
    return errors.apply(record)


def compared(record: Record, baseline: Expectations) -> Record:
    """Return ``record`` with what the baseline says of its case, and how the two compare."""
    expected = baseline.of_record(record)
    verdict = compare.classify(expected, record.outcome(), until=record.until)
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
