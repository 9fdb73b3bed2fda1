"""`explain` and `list --status`: what is known of a failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_records import full_run, record

from harness import records
from harness.cli.main import main
from harness.failures.groups import answers, defects
from harness.records import latest

Told = Callable[..., list[str]]


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    mine = [record("ConvNeXtTiny", "qat", family="convnext")]
    records.write(tmp_path / "results.jsonl", [*full_run(), *mine])

    def run(*words: str, code: int = 0) -> list[str]:
        assert main([*words, "--results", str(tmp_path)]) == code
        found = capsys.readouterr()
        return (found.err if code else found.out).splitlines()

    return run


def test_equal_errors_are_told_once(told: Told) -> None:
    nested = [r for r in full_run() if r.label == "nested-model"]
    lines = told("explain", "nested-model")
    errors = [line for line in lines if line.startswith("  error")]
    assert len(errors) == len({r.fingerprint for r in nested}) < len(nested)
    assert any(f"{len(nested)} cases:" in line for line in lines)


def test_only_what_answers_the_failure_is_named(told: Told) -> None:
    found = [line for line in told("explain", "nested-model") if "answer" in line]
    assert len(found) == 1
    assert found[0].startswith("  answer  qat passes 1 of 1 of them")


def test_answers_are_counted_where_the_failures_are() -> None:
    known = latest(full_run())
    failed = [r for r in known.values() if r.label == "unsupported-layer"]
    (found,) = answers(failed, known)
    pruned = {r.application for r in failed if r.technique == "prune-tfmot"}
    assert (found.technique, found.covers) == ("prune", ("prune-tfmot",))
    assert found.cases == len(pruned)


def test_defects_are_counted_most_frequent_first() -> None:
    counts = [len(one.records) for one in defects(full_run())]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == sum(
        r.status not in ("pass", "blocked") for r in latest(full_run()).values()
    )


def test_a_case_an_application_and_a_layer_are_explained(told: Told) -> None:
    case = told("explain", "ConvNeXtTiny-qat-tfmot-notop")
    assert case[0] == "ConvNeXtTiny-qat-tfmot-notop: fail at transform (nested-model)"
    assert any(line.startswith("  remedy") for line in case)
    application = told("explain", "convnexttiny")
    assert application[0] == "ConvNeXtTiny: 3 of 6 cases pass"
    assert any("qat-tfmot" in line and "nested-model" in line for line in application)
    layer = told("explain", "LayerScale")
    assert layer[0] == "LayerScale: blocks 5 cases, unsupported-layer"


def test_what_is_unknown_is_answered_with_the_nearest(told: Told) -> None:
    assert "LayerScale" in told("explain", "LayerScal", code=2)[0]


def test_list_shows_what_is_known_of_each_case(told: Told) -> None:
    words = ("list", "--status", "--applications", "ConvNeXtTiny", "--techniques", "qat-tfmot,pqat")
    lines = told(*words)
    assert lines[0].split()[:4] == ["ConvNeXtTiny-qat-tfmot-notop", "fail", "at", "transform"]
    assert lines[1].split() == ["ConvNeXtTiny-pqat-notop", "not", "known"]
    told("list", "--status", "--what", "labels", code=2)
