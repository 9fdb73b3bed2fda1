"""The pytest plugin: cases as items, their records, and the reports at the end.

Three phases: options and checks before anything starts; collection, where cases become
items in the order they should run; and the run, where each worker has one session and
the controller only shows progress and writes the reports.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness import admission, cases, progress, records, session
from harness.cases import Case, Selection
from harness.options import MATRIX, limits_of, options_of, split
from harness.paths import working_dir
from harness.provenance import keys
from harness.records import Record
from harness.stages.bench import Options
from harness.words import VARIANTS, Exit, Expectation, Status, UsageError, unknown

MATRIX_FILE = Path(__file__).with_name("test_matrix.py")

# --- 1. options and checks ------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("matrix", "compatibility matrix (pytest harness)")
    for name, settings_ in MATRIX.items():
        group.addoption(name, **settings_)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "matrix: a case of the compatibility matrix")


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
    usual = options_of(option) == Options() and option.runtime == session.DEFAULT_RUNTIME
    return selection(config).is_default() and usual and not narrowed


def settings(config: pytest.Config) -> session.Settings:
    """Return what this run was asked to do; the same in the controller and every worker."""
    option = config.option
    given: dict[str, Any] = getattr(config, "workerinput", {})
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    from harness.environment import cores

    return session.Settings(
        results=Path(given.get("matrix_results") or option.results or working_dir()).absolute(),
        until=option.until,
        options=options_of(option),
        limits=limits_of(option),
        runtime=option.runtime,
        fresh=option.fresh,
        run_id=given.get("matrix_run_id") or _run_id(config),
        threads=max(1, cores() // workers),
        expectations=option.expectations,
        reference=option.reference,
    )


_RUN_ID = pytest.StashKey[str]()
_STATE = pytest.StashKey["_Controller"]()


def _run_id(config: pytest.Config) -> str:
    if _RUN_ID not in config.stash:
        config.stash[_RUN_ID] = session.new_run_id()
    return config.stash[_RUN_ID]


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Size ``-n auto`` by memory as well as by cores, for a run of the matrix."""
    if not _wants_matrix(config):
        return None
    from harness.environment import worker_count

    return worker_count()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["matrix_run_id"] = _run_id(node.config)
    node.workerinput["matrix_results"] = str(settings(node.config).results)


def _wants_matrix(config: pytest.Config) -> bool:
    """Whether the arguments name the matrix: ``pytest harness``, not ``pytest``."""
    for argument in config.args:
        path = Path(config.invocation_params.dir, argument.partition("::")[0]).resolve()
        if path in (MATRIX_FILE.parent, MATRIX_FILE):
            return True
    return False


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Hand out one item at a time: cases differ a hundredfold in length."""
    if _wants_matrix(config) and getattr(config.option, "maxschedchunk", 0) is None:
        config.option.maxschedchunk = 1


# --- 2. collection --------------------------------------------------------------------


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect the matrix only where it is asked for."""
    if collection_path != MATRIX_FILE or _wants_matrix(config):
        return None
    return True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "matrix_case" not in metafunc.fixturenames:
        return
    try:
        chosen = _chosen(metafunc.config)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    _declare_markers(metafunc.config, chosen)
    metafunc.parametrize(
        "matrix_case",
        [
            pytest.param(
                case,
                id=case.id,
                marks=[pytest.mark.matrix]
                + [getattr(pytest.mark, word) for word in _markers(case).values()],
            )
            for case in chosen
        ],
    )


def _markers(case: Case) -> dict[str, str]:
    """Return the markers of a case, as words that ``-m`` takes."""
    return {
        "family": _marker("family", case.application.family),
        "technique": _marker("technique", case.technique.id),
        "variant": _marker("variant", case.variant),
    }


def _marker(kind: str, name: str) -> str:
    return f"family_{name}" if kind == "family" else name.replace("-", "_")


def _declare_markers(config: pytest.Config, chosen: list[Case]) -> None:
    """Tell pytest what can be a marker: --strict-markers wants each declared.

    Those that no chosen case has are words of the matrix all the same.
    """
    from harness import applications, techniques

    names = {
        "family": [a.family for a in (*applications.discover(), *(c.application for c in chosen))],
        "technique": list(techniques.registry()),
        "variant": list(VARIANTS),
    }
    words = {_marker(kind, name): f"{kind} {name}" for kind in names for name in names[kind]}
    for word in sorted(words.keys() - _declared(config)):
        config.addinivalue_line("markers", f"{word}: matrix cases of {words[word]}")


