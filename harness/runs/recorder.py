"""The way from a case to its record, but for running it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from harness import environment, records
from harness.baseline.agreement import disagreements
from harness.baseline.baselines import Baselines
from harness.execution.attempt import Outcome
from harness.failures import classify
from harness.matrix.cases import Case
from harness.provenance import keys, lock
from harness.provenance import reference as references
from harness.provenance.reference import Reference
from harness.records import Record
from harness.runs.from_outcome import from_outcome
from harness.runs.history import FileHistory, MemoryHistory
from harness.runs.settings import DEFAULT_RUNTIME, Settings
from harness.stages.inputs.weights import settled
from harness.vocabulary import CONTROL, STAGES, Status


class Recorder:
    """Makes and keeps the records of a run.

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
        self.reference = reference or references.load(settings.reference)
        self._history = history or FileHistory(settings.file)
        self._baselines = Baselines(settings.expectations)
        self._baselines.of(own=False)  # what cannot be read is told of before anything is run
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
        return self._baselines.mark(classify.apply(record))

    def foregone(self, case: Case) -> Outcome | None:
        """Return the outcome of a case that need not be run to know it.

        What it works with is not installed; or its control is known to have failed in this run.
        """
        unavailable = getattr(case.technique, "unavailable", lambda: None)()
        # Another runtime, such as that of a test, works without any tool.
        if unavailable and self.settings.runtime == DEFAULT_RUNTIME:
            failure = {"type": "NotInstalled", "message": unavailable}
            stages = [{"name": STAGES[0], "status": str(Status.SKIPPED)}]
            return Outcome(Status.SKIPPED, stages, {}, failure)
        return self._blocked(case)

    def _blocked(self, case: Case) -> Outcome | None:
        if case.technique.id == CONTROL:
            return None
        controls = self._history.of(case.control)
        if not controls or controls[-1].passed or controls[-1].status == Status.ERROR:
            return None
        return blocked_by(controls[-1])

    def request(self, case: Case) -> dict[str, Any]:
        """Return what the runtime is told of a case."""
        options = self.settings.options
        wanted = settled(options.weights, of_keras=case.application.is_discovered)
        return {
            "case": case.id,
            "module": case.application.module,
            "function": case.application.function,
            "technique": case.technique.id,
            "variant": case.variant,
            "until": self.settings.until,
            "options": {**asdict(options), "weights": wanted},
            "threads": self.settings.threads,
            **({"keep": str(self.settings.keep)} if self.settings.keep else {}),
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
        return self._baselines.mark(record)

    def append(self, record: Record) -> Record:
        """Write a record down.

        Raises:
          OSError: it cannot be written.
        """
        records.append(self.settings.file, record)
        self._history.add(record)
        return record


def blocked_by(control: Record) -> Outcome:
    """Return the outcome of a case whose control has failed."""
    failure = {
        "type": "Blocked",
        "message": f"the control {control.case} ended as {control.status} "
        f"({control.label}) at {control.stage}",
    }
    return Outcome(Status.BLOCKED, [{"name": control.stage, "status": "blocked"}], {}, failure)
