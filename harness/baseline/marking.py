"""A record, marked with what the baseline says of its case."""

from __future__ import annotations

import dataclasses

from harness.baseline import compare
from harness.baseline.expectations import Expectations
from harness.records import Record
from harness.vocabulary import Expectation


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
