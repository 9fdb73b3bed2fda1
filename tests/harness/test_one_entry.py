"""A metric is one entry: what sets it, and what says how it is read."""

from __future__ import annotations

import pytest
from fake_records import record

from harness.report import metrics, tables
from harness.report.metrics import LINEAR, LOWER, OTHER, Metric


def test_a_metric_that_nobody_knows_is_shown_by_its_name() -> None:
    table = tables.frame([record("A", metrics={"cups_of_coffee": 3})])
    assert table["cups_of_coffee"].tolist() == [3]
    assert metrics.about("cups_of_coffee").title == "cups of coffee"


def test_one_entry_gives_it_title_unit_and_place(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Metric("cups_of_coffee", "coffee", OTHER, "cups", "number", LOWER, LINEAR, "Cups drunk.")
    monkeypatch.setitem(metrics._KNOWN, own.name, own)
    assert metrics.about("cups_of_coffee") is own
    assert metrics.written("cups_of_coffee", 3) == "3"
