"""The roster: which worker takes a case, without any worker."""

from __future__ import annotations

import pytest
from dask_processes import GIB

from harness.cluster.roster import REJOIN_SECONDS, Member, Roster
from harness.environment import CASE_BYTES
from harness.execution.jobs import Job


def job(memory: int | None, group: str = "g", case: str = "case") -> Job:
    return Job(case, group, {}, memory)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def roster(clock: Clock) -> Roster:
    one = Roster(clock)
    one.add(Member("tcp://10.0.0.1:1", "large", 2, 8 * GIB, 16))
    one.add(Member("tcp://10.0.0.2:1", "small", 1, 2 * GIB, 4))
    return one


def placed(roster: Roster, one: Job, attempt: str, avoid: tuple[str, ...] = ()) -> str | None:
    member = roster.place(one, avoid)
    if member is None:
        return None
    roster.give(member, attempt, one)
    return member.name


def test_small_cases_leave_the_large_worker_to_large_ones(roster: Roster) -> None:
    assert placed(roster, job(GIB), "1") == "small"
    assert placed(roster, job(5 * GIB), "2") == "large"
    assert placed(roster, job(5 * GIB), "3") is None, "two large ones never meet"
    assert placed(roster, job(3 * GIB), "4") == "large"
    assert roster.free() == 0
    roster.end("tcp://10.0.0.1:1", "2")
    assert placed(roster, job(5 * GIB), "5") == "large"


def test_a_group_stays_where_it_was(roster: Roster) -> None:
    assert placed(roster, job(3 * GIB, "b"), "1") == "large"
    roster.end("tcp://10.0.0.1:1", "1")
    assert placed(roster, job(GIB, "b"), "2") == "large"
    assert placed(roster, job(GIB, "a"), "3") == "small"


def test_of_equal_workers_the_one_idle_for_longest_takes_another_group(clock: Clock) -> None:
    roster = Roster(clock)
    for name in "ab":
        roster.add(Member(f"tcp://10.0.0.1:{ord(name)}", name, 2, GIB, 1))
    assert placed(roster, job(1, "x"), "1") == "a"
    clock.now += 1
    assert placed(roster, job(1, "y"), "2") == "b"
    clock.now += 1
    assert placed(roster, job(1, "z"), "3") == "a"


def test_what_nobody_knows_asks_for_the_usual_and_is_never_too_much(clock: Clock) -> None:
    roster = Roster(clock)
    roster.add(Member("tcp://10.0.0.2:1", "small", 1, 2 * GIB, 4))
    assert roster.size(job(None)) == 2 * GIB
    assert placed(roster, job(None), "1") == "small"
    roster.add(Member("tcp://10.0.0.1:1", "large", 1, 8 * GIB, 4))
    assert roster.size(job(None)) == CASE_BYTES


def test_a_retry_goes_elsewhere_if_it_can(roster: Roster) -> None:
    assert placed(roster, job(5 * GIB), "1", avoid=("large",)) == "large", "no other can take it"
    assert placed(roster, job(GIB), "2", avoid=("small",)) == "large"
    # It rather waits for another worker than go back to the one it lost.
    assert placed(roster, job(GIB), "3", avoid=("small",)) is None
    assert placed(roster, job(GIB), "3") == "small"


def test_a_lost_worker_counts_for_a_while(roster: Roster, clock: Clock) -> None:
    roster.remove("tcp://10.0.0.1:1")
    assert roster.ceiling() == 8 * GIB
    assert roster.place(job(5 * GIB)) is None
    clock.now += REJOIN_SECONDS
    assert roster.ceiling() == 2 * GIB
    roster.add(Member("tcp://10.0.0.1:2", "large", 2, 8 * GIB, 16))
    assert roster.ceiling() == 8 * GIB


def test_slots_of_a_machine_share_its_cores(roster: Roster) -> None:
    large, small = roster
    assert (roster.threads(large), roster.threads(small)) == (8, 4)
    roster.add(Member("tcp://10.0.0.1:2", "beside", 4, GIB, 16))
    assert roster.threads(large) == 2
    roster.add(Member("tcp://10.0.0.2:2", "many", 40, GIB, 4))
    assert roster.threads(small) == 1
