"""The run loop of `harness run`: one pytest that runs many cases at once by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from harness.execution.interrupts import Interrupts
from harness.execution.jobs import ExecutorLost
from harness.matrix.cases import Case
from harness.pytest_plugin.asked import DRIVING, Driving
from harness.pytest_plugin.collection import case_of
from harness.pytest_plugin.controller import Controller
from harness.pytest_plugin.schedulers import Scheduler
from harness.records import Record
from harness.runs.loop import Loop
from harness.vocabulary import UsageError

CONTROLLER = "harness-controller"


class Finished:
    """Hands the test of a case the record that the loop has made of it."""

    def __init__(self, controller: Controller) -> None:
        assert controller.recorder is not None
        self._recorder = controller.recorder
        self.record: Record | None = None

    def run(self, case: Case) -> Record:
        assert self.record is not None
        assert self.record.case == case.id
        return self._recorder.append(self.record)

    def close(self) -> None:
        return None


class Driver:
    """A plug-in that runs the cases of a session, in place of pytest's own loop.

    pytest goes on to collect, to select and to report: each case that has ended goes
    through its protocol, in which its test only looks at the record.

    Args:
      scheduler: where the cases run.
      interrupts: tells whether there has been one.
      words: the call, after the interpreter.
    """

    def __init__(
        self, scheduler: Scheduler, interrupts: Interrupts, words: tuple[str, ...]
    ) -> None:
        self._scheduler = scheduler
        self._words = words
        self._source: Finished | None = None
        self._interrupts = interrupts

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[DRIVING] = Driving(self._words, self._scheduler.threads)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        controller: Controller | None = session.config.pluginmanager.get_plugin(CONTROLLER)
        items = {case.id: item for item in session.items if (case := case_of(item))}
        if controller is None or not items or session.testsfailed:
            return None  # pytest says why
        cases = [case for case in map(case_of, items.values()) if case]
        try:
            executor = self._scheduler.connect(
                controller.settings.limits, controller.settings.runtime
            )
        except UsageError as error:
            raise pytest.UsageError(str(error)) from error
        controller.begin(list(items), max(1, self._scheduler.workers or executor.free()))
        assert controller.recorder is not None
        cases = [case for case in cases if case.id not in controller.left]
        self._source = session.config.stash[DRIVING].source = Finished(controller)
        with self._interrupts.working():
            loop = Loop(
                controller.recorder,
                cases,
                executor,
                reused=controller.reused,
                seconds=controller.seconds,
                optional=controller.optional,
                budget=controller.budget,
                stopped=lambda: self._interrupts.asked,
                started=controller.started,
            )
            with contextlib.closing(loop.run()) as found:
                self._report(session, found, items)
            controller.note_left_out(loop.left_out)
            if self._interrupts.asked:
                controller.interrupted = True
        return True

    def _report(
        self,
        session: pytest.Session,
        found: Iterator[tuple[Case, Record]],
        items: dict[str, pytest.Item],
    ) -> None:
        """Have pytest look at each record as it comes; end where pytest wants to."""
        assert self._source is not None
        try:
            for case, record in found:
                item = items.pop(case.id)
                self._source.record = record
                item.config.hook.pytest_runtest_protocol(
                    item=item, nextitem=next(iter(items.values()), None)
                )
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
        except ExecutorLost as error:
            session.shouldfail = str(error)
            raise session.Failed(session.shouldfail) from error
        except OSError as error:  # no room for the files of a case
            session.shouldfail = f"cases cannot be run: {error.strerror or error}"
            raise session.Failed(session.shouldfail) from error

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Any:
        """Give a report the time that its case took, where it was run."""
        report = yield
        record = self._source.record if self._source else None
        if record is not None and call.when == "call" and not record.reused and case_of(item):
            report.duration = record.seconds
        return report
