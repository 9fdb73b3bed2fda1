"""What runs next, on a simulated clock."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import Machine, Run, row

from harness.execution.jobs import Job
from harness.execution.queue import Queue, Task


def flat(*rows: Sequence[Task]) -> list[Task]:
    return [task for one in rows for task in one]


def lower_bound(tasks: Sequence[Task], workers: int) -> float:
    """No order takes less: all of the work in equal parts, or a case and its control."""
    by_case = {task.job.case: task.seconds for task in tasks}
    chains = [task.seconds + by_case.get(task.after or "", 0.0) for task in tasks]
    return max(sum(by_case.values()) / workers, *chains)


#: Seconds per row as the matrix has them: many small ones, and a few of most of an hour.
MATRIX = [100, 110, 130, 140, 150, 180, 200, 220, 250, 300, 320, 350, 400, 480, 520, 600]
MATRIX += [700, 750, 900, 1000, 1200, 1800, 2000, 2800, 2900, 3100]


def matrix() -> list[Task]:
    return flat(*(row(f"N{n:02}", s, 15, memory=s) for n, s in enumerate(MATRIX)))


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 8, 16])
def test_no_worker_is_idle_for_long(workers: int) -> None:
    tasks = matrix()
    found = Machine(workers).run(tasks)
    longest = max(task.seconds for task in tasks)
    assert len(found.ends) == len(tasks)
    assert found.makespan <= lower_bound(tasks, workers) + longest
    assert found.makespan <= 1.1 * lower_bound(tasks, workers)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_first_case_is_of_the_smallest_row_and_done_first(workers: int) -> None:
    found = Machine(workers).run(matrix())
    assert found.order[0] == "N00-0"
    assert min(found.ends.values()) == found.ends["N00-0"] < 10


def test_one_of_two_workers_starts_with_the_longest_row() -> None:
    found = Machine(2).run(matrix())
    assert found.order[1] == f"N{len(MATRIX) - 1:02}-0"
    assert found.starts[found.order[1]] == 0


def test_a_row_is_worked_through_by_one_worker() -> None:
    found = Machine(2).run(matrix())
    shared = [
        name
        for name in {case.partition("-")[0] for case in found.workers}
        if len({w for case, w in found.workers.items() if case.startswith(f"{name}-")}) > 1
    ]
    assert len(shared) <= 1, "only the last row is split"


def test_a_row_that_would_end_the_run_alone_is_split() -> None:
    tasks = flat(row("small", 10), row("huge", 1000, 20))
    found = Machine(2).run(tasks)
    assert {found.workers[f"huge-{n}"] for n in range(20)} == {0, 1}
    assert found.makespan <= 560


def test_a_control_goes_before_its_row_and_the_longest_case_next() -> None:
    tasks = row("A", 50)
    tasks[3] = Task(tasks[3].job, 100.0, tasks[3].after)
    found = Machine(1).run(tasks)
    assert found.order == ["A-0", "A-3", "A-1", "A-2", "A-4"]
    both = Machine(2).run(tasks)
    assert min(both.starts[f"A-{n}"] for n in range(1, 5)) == both.ends["A-0"]


def test_without_its_control_a_case_waits_for_nothing() -> None:
    found = Machine(4).run(row("A", 40, 4, control=False))
    assert set(found.starts.values()) == {0.0}


def test_what_does_not_fit_is_passed_over_and_no_worker_waits() -> None:
    tasks = flat(row("large", 400, 4, memory=9), *(row(f"s{n}", 40, 4, memory=2) for n in range(8)))
    found = Machine(3, memory=10).run(tasks)
    assert found.most_memory <= 10
    # Whatever is large runs alone, so the rest takes the time that it leaves.
    assert found.makespan <= 400 + 320 / 3 + 100


def test_a_case_that_needs_most_of_the_machine_gets_its_turn() -> None:
    """Small ones that end one after the other would never leave room by themselves."""
    small = flat(*(row(f"s{n:03}", 21, 3, memory=4, control=False) for n in range(300)))
    small = [
        Task(t.job, t.seconds + n % 5, t.after) for n, t in enumerate(small)
    ]  # so that the two never end at once
    large = Task(Job("large", "large", {}, 9), 40.0)
    machine = Machine(2, memory=10)
    found = machine.run([*small, large], patience=60.0)
    assert found.starts["large"] <= 60.0 + 2 * 12 + 12
    assert found.most_memory <= 10
    slower = Machine(2, memory=10).run([*small, large], patience=60.0, pace=3.0)
    assert slower.starts["large"] <= 60.0 + 3 * (2 * 12 + 12)


def test_beside_one_that_waits_for_its_turn_only_short_ones_start() -> None:
    long = row("long", 100, 1, memory=6)
    large = Task(Job("large", "large", {}, 10), 200.0)
    short = flat(*(row(f"short{n}", 20, 1, memory=1) for n in range(20)))
    found = Machine(2, memory=10).run([*long, large, *short], patience=10.0)
    assert found.starts["large"] == found.ends["long-0"] == 100
    before = [case for case, start in found.starts.items() if start < 100]
    assert len(before) == 1 + 100 // 20, "the other worker was not idle meanwhile"


def test_a_dropped_case_holds_nobody_up() -> None:
    queue = Queue(row("A", 30, 3), workers=2)
    first = queue.take(0.0, lambda job: True)
    assert first is not None
    assert first.case == "A-0"
    assert queue.take(0.0, lambda job: True) is None
    queue.done("A-0")
    queue.drop("A-1")
    assert len(queue) == 1
    last = queue.take(1.0, lambda job: True)
    assert last is not None
    assert last.case == "A-2"
    assert len(queue) == 0
    assert queue.take(1.0, lambda job: True) is None


def test_workers_that_join_get_work() -> None:
    queue = Queue(row("A", 30, 3, control=False), workers=1)
    assert queue.take(0.0, lambda job: True)
    assert queue.take(0.0, lambda job: True) is None
    queue.resize(2)
    assert queue.take(0.0, lambda job: True)


ROWS = st.lists(
    st.tuples(st.floats(0.1, 500), st.integers(1, 8), st.integers(1, 20), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(1, 5), st.integers(5, 20), st.floats(0.3, 3.0))
def test_whatever_there_is_every_case_runs_once_within_the_memory(
    rows: list[tuple[float, int, int, bool]], workers: int, memory: int, pace: float
) -> None:
    tasks = flat(*(row(f"N{n}", s, c, m, control) for n, (s, c, m, control) in enumerate(rows)))
    found: Run = Machine(workers, memory).run(tasks, patience=50.0, pace=pace)
    assert sorted(found.order) == sorted(task.job.case for task in tasks)
    assert found.most_memory <= memory
    # Never two workers idle while something could run: at worst, all runs one after another.
    assert found.makespan <= pace * sum(task.seconds for task in tasks) + 1e-6


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(1, 5))
def test_with_memory_enough_a_run_is_within_a_control_and_a_case_of_the_bound(
    rows: list[tuple[float, int, int, bool]], workers: int
) -> None:
    tasks = flat(*(row(f"N{n}", s, c, m, control) for n, (s, c, m, control) in enumerate(rows)))
    found = Machine(workers).run(tasks)
    by_case = {task.job.case: task.seconds for task in tasks}
    chain = max(task.seconds + by_case.get(task.after or "", 0.0) for task in tasks)
    assert found.makespan <= sum(by_case.values()) / workers + chain + 1e-6
