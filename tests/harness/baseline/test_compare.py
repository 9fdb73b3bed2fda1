"""Comparing outcomes and runs."""

from __future__ import annotations

import dataclasses

import pytest
from fake_records import full_run, record

from harness.baseline.compare import classify, compare, counted, exit_code
from harness.records import Record, latest
from harness.report.diff import headline, to_markdown, to_text
from harness.vocabulary import Exit, Expectation

PASS = ("pass", "save", None)
FAIL = ("fail", "transform", "nested-model")


@pytest.mark.parametrize(
    ("expected", "actual", "verdict"),
    [
        (PASS, PASS, "expected"),
        (PASS, ("pass", "train", None), "expected"),
        (FAIL, FAIL, "expected"),
        (PASS, FAIL, "regression"),
        (PASS, ("timeout", "train", "timeout"), "regression"),
        (PASS, ("blocked", "build", None), "regression"),
        (FAIL, PASS, "newly-passing"),
        (FAIL, ("fail", "transform", "tensor-rank"), "changed-label"),
        (FAIL, ("fail", "train", "nested-model"), "changed-label"),
        (FAIL, ("crash", "transform", "nested-model"), "changed-label"),
        (None, PASS, "new"),
        (None, FAIL, "new"),
        (FAIL, None, "removed"),
    ],
)
def test_classify(expected: tuple, actual: tuple, verdict: str) -> None:
    assert classify(expected, actual) == verdict


def test_a_pass_that_stops_early_contradicts_no_later_failure() -> None:
    late = ("fail", "save", "save-load")
    reached = ("pass", "transform", None)
    assert classify(late, reached, until="transform") is Expectation.EXPECTED
    assert classify(late, ("pass", "save", None), until="save") is Expectation.NEWLY_PASSING
    assert classify(FAIL, reached, until="transform") is Expectation.NEWLY_PASSING


def runs(*records: Record) -> dict[str, Record]:
    return latest(records)


def changed(one: Record, **changes: object) -> Record:
    return dataclasses.replace(one, **changes)


NESTED = ("nested-model", None, None)


@pytest.fixture
def before() -> dict[str, Record]:
    return runs(
        record("A"), record("B", failing=NESTED), record("C", failing=NESTED), record("D"),
        record("E"),
    )  # fmt: skip


@pytest.fixture
def after() -> dict[str, Record]:
    return runs(
        record("A", failing=NESTED), record("B"), record("C", failing=("tensor-rank", None, None)),
        record("D"), record("F", failing=NESTED),
    )  # fmt: skip


def test_every_case_is_in_one_category(before: dict, after: dict) -> None:
    diff = compare(before, after)
    assert [c.case for c in diff.regressions] == ["A-float-notop"]
    assert [c.case for c in diff.fixes] == ["B-float-notop"]
    assert [c.case for c in diff.changed] == ["C-float-notop"]
    assert [c.case for c in diff.new] == ["F-float-notop"]
    assert [c.case for c in diff.removed] == ["E-float-notop"]
    assert diff.unchanged == 1
    assert exit_code(diff) is Exit.REGRESSION


def test_text_tells_each_change_by_its_mark(before: dict, after: dict) -> None:
    lines = to_text(compare(before, after)).splitlines()
    assert lines[0] == "! regressions  + newly passing  ~ changed labels  > new  < removed"
    assert lines[2:7] == [
        "! A-float-notop  pass -> fail in transform: nested-model",
        "+ B-float-notop  fail in transform: nested-model -> pass",
        "~ C-float-notop  fail in transform: nested-model -> fail in transform: tensor-rank",
        "> F-float-notop  fail in transform: nested-model",
        "< E-float-notop  was pass",
    ]
    assert lines[-1] == (
        "1 regression, 1 newly passing, 1 changed label, 1 new, 1 removed, 1 unchanged"
    )


def test_nothing_changed_is_one_line() -> None:
    run = runs(*full_run())
    diff = compare(run, run)
    assert diff.empty
    assert to_text(diff) == "355 unchanged"
    assert to_markdown(diff) == "**355 unchanged**"
    assert exit_code(diff) is Exit.AS_EXPECTED


def grid(rows: str, *techniques: str) -> dict[str, Record]:
    return runs(*(record(row, technique) for row in rows for technique in techniques))


WHOLE = grid("ABCDE", "float", "qat", "prune")


