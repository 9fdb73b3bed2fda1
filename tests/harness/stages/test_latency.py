"""Latencies in turns: what is timed, how often, and when the figures are called noisy."""

from __future__ import annotations

from itertools import cycle

import pytest

from harness.stages import latency
from harness.stages.latency import Times, figures, noisy, ratio


class Clock:
    """A clock that only what runs by it moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def perf_counter(self) -> float:
        return self.now


class File:
    """A runtime whose inferences take so many milliseconds, in turn."""

    def __init__(self, clock: Clock, name: str, *ms: float) -> None:
        self.interpreter = self
        self._clock, self._name, self._ms = clock, name, cycle(ms)

    def invoke(self) -> None:
        self._clock.order.append(self._name)
        self._clock.now += next(self._ms) / 1000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(latency.time, "perf_counter", found.perf_counter)
    return found


def test_files_take_turns(clock: Clock) -> None:
    figures(File(clock, "a", 15), File(clock, "b", 30), False, 1)
    measured = "".join(clock.order[2:])
    assert measured == "ab" * 10


def test_fast_files_are_run_in_blocks(clock: Clock) -> None:
    found = figures(File(clock, "a", 1), File(clock, "b", 2), False, 1)
    assert "".join(clock.order[2:]) == ("a" * 10 + "b" * 10) * 10
    assert found["latency_repeats"] == 100


@pytest.mark.parametrize(
    ("ms", "least", "most", "repeats"),
    [(0.1, 0, 0.05, 100), (20, 0.3, 0.6, 10), (90, 1.0, 1.1, 5), (900, 7.1, 7.3, 3)],
)
def test_measuring_takes_about_half_a_second_unless_a_file_is_slow(
    clock: Clock, ms: float, least: float, most: float, repeats: int
) -> None:
    found = figures(File(clock, "a", ms), File(clock, "b", ms), True, 1)
    assert least <= clock.now <= most
    assert found["latency_repeats"] == repeats


def test_percentiles_and_ratio_are_of_what_was_measured(clock: Clock) -> None:
    found = figures(File(clock, "a", *range(20, 31)), File(clock, "b", 48), False, 4)
    assert found["latency_repeats"] == 7  # 21 to 27, after one to see how long they take
    assert found["latency_ms"] == pytest.approx(24)
    assert found["latency_p10_ms"] == pytest.approx(21.6)
    assert found["latency_p90_ms"] == pytest.approx(26.4)
    assert found["float_latency_ms"] == pytest.approx(48)
    assert found["latency_ratio"] == pytest.approx(0.5, abs=0.03)
    assert found["latency_threads"] == 4
    assert "latency_noisy" not in found


def test_a_file_with_nothing_beside_it_has_no_ratio(clock: Clock) -> None:
    found = figures(File(clock, "a", 10), None, False, 1)
    assert set(found) == {
        "latency_ms", "latency_p10_ms", "latency_p90_ms", "latency_threads", "latency_repeats",
    }  # fmt: skip


def test_a_machine_that_slows_down_changes_no_ratio() -> None:
    own = Times([[10.0], [20.0], [40.0], [80.0], [160.0]])
    base = Times([[5.0], [10.0], [20.0], [40.0], [80.0]])
    assert ratio(own, base) == 2


def times(*ms: float) -> Times:
    return Times([[one] for one in ms])


STEADY = times(*[10.0] * 20)


@pytest.mark.parametrize(
    ("own", "base", "equal", "found"),
    [
        (STEADY, None, False, False),
        (STEADY, times(*[14.9] * 20), True, False),
        (STEADY, times(*[15.1] * 20), True, True),
        (times(*[15.1] * 20), STEADY, True, True),
        (STEADY, times(*[15.1] * 20), False, False),  # another graph may well take longer
        (times(*[10.0] * 10, *[15.1] * 10), None, False, True),
        (STEADY, times(*[10.0] * 10, *[15.1] * 10), False, True),
        (times(*[10.0] * 19, 99.0), STEADY, True, False),  # one in twenty
    ],
)
def test_what_is_noisy(own: Times, base: Times | None, equal: bool, found: bool) -> None:
    assert noisy(own, base, equal) is found


def test_noisy_figures_are_measured_once_more_and_marked_if_that_does_not_help(
    clock: Clock,
) -> None:
    calm = figures(File(clock, "a", *[40] * 5, *[80] * 6, *[40] * 500), None, False, 1)
    assert "latency_noisy" not in calm
    assert calm["latency_p90_ms"] == pytest.approx(40)
    assert figures(File(clock, "b", 40, 80), None, False, 1)["latency_noisy"] is True


def test_the_load_is_of_one_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (6.0, 1.0, 1.0))
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert latency.load() == 1.5
