"""Admission: who waits for whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from harness.execution.admission import Note, admitted, needs_all, note


class Worker:
    """A case in a thread of its own, which runs until it is let go."""

    def __init__(self, folder: Path, alone: bool, case: str) -> None:
        self.case = case
        self.started, self._leave = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(folder, alone))
        self._thread.start()

    def _run(self, folder: Path, alone: bool) -> None:
        with admitted(folder, alone=alone, case=self.case):
            self.started.set()
            self._leave.wait(20)

    def runs(self) -> bool:
        return self.started.wait(5)

    def waits(self) -> bool:
        return not self.started.wait(0.2)

    def leave(self) -> None:
        self._leave.set()
        self._thread.join(20)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[bool], Worker]]:
    workers: list[Worker] = []

    def one(alone: bool) -> Worker:
        workers.append(Worker(tmp_path / "locks", alone, f"case-{len(workers)}"))
        return workers[-1]

    yield one
    for worker in workers:
        worker.leave()


def test_ordinary_cases_run_side_by_side(start: Callable[[bool], Worker]) -> None:
    assert start(False).runs()
    assert start(False).runs()


def test_a_large_case_waits_for_the_others_and_is_not_overtaken(
    start: Callable[[bool], Worker],
) -> None:
    first = start(False)
    assert first.runs()
    large = start(True)
    assert large.waits()
    late = start(False)
    assert late.waits()
    first.leave()
    assert large.runs()
    assert late.waits()
    large.leave()
    assert late.runs()


def test_a_case_notes_whether_it_waits_and_since_when(
    start: Callable[[bool], Worker], tmp_path: Path
) -> None:
    def noted(worker: Worker) -> Note:
        found = note(tmp_path / "locks", worker.case)
        assert found is not None
        return found

    first = start(False)
    assert first.runs()
    assert not noted(first).waits
    large = start(True)
    assert large.waits()
    waiting = noted(large)
    assert waiting.waits
    first.leave()
    assert large.runs()
    working = noted(large)
    assert not working.waits
    assert working.since > waiting.since
    large.leave()
    assert [note(tmp_path / "locks", worker.case) for worker in (first, large)] == [None, None]


def test_a_case_that_fails_leaves_the_room(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fails"), admitted(tmp_path, alone=True, case="one"):
        raise ValueError("fails")
    with admitted(tmp_path, alone=True, case="one"):
        pass


def test_no_two_are_in_while_one_is_alone(tmp_path: Path) -> None:
    inside: list[bool] = []
    seen: list[list[bool]] = []

    def one(number: int) -> None:
        alone = number % 4 == 0
        with admitted(tmp_path, alone=alone, case=f"{number}"):
            inside.append(alone)
            time.sleep(0.005)
            seen.append(list(inside))
            inside.remove(alone)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(40)))
    assert len(seen) == 40
    assert all(len(together) == 1 for together in seen if True in together)
    assert max(map(len, seen)) > 1


def test_what_took_most_of_the_memory_needs_all_of_it() -> None:
    total = psutil.virtual_memory().total
    assert needs_all(int(0.6 * total))
    assert not needs_all(int(0.3 * total))
    assert not needs_all(None)
