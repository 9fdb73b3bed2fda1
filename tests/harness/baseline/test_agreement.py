"""A case run again agrees with its record within stated bounds, or both figures are named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.baseline.agreement import TOLERANCES, disagreements
from harness.records import Record

METRICS: dict[str, Any] = {
    "int8_ops": 1.0,
    "int8_macs": 1.0,
    "float_islands": 0,
    "file_bytes": 2_000_000,
    "sqnr_simulation_db": 30.0,
    "sqnr_float_db": 28.0,
    "sparsity": 0.5,
    "pattern": 1.0,
    "unique_weights": 16,
    "latency_ms": 3.0,
}

KNOWN = Record(
    case="Net-pcqat-notop",
    application="Net",
    family="net",
    technique="pcqat",
    variant="notop",
    status="pass",
    stage="parity",
    until="parity",
    metrics=METRICS,
    started="2026-11-23T20:17:17+00:00",
)


def found(**metrics: Any) -> Record:
    given = {**METRICS, **metrics}
    return replace(KNOWN, metrics={k: v for k, v in given.items() if v is not None})


def test_the_same_figures_agree_and_times_are_not_compared() -> None:
    assert disagreements(found(), KNOWN) == ()
    assert disagreements(found(latency_ms=99.0), KNOWN) == ()


@pytest.mark.parametrize(
    ("metric", "near", "far", "said"),
    [
        ("sqnr_float_db", 28.5, 28.6, "sqnr_float_db is 28.6 here, 28 in the record of 2026-11-23"),
        ("sqnr_float_db", 27.5, 27.4, "sqnr_float_db is 27.4 here, 28"),
        ("sqnr_simulation_db", 29.6, 29.4, "29.4 here, 30"),
        ("file_bytes", 2_001_999, 2_002_001, "file_bytes is 2002001 here, 2000000"),
        ("int8_ops", 1.0, 0.99, "int8_ops is 0.99 here, 1"),
        ("int8_macs", 1.0, 0.5, "int8_macs is 0.5 here, 1"),
        ("float_islands", 0, 1, "float_islands is 1 here, 0"),
        ("sparsity", 0.5004, 0.499, "sparsity is 0.499 here, 0.5"),
        ("pattern", 1.0, 0.9, "pattern is 0.9 here, 1"),
        ("unique_weights", 16, 17, "unique_weights is 17 here, 16"),
        ("unique_weights", 16, None, "unique_weights is not there here, 16"),
        ("sqnr_float_db", 28.0, "nan", "sqnr_float_db is nan here, 28"),
    ],
)
def test_each_figure_has_its_bound(metric: str, near: Any, far: Any, said: str) -> None:
    assert disagreements(found(**{metric: near}), KNOWN) == ()
    (one,) = disagreements(found(**{metric: far}), KNOWN)
    assert said in one


def test_every_figure_that_is_compared_is_in_the_fixture() -> None:
    assert set(TOLERANCES) <= set(METRICS)


@pytest.mark.parametrize("value", [75.0, "inf", 122.9])
def test_what_is_equal_but_for_the_order_of_summation_agrees(value: Any) -> None:
    known = replace(KNOWN, metrics={**METRICS, "sqnr_float_db": 122.5})
    assert disagreements(found(sqnr_float_db=value), known) == ()
    (one,) = disagreements(found(sqnr_float_db=59.0), known)
    assert "59 here, 122.5" in one


def test_another_outcome_is_said_alone() -> None:
    failed = replace(found(), status="fail", stage="export", label="conversion", metrics={})
    assert disagreements(failed, KNOWN) == (
        "fail in export: conversion here, pass in the record of 2026-11-23",
    )
    assert disagreements(KNOWN, failed) == (
        "pass here, fail in export: conversion in the record of 2026-11-23",
    )
    assert disagreements(failed, failed) == ()
