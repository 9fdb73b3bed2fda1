"""Going on with an earlier run: what it has done, or passed, is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import records
from harness.matrix.cases import Case
from harness.provenance import keys
from harness.pytest_plugin.asked import is_worker, settings
from harness.pytest_plugin.collection import case_of
from harness.records import Record
from harness.runs.prepare import START
from harness.runs.settings import Settings
from harness.vocabulary import Status


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what an earlier run has done (--resume) or passed (--only-failed)."""
    option = config.option
    if not (option.resume or option.only_failed):
        return
    run = settings(config)
    done = _worker_done(config) if is_worker(config) else recorded(run)
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        case = case_of(item)
        out = case is not None and is_left_out(config, run, case, done.get(case.id))
        (left if out else kept).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def is_left_out(config: pytest.Config, run: Settings, case: Case, outcome: Record | None) -> bool:
    """Whether what an earlier run left of a case is enough for this one."""
    if config.option.only_failed:
        return outcome is None or outcome.passed
    if outcome is None or outcome.status == Status.ERROR or outcome.until != run.until:
        return False
    return outcome.key == keys.key_of(outcome, case, run.until, run.options)


def recorded(run: Settings) -> dict[str, Record]:
    """Return the last record of each case that the results have; none if there are no results."""
    if not run.file.exists():
        return {}
    try:
        return records.read(run.file).latest()
    except records.RecordError as error:
        raise pytest.UsageError(f"nothing to continue: {error}") from error


def _worker_done(config: pytest.Config) -> dict[str, Record]:
    # Every worker has to collect the same items, so all look at the file as it was when
    # the run started, not as the first worker is already changing it.
    return recorded(
        Settings(results=Path(config.workerinput["matrix_results"], START))  # type: ignore[attr-defined]
    )
