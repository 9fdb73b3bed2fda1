"""What is added is one entry: a technique from outside, and a metric.

A label is in test_errors.py; a rule, a pass, an operator and a layer with a kernel are in
tests/optim/test_tables.py.
"""

from __future__ import annotations

import re

import pytest
from fake_records import record
from workbench import Bench

from harness.paths import PROJECT
from harness.report import metrics, tables
from harness.report.metrics import LINEAR, LOWER, OTHER, Metric


def shown(language: str, name: str) -> str:
    """The file of docs/extending.md that is called so."""
    text = (PROJECT / "docs" / "extending.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"```{language}\n(# {re.escape(name)}\n.*?)```", text, flags=re.DOTALL)
    return str(found)


def test_a_technique_from_outside_is_a_class_and_an_entry_point(bench: Bench) -> None:
    # As pip would install what docs/extending.md shows.
    entry = re.search(
        r'\[project\.entry-points\."(.+)"\]\n(\w+) = "(\w+)"', shown("toml", "pyproject.toml")
    )
    assert entry
    info = bench.root / "mine-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[{}]\n{} = {}\n".format(*entry.groups()))
    (bench.root / "half.py").write_text(shown("python", "half.py"))

    ran = bench.has(Pass=1).run("--techniques", "float,half-zero")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = bench.records()["Pass0-half-zero-notop"]
    assert (found.status, found.technique) == ("pass", "half-zero")
    assert found.key
    assert 'data-technique="half-zero"' in (bench.results / "index.html").read_text()
    assert "half-zero" in bench.harness("list", "--what", "techniques").stdout
    covered = bench.harness("status", "--covers", "half-zero").stdout
    assert re.search(r"\d  \S*half\.py$", covered, re.MULTILINE), covered


def test_a_metric_that_nobody_knows_is_shown_by_its_name() -> None:
    table = tables.frame([record("A", metrics={"cups_of_coffee": 3})])
    assert table["cups_of_coffee"].tolist() == [3]
    assert metrics.about("cups_of_coffee").title == "cups of coffee"


def test_one_entry_gives_it_title_unit_and_place(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Metric("cups_of_coffee", "coffee", OTHER, "cups", "number", LOWER, LINEAR, "Cups drunk.")
    monkeypatch.setitem(metrics._KNOWN, own.name, own)
    assert metrics.about("cups_of_coffee") is own
    assert metrics.written("cups_of_coffee", 3) == "3"
