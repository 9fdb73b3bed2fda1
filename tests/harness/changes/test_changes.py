"""What changed between two runs: numbers beyond their noise, the gravest first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_metrics import exported
from fake_records import full_run, record

from harness import records
from harness.changes import compare, news
from harness.changes.compare import Changes, Direction, between
from harness.changes.watched import WATCHED, WORDS
from harness.cli.main import main
from harness.records import Record, latest
from harness.report import metrics
from harness.report.summary import markdown
from harness.vocabulary import Exit

TIMES = {"latency_p10_ms": 1.9, "latency_p90_ms": 2.1, "float_latency_ms": 4.0}
NUMBERS: Mapping[str, Any] = {
    "sqnr_float_db": 29.0,
    "sqnr_simulation_db": 40.0,
    "top1_agreement": 1.0,
    "int8_macs": 1.0,
    "int8_ops": 0.98,
    "float_islands": 0,
    "file_bytes": 1_000_000,
    "latency_ms": 2.0,
    "latency_ratio": 0.5,
    "sparsity": 0.5,
    **TIMES,
}


def one(name: str = "VGG16", **numbers: Any) -> Record:
    found = record(name, "prune", family="vgg16")
    return dataclasses.replace(found, metrics={**NUMBERS, **numbers})


def compared(before: Record, after: Record) -> Changes:
    return between(latest([before]), latest([after]))


def told(changes: Changes) -> list[tuple[str, str]]:
    return [(n.watched.metric, str(n.direction)) for c in changes.cases for n in c.numbers]


@pytest.mark.parametrize(
    ("number", "after", "direction"),
    [
        ("sqnr_float_db", 17.0, "worse"),
        ("sqnr_float_db", 31.0, "better"),
        ("sqnr_float_db", 28.1, None),
        ("sqnr_float_db", "inf", "better"),
        ("sqnr_simulation_db", 38.0, "worse"),
        ("top1_agreement", 0.875, "worse"),
        ("int8_macs", 0.9, "worse"),
        ("float_islands", 1, "worse"),
        ("file_bytes", 3_000_000, "worse"),
        ("file_bytes", 1_010_000, None),
        ("file_bytes", 700_000, "better"),
        ("latency_ms", 16.0, "worse"),
        ("latency_ms", 2.8, None),
        ("latency_ratio", 4.0, "worse"),
        ("latency_ratio", 0.25, "better"),
        ("sparsity", 0.4, "other"),
    ],
)
def test_a_number_changes_beyond_its_threshold_in_its_direction(
    number: str, after: Any, direction: str | None
) -> None:
    found = told(compared(one(), one(**{number: after})))
    assert found == ([] if direction is None else [(number, direction)])


def test_above_60_db_no_difference_is_one() -> None:
    assert not compared(one(sqnr_float_db=65.0), one(sqnr_float_db="inf")).cases
    assert compared(one(sqnr_float_db=65.0), one(sqnr_float_db=58.0)).worse


def test_a_latency_counts_beside_that_of_the_float_model() -> None:
    busy = one(latency_ms=14.0, float_latency_ms=28.0)
    assert not compared(one(), busy).cases
    assert told(compared(one(), one(latency_ms=14.0))) == [("latency_ms", "worse")]


def test_a_latency_that_varies_by_much_has_to_change_by_more() -> None:
    wide = {"latency_p10_ms": 1.0, "latency_p90_ms": 4.0}
    assert not compared(one(**wide), one(**wide, latency_ms=7.0)).cases
    assert compared(one(**wide), one(**wide, latency_ms=9.0)).worse
    bare = {"latency_p10_ms": None, "latency_p90_ms": None, "latency_noisy": True}
    assert not compared(one(**bare), one(**bare, latency_ms=3.9)).cases
    assert compared(one(**bare), one(**bare, latency_ms=4.1)).worse


def test_milliseconds_alone_are_compared_on_one_machine_only() -> None:
    def control(ms: float, **machine: Any) -> Record:
        found = one(latency_ms=ms)
        numbers = {k: v for k, v in found.metrics.items() if "float_lat" not in k}
        environment = {**found.environment, **machine}
        return dataclasses.replace(found, metrics=numbers, environment=environment)

    assert not compared(control(2.0), control(5.0)).cases
    assert told(compared(control(2.0), control(7.0))) == [("latency_ms", "worse")]
    assert not compared(control(2.0), control(7.0, cores=64)).cases
    assert not compared(control(2.0), control(7.0, processor="another")).cases


def without(found: Record, name: str) -> Record:
    return dataclasses.replace(found, metrics={k: v for k, v in found.metrics.items() if k != name})


def test_a_number_that_is_gone_is_worse_but_a_time_is_not() -> None:
    assert told(compared(one(), without(one(), "top1_agreement"))) == [("top1_agreement", "worse")]
    assert told(compared(without(one(), "top1_agreement"), one())) == [("top1_agreement", "other")]
    assert told(compared(one(), without(one(), "latency_ratio"))) == [("latency_ratio", "other")]


def test_what_a_shorter_run_does_not_have_is_no_change() -> None:
    short = dataclasses.replace(without(one(), "sqnr_float_db"), until="train")
    assert not compared(one(), short).cases


def spoilt(found: Record) -> Record:
    """The example: everything of a column worse, and every case still passes."""
    if found.technique != "qat-annotate" or "file_bytes" not in found.metrics:
        return found
    numbers = dict(found.metrics)
    numbers["sqnr_float_db"] -= 12
    numbers["file_bytes"] *= 3
    numbers["latency_ms"] *= 8
    numbers["top1_agreement"] = 0.1
    return dataclasses.replace(found, metrics=numbers)


@pytest.fixture
def runs() -> tuple[dict[str, Record], dict[str, Record]]:
    before = {
        case: dataclasses.replace(r, metrics={**r.metrics, **NUMBERS}) if r.passed else r
        for case, r in latest(exported(full_run())).items()
    }
    return before, {case: spoilt(r) for case, r in before.items()}


def test_a_column_whose_numbers_became_worse_is_no_unchanged_one(
    runs: tuple[dict[str, Record], dict[str, Record]],
) -> None:
    before, after = runs
    changes = between(before, after)
    passing = sum(r.technique == "qat-annotate" and r.passed for r in before.values())
    assert passing > 30
    assert len(changes.worse) == len(changes.cases) == passing
    assert {c.words for c in changes.cases} == {("sqnr", "top1", "size", "latency")}
    assert changes.unchanged == len(before) - passing
    assert compare.exit_code(changes, "none") is Exit.AS_EXPECTED
    assert compare.exit_code(changes, "status") is Exit.AS_EXPECTED
    assert compare.exit_code(changes, "metrics") is Exit.REGRESSION
    back = between(after, before)
    assert compare.exit_code(back, "metrics") is Exit.NEWLY_PASSING
    assert {n.direction for c in back.cases for n in c.numbers} == {Direction.BETTER}


def test_the_summary_tells_it_column_by_column(
    runs: tuple[dict[str, Record], dict[str, Record]],
) -> None:
    before, after = runs
    found = news.news(between(before, after), before.values())
    written = markdown(after.values(), title="t", explanations={}, news=found)
    (line,) = [x for x in written.splitlines() if "SQNR vs. float worse" in x]
    assert "median −12.0 dB" in line
    assert "29.0 dB → 17.0 dB" in line
    assert "median ×3" in written
    assert "median ×8" in written
    assert written.index("became worse") < written.index("| technique |")


def test_what_became_worse_is_told_first() -> None:
    before = latest([one("A"), one("B", top1_agreement=0.5), one("C")])
    after = latest([one("A"), one("B"), one("C", file_bytes=5_000_000)])
    found = news.news(between(before, after), before.values())
    assert [group.kind for group in found.groups] == ["worse", "better"]
    assert found.words == {"C-prune-notop": ("size",), "B-prune-notop": ("top1",)}
    assert "1 with worse numbers, 1 better, 1 unchanged" in found.verdict


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda r: dataclasses.replace(r, status="fail", stage="train", label="x"), "status"),
        (lambda r: dataclasses.replace(r, metrics={**r.metrics, "int8_macs": 0.0}), "int8"),
    ],
)
def test_words_say_what_changed(change: Callable[[Record], Record], word: str) -> None:
    assert word in compared(one(), change(one())).cases[0].words


def test_another_label_is_a_change_of_the_label_not_of_the_status() -> None:
    failed = dataclasses.replace(one(), status="fail", stage="train", label="x")
    (found,) = compared(failed, dataclasses.replace(failed, label="y")).cases
    assert found.words == ("label",)
    assert found.worse


def test_what_was_skipped_is_no_change() -> None:
    skipped = dataclasses.replace(one(), status="skipped", stage="build", metrics={})
    assert not compared(one(), skipped).cases
    assert not compared(skipped, one()).cases
    assert not skipped.fails_anew


def test_every_watched_number_is_known_to_the_reports() -> None:
    for watched in WATCHED:
        assert watched.metric in metrics.NAMES
        assert watched.word in WORDS
        assert watched.factor == 0 or watched.factor > 1


def test_a_report_against_an_older_run_exits_as_asked(
    tmp_path: Path, runs: tuple[dict[str, Record], dict[str, Record]], capsys: Any
) -> None:
    for name, found in zip(("old", "new"), runs, strict=True):
        (tmp_path / name).mkdir()
        records.write(tmp_path / name / "results.jsonl", found.values())
    old, new, site = (str(tmp_path / name) for name in ("old", "new", "site"))
    against = ["report", new, "-o", site, "--against", old]
    assert main(against) == 0
    assert "with worse numbers" in capsys.readouterr().out
    assert main([*against, "--exit-code", "status"]) == 0
    assert main([*against, "--exit-code", "metrics"]) == 1
    assert "SQNR vs. float worse" in (tmp_path / "site" / "summary.md").read_text()
    assert main(["report", new, "-o", site, "--exit-code", "metrics"]) == 2
    assert main(["diff", old, new]) == 0
    assert "file size worse" in capsys.readouterr().out
    assert main(["diff", old, new, "--exit-code", "metrics"]) == 1
    assert main(["diff", old, new, "--markdown"]) == 0
    assert "median ×8" in capsys.readouterr().out
