"""From what became of an attempt to its record."""

from __future__ import annotations

import dataclasses
from typing import Any

from harness.execution.attempt import Outcome
from harness.failures import classify
from harness.matrix.cases import Case
from harness.records import Failure, Record, StageResult
from harness.vocabulary import STAGES, Status

#: Labels that are not of a failure: nothing was tried.
GIVEN = {Status.BLOCKED: "control", Status.SKIPPED: "not-installed"}


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
    if outcome.status in GIVEN:
        return dataclasses.replace(record, label=GIVEN[outcome.status])
    return classify.apply(record)
