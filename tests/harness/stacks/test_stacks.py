"""Several environments in one report."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from fake_metrics import exported
from fake_records import full_run

from harness import records
from harness.cli.main import main
from harness.records import Record, latest
from harness.report import order
from harness.stacks.side_by_side import together

CASE = "VGG16-qat-annotate-notop"


def pinned() -> list[Record]:
    return list(latest(exported(full_run())).values())


def newest() -> list[Record]:
    return [
        dataclasses.replace(
            r,
            environment={**r.environment, "tensorflow": "2.22.0"},
            metrics={**r.metrics, "sqnr_float_db": 1.0} if r.case == CASE else r.metrics,
        )
        for r in pinned()
    ]


@pytest.fixture
def runs(tmp_path: Path) -> tuple[str, str]:
    for name, found in (("one", pinned()), ("two", newest())):
        (tmp_path / name).mkdir()
        records.write(tmp_path / name / "results.jsonl", found)
    return str(tmp_path / "one"), str(tmp_path / "two")


def test_two_environments_are_asked_about(
    runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = str(tmp_path / "site")
    assert main(["report", *runs, "-o", site]) == 2
    told = capsys.readouterr().err
    assert "tensorflow 2.21.0" in told
    assert "tensorflow 2.22.0" in told
    assert "--stacks NAME1,NAME2" in told
    assert not Path(site).exists()
    assert main(["report", *runs, "-o", site, "--latest"]) == 0
    assert main(["report", runs[0], runs[0], "-o", site]) == 0


def test_both_are_shown_side_by_side(runs: tuple[str, str], tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert main(["report", *runs, "-o", str(site), "--stacks", "pinned,newest"]) == 0
    lines = (site / "matrix.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * len(pinned())
    summary = (site / "summary.md").read_text()
    assert "1 case differs between pinned, newest" in summary
    assert "1 case worse in newest than in pinned" in summary


def test_only_cells_that_differ_are_marked() -> None:
    found, news = together({"pinned": pinned(), "newest": newest()})
    assert news.words == {
        "VGG16-qat-annotate@pinned-notop": ("stack", "sqnr"),
        "VGG16-qat-annotate@newest-notop": ("stack", "sqnr"),
    }
    assert {r.case for r in found} >= news.words.keys()


def test_the_columns_of_a_technique_stand_together() -> None:
    found, _ = together({"pinned": pinned(), "newest": newest()})
    shown = order.techniques(found)
    assert shown[:4] == ["float@pinned", "float@newest", "qat-tfmot@pinned", "qat-tfmot@newest"]
    assert order.techniques(pinned()) == ["float", "qat-tfmot", "qat-annotate", "prune-tfmot",
                                          "prune"]  # fmt: skip


@pytest.mark.parametrize("names", ["pinned", "a,b,c", "a,a", "a-b,c"])
def test_names_have_to_fit(names: str, runs: tuple[str, str], tmp_path: Path) -> None:
    assert main(["report", *runs, "-o", str(tmp_path), "--stacks", names]) == 2
