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
from harness.runs import prepare
from harness.runs.prepare import START
from harness.runs.settings import Settings
from harness.vocabulary import Status, UsageError

#: What the results had when a run began that goes on with another.
BEFORE = pytest.StashKey[tuple[Record, ...]]()


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what an earlier run has done (--resume) or passed (--only-failed)."""
    option = config.option
    if not (option.resume or option.only_failed):
        return
    run = settings(config)
    done = _worker_done(config) if is_worker(config) else recorded(config)
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


def recorded(config: pytest.Config) -> dict[str, Record]:
    """Return the last record of each case that was there when the run began."""
    return records.latest(before(config))


def before(config: pytest.Config) -> tuple[Record, ...]:
    """Return what the results had when the run began that goes on with another."""
    if BEFORE not in config.stash:  # a run that only says what it would do
        try:
            config.stash[BEFORE] = prepare.left(settings(config), keep=True)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from error
    return config.stash[BEFORE]


def _worker_done(config: pytest.Config) -> dict[str, Record]:
    # Every worker has to collect the same items, so all look at the file as it was when
    # the run started, not as the first worker is already changing it.
    start = Path(config.workerinput["matrix_results"], START)  # type: ignore[attr-defined]
    return records.read(start).latest() if start.exists() else {}
