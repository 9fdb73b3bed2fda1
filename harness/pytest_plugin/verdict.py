"""What pytest makes of a record: passed, failed, or expected to fail."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

import pytest

from harness.matrix.cases import Case
from harness.records import Record
from harness.runs import progress
from harness.vocabulary import Expectation, Status


class Source(Protocol):
    """Where the record of a case comes from: it is run, or has been."""

    def run(self, case: Case) -> Record: ...
    def close(self) -> None: ...


class Matrix:
    """What a case's test function works with.

    Args:
      source: what it takes records from.
      accept: the command that makes this run the baseline.
      left: ids of lapsed cases that are not run, for the budget.
    """

    def __init__(self, source: Source, accept: str, left: Collection[str] = ()) -> None:
        self._source = source
        self._accept = accept
        self._left = left
        self.item: Any = None  # the test that is running

    def close(self) -> None:
        self._source.close()

    def check(self, case: Case) -> None:
        """Run ``case`` and turn its comparison with the baseline into pytest's outcome."""
        if case.id in self._left:
            pytest.skip("its record has lapsed, and the budget of the sample ends before it")
        try:
            record = self._source.run(case)
        except OSError as error:
            # Another case would only find the same: a full disk, a folder that is gone.
            self.item.session.shouldfail = f"{case} left no record: {error.strerror or error}"
            pytest.fail(str(self.item.session.shouldfail), pytrace=False)
        # For the progress line in the controller, and for JUnit.
        self.item.user_properties += [
            (name, "" if value is None else value)
            for name, value in progress.digest(record).items()
        ]
        verdict = Expectation(record.expectation or "new")
        what = progress.outcome_text(record)
        if record.status == Status.ERROR:
            pytest.fail(f"the harness itself failed: {what}", pytrace=False)
        if verdict is Expectation.EXPECTED:
            if not record.passed:
                pytest.xfail(f"{record.label}: {progress.first_line(record)}")
            return
        if verdict is Expectation.NEW and record.passed:
            return
        lines = [f"{verdict}: {what}", f"expected: {progress.expected_text(record)}"]
        lines += record.disagrees
        if record.failure:
            lines += [progress.first_line(record), f"reproduce: {record.repro}"]
        lines.append(f"if this is right: {self._accept}")
        pytest.fail("\n".join(lines), pytrace=False)
