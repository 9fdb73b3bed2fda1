"""What the page is told of records: weak passes, origins, groups of columns, lines of Python."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest
from fake_records import full_run, record

from harness import techniques
from harness.report import cells, headings, metrics, origins, overview, pages, snippets, weak


def agreeing(share: object, **changes: object) -> list[str]:
    return list(weak.reasons(record("A", metrics={"top1_agreement": share}, **changes)))


# Weak ---------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.9, 0.98, 1, 1.0, None, "inf", "n/a"])
def test_a_pass_is_full_from_the_bound_on(share: object) -> None:
    assert agreeing(share) == []


@pytest.mark.parametrize("share", [0.8999, 0.375, 0])
def test_a_pass_below_the_bound_is_weak_and_says_why(share: float) -> None:
    (reason,) = agreeing(share)
    told = metrics.written("top1_agreement", share)
    assert reason.startswith(f"top-1 agreement {told}, of 90.0 % wanted: ")


def test_what_fails_is_not_weak() -> None:
    assert agreeing(0.1, status="fail") == []


def test_every_bound_is_of_a_metric_that_is_known() -> None:
    assert {b.metric for b in weak.BOUNDS} <= set(metrics.NAMES)
    assert all(metrics.about(b.metric).better == metrics.HIGHER for b in weak.BOUNDS)


# Origins ------------------------------------------------------------------------------


def test_an_origin_is_a_run_on_a_machine() -> None:
    one = record("A", environment={"cores": 2, "processor": "X", "revision": "a"})
    assert origins.of(one) == origins.of(record("B", environment={
        "cores": 2, "processor": "X", "revision": "b"}))  # fmt: skip
    others = (
        dataclasses.replace(one, run_id="another"),
        dataclasses.replace(one, environment={"cores": 4, "processor": "X"}),
        dataclasses.replace(one, environment={"cores": 2, "processor": "Y"}),
        dataclasses.replace(one, reused={"run_id": "before", "date": "2020-01-01"}),
    )
    assert len({origins.of(one), *map(origins.of, others)}) == 5


def test_times_are_compared_within_a_run_and_shares_anywhere() -> None:
    within = {m.name for m in metrics.VOCABULARY if m.within}
    assert within == {"latency_ms", "seconds", "cpu_seconds"}
    assert metrics.about("build_seconds").within == metrics.RUN
    assert metrics.about("float_latency_ms").within == metrics.RUN
    assert metrics.about("latency_ratio").needs == "float_latency_ms"


def test_a_ratio_of_two_measurements_is_compared_with_none() -> None:
    assert metrics.comparable("latency_ratio", {"latency_ratio": 0.5}) is None
    assert metrics.comparable("latency_ratio", {"latency_ratio": 0.5, "float_latency_ms": 2}) == 0.5
    assert metrics.comparable("file_ratio", {"file_ratio": 0.5}) == 0.5


def test_short_names_are_nobody_elses() -> None:
    words = [word for m in metrics.VOCABULARY for word in m.short]
    assert len(words) == len(set(words))
    assert not set(words) & set(metrics.NAMES)


# Columns ------------------------------------------------------------------------------


def test_every_technique_has_a_group_and_ours_come_first() -> None:
    found = headings.headings([*techniques.registry(), "somebody-elses"])
    groups = {name: one.group for name, one in found.items()}
    assert groups["float"] == "control"
    assert groups["qat"] == groups["ptq-int8"] == groups["pcqat"] == "ours"
    assert groups["qat-tfmot"] == groups["qat-annotate"] == "upstream"
    assert groups["somebody-elses"] == "peers"
    order = list(dict.fromkeys(groups.values()))
    assert order == [g for g in headings.GROUPS if g in order]


def test_the_page_opens_with_what_people_deploy() -> None:
    assert headings.opening(["notop", "top"]) == "top"
    assert headings.opening(["notop"]) == "notop"
    assert headings.opening([]) == ""


def test_ours_is_compared_with_what_is_shipped_where_both_have_run() -> None:
    run = full_run(("float", "qat", "qat-tfmot"), ("notop",)) + full_run(("qat",), ("top",))
    (one,) = headings.shipped(run, ["notop", "top"])
    assert (one.what, one.variant) == ("quantize", "notop")
    assert (one.ours_passed, one.ours_cases) == (71, 71)
    assert (one.shipped_passed, one.shipped_cases) == (11, 71)


def test_the_size_of_images_is_told_where_most_say_it() -> None:
    few = [record(name, metrics={"input_size": 96}) for name in "AB"] + [record("C")]
    assert headings.spoken("notop", few).endswith("here 96×96 pixels")
    one = [record("A", metrics={"input_size": 424}), record("B"), record("C")]
    assert "pixels" not in headings.spoken("notop", one)


# Cells --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lapsed", "cases", "marked"), [(0, 10, False), (3, 10, True), (5, 10, False), (10, 10, False)]
)
def test_only_the_exception_is_marked(lapsed: int, cases: int, marked: bool) -> None:
    run = overview.run([record("A")])
    assert cells.Marked.of(run, lapsed, cases).lapsed is marked


# Python -------------------------------------------------------------------------------


@pytest.mark.parametrize("technique", [t for t in techniques.registry() if t in snippets.LINES])
def test_the_lines_of_a_technique_are_python_and_name_what_there_is(technique: str) -> None:
    import optim

    for variant in ("top", "notop"):
        code = snippets.construction(record("MobileNetV2", technique, variant))
        code += "\n" + snippets.template(technique).replace("{file}", "m.tflite")
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "optim":
                assert node.attr in optim.__all__, node.attr
    assert "export(" in code or "converter.convert()" in code


def test_a_model_of_ones_own_is_imported() -> None:
    own = record("my_net", repro="python -m harness case my_net-qat-top --applications mine:my_net")
    assert snippets.construction(own).splitlines()[1:] == [
        "from mine import my_net",
        "model = my_net()",
    ]


# Files --------------------------------------------------------------------------------


def test_only_files_that_are_there_are_linked(tmp_path: Path) -> None:
    assert pages.files(tmp_path) == {}
    (tmp_path / "results.jsonl").touch()
    assert list(pages.files(tmp_path, "matrix.csv")) == ["matrix.csv", "results.jsonl"]
