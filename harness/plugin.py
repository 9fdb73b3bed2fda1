"""The pytest plugin: cases as items, their records, and the reports at the end.

Three phases: options and checks before anything starts; collection, where cases become
items; and the run. Under ``harness run`` one process runs the cases through the loop of
`harness.pytest_plugin.driver`; under ``pytest harness`` they run as tests do, with xdist
one session in each worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.pytest_plugin import collection, continuing, markers
from harness.pytest_plugin.asked import (
    DRIVING,
    MATRIX_FILE,
    is_full,
    is_worker,
    run_id,
    selection,
    settings,
    wants_matrix,
)
from harness.pytest_plugin.controller import Controller
from harness.pytest_plugin.driver import CONTROLLER
from harness.pytest_plugin.verdict import Matrix, Source
from harness.runs import sampling
from harness.runs.options import MATRIX
from harness.runs.session import Session
from harness.techniques.peers import interpreters
from harness.vocabulary import Exit, UsageError

__all__ = ["MATRIX_FILE", "is_full", "selection"]

# --- 1. options and checks ------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("matrix", "compatibility matrix (pytest harness)")
    for name, settings_ in MATRIX.items():
        group.addoption(name, **settings_)


class Hooks:
    """The hooks this plug-in adds."""

    @pytest.hookspec
    def pytest_matrix_concluded(self, code: Exit) -> None:
        """Called once a run of the matrix has ended, with its exit code."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "matrix: a case of the compatibility matrix")
    interpreters.name(config.option.peer_python)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Size ``-n auto`` by memory as well as by cores, for a run of the matrix."""
    if not wants_matrix(config):
        return None
    from harness.environment import worker_count

    return worker_count()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["matrix_run_id"] = run_id(node.config)
    node.workerinput["matrix_results"] = str(settings(node.config).results)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Hand out one item at a time: cases differ a hundredfold in length."""
    if wants_matrix(config) and getattr(config.option, "maxschedchunk", 0) is None:
        config.option.maxschedchunk = 1


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if is_worker(config) or not wants_matrix(config):
        return
    try:
        markers.refuse_malformed(config)
        controller = Controller(config, collection.chosen(config))
        markers.declare(config, controller.chosen)
        markers.refuse_unknown(config)
        if config.option.collectonly:
            return
        controller.prepare()
    except (UsageError, OSError) as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(controller, CONTROLLER)


# --- 2. collection --------------------------------------------------------------------


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect the matrix only where it is asked for."""
    if collection_path != MATRIX_FILE or wants_matrix(config):
        return None
    return True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "matrix_case" not in metafunc.fixturenames:
        return
    try:
        chosen = collection.chosen(metafunc.config)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    markers.declare(metafunc.config, chosen)
    metafunc.parametrize("matrix_case", collection.parameters(chosen))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    continuing.leave_out(config, items)


# --- 3. the run -----------------------------------------------------------------------


@pytest.fixture(scope="session")
def _matrix_session(request: pytest.FixtureRequest) -> Iterator[Matrix]:
    run = settings(request.config)
    driving = request.config.stash.get(DRIVING, None)
    sample = None if run.fresh else sampling.read(run)
    cases, left = (sample.cases, sample.left) if sample else ((), ())
    source: Source = (driving and driving.source) or Session(run, sample=cases)
    yield Matrix(source, run.accept(), left)
    source.close()


@pytest.fixture
def matrix(_matrix_session: Matrix, request: pytest.FixtureRequest) -> Matrix:
    """What turns the record of a case into the outcome of its test."""
    _matrix_session.item = request.node
    return _matrix_session
