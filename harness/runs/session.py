"""A session: cases run one after the other, each with its record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from harness.execution import admission
from harness.execution.attempt import Outcome
from harness.execution.runner import Runner
from harness.matrix.cases import Case
from harness.records import Record
from harness.runs.recorder import Recorder
from harness.runs.settings import Settings
from harness.runs.stamps import now


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
            outcome = recorder.foregone(case) or self._attempt(case)
            record = recorder.record(case, outcome, started)
        return recorder.append(record)

    def _attempt(self, case: Case) -> Outcome:
        """Run a case, alone on the machine if it is expected to take most of its memory."""
        alone = admission.needs_all(self._recorder.reference.peak(case))
        with admission.admitted(self.settings.locks, alone=alone, case=case.id):
            return self._run_case(self._recorder.request(case))
