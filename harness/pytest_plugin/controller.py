"""The process that pytest was called in: what it says before, during and after a run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from functools import partial
from typing import Any

import pytest

from harness import techniques
from harness.execution import admission
from harness.matrix.cases import Case
from harness.paths import shown
from harness.provenance.costs import UNKNOWN_SECONDS
from harness.pytest_plugin import asked, collection
from harness.pytest_plugin.asked import DRIVING, is_full, settings
from harness.pytest_plugin.continuing import BEFORE, before, is_left_out, recorded
from harness.records import Record
from harness.runs import conclude, prepare, progress, sampling
from harness.runs.history import MemoryHistory
from harness.runs.loop import group
from harness.runs.recorder import Recorder
from harness.runs.results_lock import lock
from harness.vocabulary import Exit


def case_id(nodeid: str) -> str:
    """Return the id of the case that a pytest item is; empty for another item."""
    return nodeid.rpartition("[")[2].rstrip("]") if "test_matrix.py::" in nodeid else ""


class Controller:
    """Knows where the results of a run go, and how far it is; a plug-in of its own.

    Args:
      config: of this pytest.
      chosen: all cases that the words of the call select.
    """

    def __init__(self, config: pytest.Config, chosen: list[Case]) -> None:
        self.config = config
        self.settings = settings(config)
        self.full = is_full(config)
        self.resumes = bool(config.option.resume)
        self.keeps = bool(config.option.resume or config.option.only_failed)
        self.chosen = chosen
        self.meter: progress.Meter | None = None
        self.heartbeat: progress.Heartbeat | None = None
        self.interrupted = False
        self._over = False
        #: What the reference run has of the cases of this run, and how long the others take.
        self.reused: dict[str, Record] = {}
        self.seconds: dict[str, float] = {}
        self.recorder: Recorder | None = None
        #: Ids of lapsed cases that are not run, for the budget; and what is said of the sample.
        self.left: frozenset[str] = frozenset()
        #: Cases that are run only as far as the budget of seconds goes; what stands for them.
        self.optional: dict[str, Record | None] = {}
        self.budget = math.inf
        self._sampled: list[str] = []
        self._lock: Any = None

    # -- before ------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Check that the run can start, and keep others from writing where it does.

        Raises:
          UsageError: it cannot.
        """
        prepare.make_folder(self.settings.results)
        self._lock = lock(self.settings.results)
        self.config.stash[BEFORE] = prepare.prepare(
            self.settings, keep=self.keeps, needs_records=self.keeps and not self.resumes
        )

    def begin(self, ids: list[str], workers: int) -> None:
        """Say what will be done; nothing has been run yet.

        Args:
          ids: of the cases of this run.
          workers: how many run at once.
        """
        wanted = set(ids)
        cases = [case for case in self.chosen if case.id in wanted]
        if self.meter is not None or not cases:
            return
        if not self.keeps:
            prepare.set_aside(self.settings)
        reporter = self._reporter()
        if reporter is not None and self.config.option.verbose <= 0:
            reporter.showfspath = False  # a progress line names its case
        recorder = Recorder(
            self.settings,
            collection.reference_of(self.config),
            MemoryHistory(before(self.config)),
        )
        self.recorder = recorder
        self._decide(cases, recorder, workers)
        cases = [case for case in cases if case.id not in self.left]
        for case in cases:
            record = recorder.reused(case)
            if record is not None:
                self.reused[case.id] = record
        self.seconds = dict(recorder.reference.seconds(cases))
        expected = {**self.seconds, **dict.fromkeys(self.reused, 0.0)}
        self.meter = progress.Meter([case.id for case in cases], expected, workers)
        if self.shows_progress():
            for line in self._announcement(cases, workers):
                self._write(line)
            note = partial(admission.note, self.settings.locks)
            self.heartbeat = progress.Heartbeat(self._write, note=note)

    def _decide(self, cases: list[Case], recorder: Recorder, workers: int) -> None:
        """Decide which cells are run for real, unless the run that is gone on with has done so."""
        plan = asked.plan(self.config)
        if plan is None or self.config.option.only_failed:
            sampling.forget(self.settings)
            return
        sample = sampling.read(self.settings) if self.keeps else None
        if sample is None:
            sample = sampling.decide(self.settings, plan, cases, recorder.reference, workers)
        recorder.sample, self.left = sample.cases, frozenset(sample.left)
        self.budget = plan.budget
        self.optional = {
            case.id: recorder.taken_over(case) for case in cases if case.id in sample.extra
        }
        self._sampled = sampling.told(sample, plan, cases, recorder.reference, workers)

    def _announcement(self, cases: list[Case], workers: int) -> list[str]:
        counts = Counter(case.technique.id for case in cases)
        columns = {name: counts[name] for name in techniques.registry() if counts[name]}
        rows = len({group(case) for case in cases})
        run = [case.id for case in cases if case.id not in self.reused]
        known = {case: self.seconds.get(case, UNKNOWN_SECONDS) for case in run}
        seconds = max(sum(known.values()) / workers, max(known.values(), default=0.0))
        here = f"{len(run)} to run here, {workers} at once, about {progress.duration(seconds)}"
        return progress.announcement(
            f"{len(cases)} cases, {rows} {'row' if rows == 1 else 'rows'}",
            columns,
            f"{len(self.reused)} taken from the reference run, {here}" if self.reused else here,
            shown(self.settings.file),
            self._sampled,
        )

    def _reporter(self) -> Any:
        return self.config.pluginmanager.get_plugin("terminalreporter")

    def shows_progress(self) -> bool:
        """Whether there is anybody to see lines of progress."""
        reporter = self._reporter()
        return reporter is not None and reporter.verbosity >= -1  # `harness run` is pytest -q

    def _write(self, line: str, **markup: bool) -> None:
        reporter = self._reporter()
        reporter.ensure_newline()
        reporter.write_line(line, **markup)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if not getattr(self.config.option, "tx", None):
            self.collected([item.nodeid for item in session.items], 1)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        self.collected(ids, len(self.config.option.tx))

    def collected(self, ids: list[str], workers: int) -> None:
        """Begin, unless there is a driver, which does when it knows its workers."""
        if DRIVING not in self.config.stash:
            self.begin([case for case in map(case_id, ids) if case], workers)

    # -- meanwhile ---------------------------------------------------------------------------

    def pytest_report_teststatus(
        self, report: Any, config: pytest.Config
    ) -> tuple[str, str, Any] | None:
        """Show no dots for cases while they run: the lines of progress say more."""
        if self.meter is None or self._over or config.option.verbose > 0:
            return None
        if not case_id(report.nodeid):
            return None
        if hasattr(report, "wasxfail") and report.skipped:
            return "xfailed", "", ""
        if report.when == "call" or report.failed:
            return report.outcome, "", ""
        return "", "", ""

    def started(self, case: str) -> None:
        """Note that a case is at work."""
        if self.heartbeat is not None:
            self.heartbeat.started(case)

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        if case_id(nodeid):
            self.started(case_id(nodeid))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        if self.heartbeat is not None and report.when != "setup":
            self.heartbeat.ended(case_id(report.nodeid))  # also if its worker died
        if self.meter is None or report.when != "call":
            return
        line: dict[str, Any] = dict(report.user_properties)
        if "case" not in line:
            return
        text = self.meter.line(line)
        # Hundreds are taken over in a second: how many was said at the start.
        if self.shows_progress() and not line["reused"]:
            self._write(text, **progress.markup(line))
            for more in progress.what_failed(line):
                self._write(more)

    def note_left_out(self, cases: Collection[str]) -> None:
        """Note lapsed cases that a sample had no time for: they are no part of it."""
        self.left |= frozenset(cases)
        if cases and self.shows_progress():
            self._write(f"{len(cases)} lapsed cells are left out: the budget has ended")

    # -- after -------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self._over = True  # in the summary of pytest, a case is a test like others
        if self.heartbeat is not None:
            self.heartbeat.close()
        self.interrupted |= exitstatus == pytest.ExitCode.INTERRUPTED
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self.keeps:
            done = recorded(self.config)
            if all(
                is_left_out(self.config, self.settings, case, done.get(case.id))
                for case in self.chosen
            ):
                session.exitstatus = pytest.ExitCode.OK  # the earlier run has done it all

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        if self.meter is None and not self.keeps:
            return  # nothing was selected, and what an earlier run left is not this one's
        code: Exit = conclude.conclude(
            self.settings,
            planned=[c for c in self.meter.planned if c not in self.left] if self.meter else [],
            whole=[case.id for case in self.chosen] if self.full else [],
            write=terminalreporter.write_line,
            color=terminalreporter._tw.hasmarkup,
            interrupted=self.interrupted,
        )
        config.hook.pytest_matrix_concluded(code=code)

    def pytest_unconfigure(self) -> None:
        if self._lock is not None:
            self._lock.close()
