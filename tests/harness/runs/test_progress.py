"""Progress lines: counts, what became of a case, and how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from harness.execution.admission import Note
from harness.provenance.costs import UNKNOWN_SECONDS
from harness.pytest_plugin.controller import Controller
from harness.records import Failure, Record, StageResult
from harness.runs import progress
from harness.runs.progress import Heartbeat, Meter, duration

MakeRecord = Callable[..., Record]


def ended(case: str, seconds: float = 1.0, **given: Any) -> dict[str, Any]:
    usual = {"status": "pass", "stage": "save", "label": None, "expectation": "expected"}
    return {"case": case, "seconds": seconds, "reused": False, **usual, **given}


def left(line: str) -> str:
    """The guess at the end of a line, without its frame."""
    return line.partition("about ")[2].removesuffix(" left")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (8.4, "8 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (3600, "60 min"),
        (5399, "1 h 30 min"),
        (36_240, "10 h 04 min"),
    ],
)
def test_durations_are_for_readers(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_line_counts_and_says_what_happened() -> None:
    meter = Meter([f"N{n}-float-notop" for n in range(10)], {}, workers=1)
    first = meter.line(ended("N0-float-notop", 2.0))
    assert first.startswith("[ 1/10] ok      N0-float-notop ")
    assert "2.0 s" in first
    failed = meter.line(
        ended("N1-float-notop", status="fail", stage="transform", label="nested-model")
    )
    assert failed.startswith("[ 2/10] failed  N1-float-notop ")
    assert "transform: nested-model" in failed
    for status in ("timeout", "oom", "crash", "error", "blocked"):
        assert f"] {status:<8}N2" in meter.line(ended("N2-float-notop", status=status))
    assert meter.done == 7


@pytest.mark.parametrize(
    "expectation", ["regression", "newly-passing", "changed-label", "new", None]
)
def test_what_was_not_expected_is_marked(expectation: str | None) -> None:
    line = Meter(["A", "B"], {}, 1).line(ended("A", expectation=expectation))
    assert f"<- {expectation}" in line


def test_what_was_expected_is_not_marked() -> None:
    assert "<-" not in Meter(["A"], {}, 1).line(ended("A"))


def test_the_rest_takes_what_it_took_before_at_the_pace_of_now() -> None:
    known = {"A": 10.0, "B": 20.0, "C": 30.0, "D": 40.0}
    meter = Meter(list(known), known, workers=2)
    prior = progress.PRIOR_SECONDS
    pace = (20 + prior) / (10 + prior)
    assert left(meter.line(ended("A", 20.0))) == duration((20 + 30 + 40) * pace / 2)
    assert left(meter.line(ended("B", 10.0))) == duration((30 + 40) * 1 / 2)
    pace = (150 + prior) / (60 + prior)
    assert left(meter.line(ended("C", 120.0))) == duration(40 * pace / 2)
    assert "left" not in meter.line(ended("D", 1.0))


def test_the_first_case_alone_does_not_set_the_pace() -> None:
    known = {"A": 1.0, **dict.fromkeys("BCDEFGHIJK", 10.0)}
    meter = Meter(list(known), known, workers=1)
    assert left(meter.line(ended("A", 20.0))) == duration(100 * 80 / 61)


def test_an_unknown_case_counts_as_a_usual_one() -> None:
    meter = Meter(["A", "B"], {"A": 10.0}, workers=1)
    assert left(meter.line(ended("A", 10.0))) == duration(UNKNOWN_SECONDS)


def test_what_is_reused_says_so_and_does_not_count_as_pace() -> None:
    meter = Meter(["A", "B", "C"], {"A": 0.0, "B": 50.0, "C": 80.0}, workers=1)
    line = meter.line(ended("A", 700.0, reused=True))
    assert " reused " in line
    assert "700" not in line
    assert left(line) == duration(130)


def test_what_will_be_reused_takes_no_time() -> None:
    meter = Meter(["A", "B", "C"], {"A": 50.0, "B": 0.0, "C": 0.0}, workers=1)
    assert left(meter.line(ended("C", 10.0, reused=True))) == duration(50)
    assert left(meter.line(ended("A", 50.0))) == "0 s"


def test_a_digest_is_what_a_line_and_junit_need(make_record: MakeRecord) -> None:
    one = make_record(status="fail", stage="train", label="not-finite", seconds=3.0)
    assert progress.digest(one) == {
        "case": "Net-qat-tfmot-notop",
        "status": "fail",
        "stage": "train",
        "label": "not-finite",
        "expectation": None,
        "seconds": 3.0,
        "reused": False,
        "message": "",
        "repro": "",
    }
    expected = make_record(status="fail", label="not-finite", expectation="expected")
    assert "repro" not in progress.digest(expected), "what is expected needs no looking into"


def test_outcomes_in_words(make_record: MakeRecord) -> None:
    assert progress.outcome_text(make_record()) == "pass"
    one = make_record(status="crash", stage="train", label="crash")
    assert progress.outcome_text(one) == "crash at train (crash)"
    assert progress.expected_text(one) == "nothing: the baseline does not know this case"
    known = make_record(expected={"status": "fail", "stage": "save", "label": None})
    assert progress.expected_text(known) == "fail at save"


def test_colours_tell_the_expected_from_the_rest() -> None:
    assert progress.markup(ended("A")) == {"green": True}
    assert progress.markup(ended("A", status="blocked")) == {"yellow": True}
    assert progress.markup(ended("A", status="fail")) == {"yellow": True}
    assert progress.markup(ended("A", expectation="regression")) == {"red": True, "bold": True}


def test_the_full_text_of_a_record_holds_all_a_person_wants(make_record: MakeRecord) -> None:
    one = make_record(
        status="fail",
        stage="transform",
        label="unsupported-layer",
        blocker_kind="layer",
        blocker="Rescaling",
        blocker_name="rescaling",
        stages=(StageResult("build", "pass", 1.25), StageResult("transform", "fail", 0.5)),
        metrics={"parameters": 3_500_000},
        peak_rss_bytes=512 * 2**20,
        cpu_seconds=2.5,
        expectation="expected",
        failure=Failure(
            "ValueError",
            "no\nreally",
            frames=({"file": "optim/x.py", "line": 3, "function": "f", "code": "raise"},),
            output="last words",
        ),
    )
    lines = progress.full_text(one).splitlines()
    assert lines[0] == "Net-qat-tfmot-notop: fail at transform (unsupported-layer)  [expected]"
    assert "  build      pass         1.25 s" in lines
    assert "  peak memory 512 MiB, 2.5 s of CPU" in lines
    assert "  parameters             3,500,000" in lines
    assert "  ValueError: no" in lines
    assert "  blocked by layer Rescaling (rescaling)" in lines
    assert any(line.startswith("  remedy  Annotate the layer") for line in lines)
    assert "  optim/x.py:3 in f" in lines
    assert lines[-1] == "  last words"


# -- a sign of life ---------------------------------------------------------------------


def wait_for(lines: list[str], count: int) -> None:
    until = time.monotonic() + 10
    while len(lines) < count and time.monotonic() < until:
        time.sleep(0.01)
    assert len(lines) >= count


def test_silence_is_broken_by_what_is_at_work() -> None:
    lines: list[str] = []
    beat = Heartbeat(lines.append, every=0.05)
    time.sleep(0.3)
    assert lines == [], "nothing is at work"
    beat.started("A-float-notop")
    beat.started("B-float-notop")
    wait_for(lines, 2)
    assert set(lines) == {"    at work: A-float-notop for 0 s, B-float-notop for 0 s"}
    beat.ended("A-float-notop")
    lines.clear()
    wait_for(lines, 1)
    assert lines[0] == "    at work: B-float-notop for 0 s"
    beat.close()
    lines.clear()
    time.sleep(0.2)
    assert lines == []


def test_what_waits_is_not_said_to_be_at_work() -> None:
    now = time.time()
    notes = {
        "A": Note(waits=True, since=now - 100),
        "B": Note(waits=False, since=now - 30),  # it waited before
        "C": Note(waits=False, since=now - 10_000),  # of an earlier run
    }
    beat = Heartbeat(print, every=100, note=notes.get)
    for case in "ABCD":
        beat.started(case)
    beat._began = {case: began - 200 for case, began in beat._began.items()}
    told = "    at work: C for 3 min, D for 3 min, B for 30 s; waiting for memory: A for 2 min"
    assert beat.line() == told
    for case in "BCD":
        beat.ended(case)
    assert beat.line() == "    waiting for memory: A for 2 min"
    beat.close()


def test_a_case_that_ends_is_a_sign_of_life_itself() -> None:
    lines: list[str] = []
    beat = Heartbeat(lines.append, every=1.0)
    beat.started("A-float-notop")
    for _ in range(15):  # longer than it may be silent
        time.sleep(0.1)
        beat.ended("B-float-notop")
    beat.close()
    assert lines == []


@pytest.mark.parametrize("when", ["call", "???"])  # as xdist reports a worker that died
def test_pytest_tells_what_is_at_work(when: str) -> None:
    beat = Heartbeat(print, every=100)
    controller = object.__new__(Controller)
    controller.heartbeat, controller.meter = beat, None
    item = "harness/test_matrix.py::test_case[A-float-notop]"
    controller.pytest_runtest_logstart("tests/test_other.py::test_it[A]", None)
    assert beat.line() == ""
    controller.pytest_runtest_logstart(item, None)
    assert beat.line() == "    at work: A-float-notop for 0 s"
    controller.pytest_runtest_logreport(SimpleNamespace(nodeid=item, when="setup"))
    assert beat.line()
    controller.pytest_runtest_logreport(SimpleNamespace(nodeid=item, when=when))
    assert beat.line() == ""
    beat.close()