def _declared(config: pytest.Config) -> set[str]:
    return {re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")}


def _refuse_unknown_markers(config: pytest.Config) -> None:
    """Stop at a word of ``-m`` that is no marker: workers would fail over it, each for itself."""
    names = re.sub(r"\(\s*\w+\s*=[^)]*\)", " ", config.option.markexpr)  # without arguments
    for word in re.findall(r"[^\s()]+", names):
        if word not in {"and", "or", "not", *_declared(config)}:
            raise unknown("marker", word, _declared(config))


def _chosen(config: pytest.Config) -> list[Case]:
    """Return the cases of this run, in the order they should start."""
    from harness import expectations

    picked = selection(config).cases()
    baseline = expectations.read(config.option.expectations)
    _refuse_stale(config, baseline)
    reference = session.load_reference(config.option.reference)
    if config.option.smoke:
        rows = {c.application.name: baseline.row(c.application.name) for c in picked}
        small = cases.smoke(picked, rows, reference.sizes())
        picked = [c for c in picked if c.application.name in small]
        if not (config.option.applications or config.option.techniques):
            picked = cases.in_turn(picked)
    seconds = reference.seconds(picked)
    if config.option.shard:
        picked = cases.shard(picked, seconds, *cases.parse_shard(config.option.shard))
    return cases.in_order(picked, seconds)


def _refuse_stale(config: pytest.Config, baseline: Any) -> None:
    """Stop at lines of the baseline that match no case: they would never be compared."""
    from harness import applications, techniques

    rows = [a.name for a in applications.discover()]
    own = [
        word.rpartition(":")[2]
        for word in split(config.option.applications)
        if ":" in word and not word.startswith("family:")
    ]
    columns = techniques.registry()
    known = [f"{a}-{t}-{v}" for a in [*rows, *own] for t in columns for v in VARIANTS]
    stale = baseline.stale([*rows, *own], known)
    if not stale or config.option.allow_removed:
        return
    line = baseline.numbers.get(stale[0])
    where = f"{config.option.expectations.name}" + (f":{line}" if line else "")
    is_name = "-" not in stale[0]
    hint = unknown("application" if is_name else "case", stale[0], rows if is_name else known)
    raise UsageError(
        f"{where}: {hint}\n{len(stale)} expectations match no case; correct them, or run with "
        "--allow-removed and drop them with `python -m harness accept`"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what an earlier run has done (--resume) or passed (--only-failed)."""
    option = config.option
    if not (option.resume or option.only_failed):
        return
    run = settings(config)
    done = _worker_done(config) if _is_worker(config) else _done(run)
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        case = _case_of(item)
        out = case is not None and _is_left_out(config, run, case, done.get(case.id))
        (left if out else kept).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def _is_left_out(
    config: pytest.Config, run: session.Settings, case: Case, outcome: Record | None
) -> bool:
    """Whether what an earlier run left of a case is enough for this one."""
    if config.option.only_failed:
        return outcome is None or outcome.passed
    if outcome is None or outcome.status == Status.ERROR or outcome.until != run.until:
        return False
    return outcome.key == keys.key_of(outcome, case, run.until, run.options)


def _done(run: session.Settings) -> dict[str, Record]:
    try:
        return records.read(run.file).latest()
    except records.RecordError as error:
        raise pytest.UsageError(f"nothing to continue: {error}") from error


def _worker_done(config: pytest.Config) -> dict[str, Record]:
    # Every worker has to collect the same items, so all look at the file as it was when
    # the run started, not as the first worker is already changing it.
    return _done(
        session.Settings(results=Path(config.workerinput["matrix_results"], "start"))  # type: ignore[attr-defined]
    )


def _case_of(item: pytest.Item) -> Case | None:
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("matrix_case") if callspec else None
    return case if isinstance(case, Case) else None


# --- 3. the run -----------------------------------------------------------------------


class Matrix:
    """What a case's test function works with: one session per worker."""

    def __init__(self, run: session.Settings) -> None:
        self._session = session.Session(run)
        self._accept = run.accept()
        self.item: Any = None  # the test that is running

    def close(self) -> None:
        self._session.close()

    def check(self, case: Case) -> None:
        """Run ``case`` and turn its comparison with the baseline into pytest's outcome."""
        try:
            record = self._session.run(case)
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
        if record.failure:
            lines += [progress.first_line(record), f"reproduce: {record.repro}"]
        lines.append(f"if this is right: {self._accept}")
        pytest.fail("\n".join(lines), pytrace=False)


@pytest.fixture(scope="session")
def _matrix_session(request: pytest.FixtureRequest) -> Iterator[Matrix]:
    matrix = Matrix(settings(request.config))
    yield matrix
    matrix.close()


@pytest.fixture
def matrix(_matrix_session: Matrix, request: pytest.FixtureRequest) -> Matrix:
    """The run's session in this worker."""
    _matrix_session.item = request.node
    return _matrix_session


class _Controller:
    """What the controlling process knows: where results go, and how far the run is."""

    def __init__(self, config: pytest.Config, chosen: list[Case]) -> None:
        self.config = config
        self.settings = settings(config)
        self.full = is_full(config)
        self.keeps = bool(config.option.resume or config.option.only_failed)
        self.chosen = chosen
        self.meter: progress.Meter | None = None
        self.heartbeat: progress.Heartbeat | None = None

    def expected_seconds(self) -> dict[str, float]:
        """Return how long cases should take; nothing if the reference run stands for them."""
        reference = session.load_reference(self.settings.reference)
        seconds = dict(reference.seconds(self.chosen))
        if not self.settings.fresh:
            for case in self.chosen:
                if reference.lookup(case, self.settings.until, self.settings.options):
                    seconds[case.id] = 0.0
        return seconds


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if _is_worker(config) or not _wants_matrix(config):
        return
    from harness import start

    try:
        state = _Controller(config, _chosen(config))
        _declare_markers(config, state.chosen)
        _refuse_unknown_markers(config)
        if config.option.collectonly:
            return
        start.prepare(state.settings, keep=state.keeps)
    except (UsageError, OSError) as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[_STATE] = state


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    _start_meter(session.config, [item.nodeid for item in session.items])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    _start_meter(node.config, ids)


def _start_meter(config: pytest.Config, ids: list[str]) -> None:
    state = config.stash.get(_STATE, None)
    if state is None or state.meter is not None:
        return
    chosen = [case for case in map(_case_id, ids) if case]
    if not chosen:
        return
    from harness import start

    if not state.keeps:
        start.set_aside(state.settings)
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and config.option.verbose <= 0:
        reporter.showfspath = False  # a progress line names its case
    workers = len(getattr(config.option, "tx", None) or []) or 1
    state.meter = progress.Meter(chosen, state.expected_seconds(), workers)
    if _shows_progress(reporter):
        note = partial(admission.note, state.settings.locks)
        state.heartbeat = progress.Heartbeat(reporter.write_line, note=note)


def _shows_progress(reporter: Any) -> bool:
    return reporter is not None and reporter.verbosity >= -1  # `harness run` is pytest -q


def _case_id(nodeid: str) -> str:
    """Return the id of the case that a pytest item is; empty for another item."""
    return nodeid.rpartition("[")[2].rstrip("]") if "test_matrix.py::" in nodeid else ""


def pytest_report_teststatus(report: Any, config: pytest.Config) -> tuple[str, str, Any] | None:
    """Show no dots for cases while they run: the progress lines below say more."""
    state = _current.get("state")
    if state is None or state.meter is None or "test_matrix.py::" not in report.nodeid:
        return None
    if config.option.verbose > 0:
        return None
    if hasattr(report, "wasxfail") and report.skipped:
        return "xfailed", "", ""
    if report.when == "call" or report.failed:
        return report.outcome, "", ""
    return "", "", ""


def pytest_runtest_logstart(nodeid: str, location: Any) -> None:
    state = _current.get("state")
    if state is not None and state.heartbeat is not None and _case_id(nodeid):
        state.heartbeat.started(_case_id(nodeid))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    state = _current.get("state")
    if state is not None and state.heartbeat is not None and report.when != "setup":
        state.heartbeat.ended(_case_id(report.nodeid))  # also if its worker died
    if state is None or state.meter is None or report.when != "call":
        return
    line: dict[str, Any] = dict(report.user_properties)
    if "case" in line:
        reporter: Any = state.config.pluginmanager.get_plugin("terminalreporter")
        text = state.meter.line(line)
        if _shows_progress(reporter):
            reporter.ensure_newline()
            reporter.write_line(text, **progress.markup(line))


_current: dict[str, _Controller] = {}


@pytest.hookimpl(tryfirst=True)  # the hook ends with whoever runs the loop
def pytest_runtestloop(session: pytest.Session) -> None:
    state = session.config.stash.get(_STATE, None)
    if state is not None:
        _current["state"] = state


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    state = session.config.stash.get(_STATE, None)
    if state is None:
        return
    _current.clear()
    if state.heartbeat is not None:
        state.heartbeat.close()
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and state.keeps:
        done = _done(state.settings)
        if all(
            _is_left_out(state.config, state.settings, case, done.get(case.id))
            for case in state.chosen
        ):
            session.exitstatus = pytest.ExitCode.OK  # the earlier run has done it all


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    state = config.stash.get(_STATE, None)
    if state is None or (state.meter is None and not state.keeps):
        return  # nothing was selected, and what an earlier run left is not this one's
    from harness import finish

    code = finish.conclude(
        state.settings,
        planned=state.meter.planned if state.meter else [],
        whole=[case.id for case in state.chosen] if state.full else [],
        write=terminalreporter.write_line,
        color=terminalreporter._tw.hasmarkup,
    )
    config.hook.pytest_matrix_concluded(code=code)


class Hooks:
    """The hooks this plug-in adds."""

    @pytest.hookspec
    def pytest_matrix_concluded(self, code: Exit) -> None:
        """Called once a run of the matrix has ended, with its exit code."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)
