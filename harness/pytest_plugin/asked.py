"""What a run was asked to do, read from pytest's options."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.matrix.cases import Selection
from harness.paths import working_dir
from harness.pytest_plugin.verdict import Source
from harness.runs.options import limits_of, options_of, split
from harness.runs.sampling import SamplePlan
from harness.runs.settings import DEFAULT_RUNTIME, Settings
from harness.runs.stamps import new_run_id
from harness.stages.workbench import Options

MATRIX_FILE = Path(__file__).parents[1] / "test_matrix.py"


@dataclass
class Driving:
    """What the plug-in has to know of a run that is not pytest's own loop.

    Attributes:
      words: the call, after the interpreter.
      threads: how many a case may use.
      source: where the tests of cases take their records from, once there are some.
    """

    words: tuple[str, ...]
    threads: int
    source: Source | None = None


#: There where `harness run` has called pytest.
DRIVING = pytest.StashKey[Driving]()

_RUN_ID = pytest.StashKey[str]()


def selection(config: pytest.Config) -> Selection:
    option = config.option
    return Selection(
        split(option.applications),
        split(option.techniques),
        split(option.variants),
        option.until,
    )


def is_full(config: pytest.Config) -> bool:
    """Whether this run is the whole default matrix, which may replace the published one."""
    option = config.option
    narrowed = option.keyword or option.markexpr or option.smoke or option.shard or option.results
    usual = options_of(option) == Options() and option.runtime == DEFAULT_RUNTIME
    return selection(config).is_default() and usual and not narrowed


def plan(config: pytest.Config) -> SamplePlan | None:
    """Return what decides which cells are run for real; None: all of them are."""
    option = config.option
    if option.fresh:
        return None
    return SamplePlan(option.budget, option.sample_seed, strict=option.smoke)


def settings(config: pytest.Config) -> Settings:
    """Return what this run was asked to do; the same in the controller and every worker."""
    option = config.option
    given: dict[str, Any] = getattr(config, "workerinput", {})
    driving = config.stash.get(DRIVING, None)
    words = ("-m", "pytest", *config.invocation_params.args)
    return Settings(
        results=Path(given.get("matrix_results") or option.results or working_dir()).absolute(),
        until=option.until,
        options=options_of(option),
        limits=limits_of(option),
        runtime=option.runtime,
        fresh=option.fresh,
        run_id=given.get("matrix_run_id") or run_id(config),
        threads=driving.threads if driving else _threads(),
        expectations=option.expectations,
        reference=option.reference,
        words=driving.words if driving else words,
    )


def _threads() -> int:
    """Return how many threads a case may use beside those of the other workers of xdist."""
    from harness.environment import cores

    return max(1, cores() // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def run_id(config: pytest.Config) -> str:
    """Return the id of this run."""
    if _RUN_ID not in config.stash:
        config.stash[_RUN_ID] = new_run_id()
    return config.stash[_RUN_ID]


def is_worker(config: pytest.Config) -> bool:
    """Whether this is a worker of xdist."""
    return hasattr(config, "workerinput")


def wants_matrix(config: pytest.Config) -> bool:
    """Whether the arguments name the matrix: ``pytest harness``, not ``pytest``."""
    for argument in config.args:
        path = Path(config.invocation_params.dir, argument.partition("::")[0]).resolve()
        if path in (MATRIX_FILE.parent, MATRIX_FILE):
            return True
    return False