@pytest.mark.parametrize(
    ("newer", "removed", "unselected"),
    [
        (grid("ABCDE", "qat"), [], 10),  # one column
        (grid("AB", "float", "qat", "prune"), [], 9),  # two rows
        (grid("A", "qat"), [], 14),
        (grid("AB", "float", "qat"), [], 11),
        (grid("ABCD", "float", "qat"), ["E-float-notop", "E-qat-notop"], 5),  # E is gone
        (
            grid("ABCD", "float", "qat", "prune"),
            ["E-float-notop", "E-prune-notop", "E-qat-notop"],
            0,
        ),
        # A cell of a row and a column that both are there.
        (grid("A", "float", "qat") | grid("B", "float"), ["B-qat-notop"], 11),
    ],
)
def test_what_the_newer_run_did_not_select_is_counted(
    newer: dict, removed: list[str], unselected: int
) -> None:
    diff = compare(WHOLE, newer)
    assert [c.case for c in diff.removed] == removed
    assert (diff.unselected, diff.unchanged) == (unselected, len(newer))
    told = f"{unselected} cases of columns or applications that the newer run did not select are "
    for text in (to_text(diff), to_markdown(diff)):
        assert [told in line for line in text.splitlines()].count(True) == bool(unselected)
        assert [case for case in WHOLE if case not in newer and case in text] == sorted(
            removed, key=list(WHOLE).index
        )


def test_what_was_not_selected_changes_no_exit_code() -> None:
    assert exit_code(compare(WHOLE, grid("A", "qat"))) is Exit.AS_EXPECTED
    worse = runs(record("A", "qat", failing=NESTED))
    assert exit_code(compare(WHOLE, worse)) is Exit.REGRESSION
    one = compare(grid("A", "float", "qat"), grid("A", "qat"))
    assert "1 case of a column or application that the newer run did not select is" in to_text(one)


def test_only_fixes_have_their_own_exit_code() -> None:
    diff = compare(runs(record("A", failing=NESTED)), runs(record("A")))
    assert exit_code(diff) is Exit.NEWLY_PASSING


def test_a_new_case_that_fails_is_as_grave_as_a_regression() -> None:
    known = record("A")
    failing, passing = record("B", failing=NESTED), record("B")
    assert exit_code(compare(runs(known), runs(known, failing))) is Exit.REGRESSION
    assert exit_code(compare(runs(known), runs(known, passing))) is Exit.AS_EXPECTED
    # What the older run was not asked for is new, but it is no case of which nothing is known.
    early = record("B", stage="build", until="build")
    later = compare(runs(known, early), runs(known, failing))
    assert [c.case for c in later.new] == ["B-float-notop"]
    assert exit_code(later) is Exit.AS_EXPECTED


def test_markdown_escapes_and_cuts() -> None:
    evil = {f"c|`<b>{i}": record(case=f"c|`<b>{i}") for i in range(5)}
    text = to_markdown(compare({}, evil), most=2)
    assert "### New (5)" in text
    assert "... and 3 more" in text
    assert "<b>" not in text
    rows = [line for line in text.splitlines() if line.startswith("| <code>")]
    assert len(rows) == 2
    assert all(row.count("|") == 4 for row in rows)


def test_a_case_name_cannot_drive_the_terminal() -> None:
    text = to_text(compare({}, {"x": record(case="x", status="fail", label="\x1b[2J\nfake")}))
    assert "\x1b" not in text
    assert len(text.splitlines()) == 5


def test_only_notable_times_are_reported() -> None:
    def times(before: float, after: float, **changes: object) -> int:
        a = changed(record("A"), seconds=before)
        b = changed(record("A"), seconds=after, **changes)
        return len(compare(runs(a), runs(b)).times)

    assert times(10, 20) == 1
    assert times(20, 10) == 1
    assert times(1, 5.5) == 0  # less than 5 seconds
    assert times(100, 140) == 0  # less than a factor of 1.5
    assert times(0, 100) == 0  # not measured
    assert times(10, 20, reused={"date": "2026-01-01"}) == 0
    assert times(10, 20, until="train") == 0
    diff = compare(runs(changed(record("A"), seconds=10)), runs(changed(record("A"), seconds=25)))
    assert "10.0 s -> 25.0 s  (x2.50)" in to_text(diff)
    assert "| 10.0 s | 25.0 s | x2.50 |" in to_markdown(diff)


def test_a_stage_the_older_run_never_reached_is_no_regression() -> None:
    short = changed(record("A"), stage="transform", until="transform")
    failed = record("A", failing=("save-load", None, None), stage="save")
    assert [c.case for c in compare(runs(short), runs(failed)).new] == ["A-float-notop"]
    assert compare(runs(short), runs(record("A"))).unchanged == 1


def test_counts_read_well() -> None:
    assert counted("regression", 1) == "regression"
    assert counted("regression", 2) == "regressions"
    assert counted("newly-passing", 2) == "newly passing"
    assert counted("unheard-of", 1) == "unheard-of"
    assert headline(compare({}, {})) == "0 unchanged"
