"""In what order rows stand: best first by the metric's own direction, what matches only."""

from __future__ import annotations

import re
from typing import Any

import fake_metrics
import pytest

from harness.records import Record
from harness.report import metrics, order

pytestmark = pytest.mark.browser


def cases(technique: str = "qat", variant: str = "notop") -> list[Record]:
    found = order.cases(fake_metrics.two_runs())
    return [r for r in found if (r.technique, r.variant) == (technique, variant)]


def value(record: Record, name: str) -> float | None:
    if name in metrics.OWN:
        return float(getattr(record, name))
    return metrics.number(record.metrics.get(name))


def expected(name: str, reverse: bool) -> tuple[list[str], list[str]]:
    """The applications that are ranked, in their order, and those behind them."""
    found, about = cases(), metrics.about(name)
    known = [r for r in found if value(r, name) is not None]
    if about.within == metrics.RUN:
        # Most are of the run itself: those that were taken from another are no comparison.
        known = [r for r in known if not r.reused]
    down = (about.better != metrics.LOWER) != reverse
    ranked = sorted(known, key=lambda r: (-1 if down else 1) * (value(r, name) or 0.0))
    return [r.application for r in ranked], [r.application for r in found if r not in known]


def digits(text: str) -> float:
    found = re.search(r"[\d.]+", text)
    assert found, text
    return float(found[0])


def state(page: Any) -> dict[str, Any]:
    return page.js(
        "const rows = [...document.querySelectorAll('tr.app')].filter(r => r.offsetParent);"
        "return {"
        "  rows: rows.map(r => r.querySelector('.name').textContent),"
        "  keys: rows.map(r => r.querySelector('.key').textContent),"
        "  sort: document.querySelector('th.corner').getAttribute('aria-sort'),"
        "}"
    )


NAMES = [name for name in metrics.NAMES if any(value(r, name) is not None for r in cases())]


def test_most_metrics_are_tried() -> None:
    assert len(NAMES) > 15
    assert {metrics.about(name).better for name in NAMES} == {"higher", "lower", "neutral"}


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_are_ranked_by_every_metric_best_first(runs: Any, reverse: bool) -> None:
    page = runs.go()
    sign = "-" if reverse else ""
    for name in NAMES:
        page.move(f"#q=technique:qat variant:notop&view={name}&sort={sign}{name}")
        shown = state(page)
        ranked, behind = expected(name, reverse)
        assert shown["rows"] == ranked + behind, name
        # The number that decides stands beside the name; what has none says that it has no place.
        by_name = {r.application: r for r in cases()}
        wanted = [metrics.written(name, value(by_name[one], name)) for one in ranked]
        assert [digits(key) for key in shown["keys"][: len(ranked)]] == [
            pytest.approx(digits(one), abs=0.11, rel=0.03) for one in wanted
        ], name  # the two round a tie in different ways
        assert shown["keys"][len(ranked) :] == ["not ranked"] * len(behind), name
        up = (metrics.about(name).better == metrics.LOWER) != reverse
        assert shown["sort"] == ("ascending" if up else "descending"), name


def test_what_the_filter_excludes_is_not_ranked(runs: Any) -> None:
    page = runs.go(
        "#q=technique:qat,float variant:notop sqnr<30&view=sqnr_float_db&sort=sqnr_float_db"
    )
    told = [
        [value(r, "sqnr_float_db") for r in cases(t) if (value(r, "sqnr_float_db") or 99) < 30]
        for t in ("qat", "float")
    ]
    keys = [float(k.removesuffix(" dB")) for k in state(page)["keys"]]
    assert max(keys) < 30, "float's 140 dB are outside the filter"
    assert len(keys) == len(told[0])
    assert keys == sorted(keys, reverse=True)


def test_a_column_ranks_its_own_matches_and_leaves_the_others_behind(runs: Any) -> None:
    page = runs.go("#q=variant:notop size<20MB&view=file_bytes&sort=value:float:notop")
    shown = state(page)
    small = {r.application: value(r, "file_bytes") for r in cases("float")}
    ranked = [r for r, key in zip(shown["rows"], shown["keys"], strict=True) if not key]
    sizes = [small[r] for r in ranked]
    assert sizes == sorted(sizes)
    assert max(sizes) < 20e6 < min(small[r] for r in shown["rows"][len(ranked) :])
    assert set(shown["keys"][len(ranked) :]) == {"not ranked"}
    assert "not ranked" in page.one("#count").text


@pytest.mark.parametrize("sort", ["latency_ratio", "-sqnr_float_db", "value:qat:notop", "-name"])
def test_typed_clicked_or_reloaded_the_order_is_the_same(runs: Any, sort: str) -> None:
    address = f"#q=technique:qat variant:notop&view=latency_ratio&sort={sort}"
    typed = runs.go(address)
    first = state(typed)
    runs.driver.refresh()
    assert state(runs) == first
    runs.move("#sort=family&view=file_bytes")
    runs.move(address)
    assert state(runs) == first
    runs.go()
    runs.choose("#view", "latency_ratio")
    runs.type("technique:qat variant:notop")
    runs.choose("#sort", sort.removeprefix("-"))
    if sort.startswith("-"):
        runs.one("#reverse").click()
    assert state(runs) == first


def test_values_of_another_run_are_hatched_and_said_to_be(runs: Any) -> None:
    page = runs.go("#q=technique:qat&view=latency_ms")
    other, own = page.cell("VGG16|qat|top"), page.cell("MobileNet|qat|top")
    assert "apart" in other.get_attribute("class")
    assert "apart" not in own.get_attribute("class")
    assert other.get_attribute("aria-label").endswith("of another run or machine")
    earlier = sum(r.reused is not None for r in cases("qat", "top"))
    assert f"{earlier} of another run or machine: not on this scale" in page.one("#legend").text
    page.move("#q=technique:qat&view=latency_ratio")
    assert "apart" not in page.cell("VGG16|qat|top").get_attribute("class")


def test_a_ratio_that_was_not_timed_in_turns_is_ranked_with_none(edge_page: Any) -> None:
    page = edge_page.go("#view=latency_ratio&sort=latency_ratio")
    assert "no value" in page.one("#legend").text
    shown = dict(zip(state(page)["rows"], state(page)["keys"], strict=True))
    assert shown["None"] == "not ranked"
    assert shown["Zero"] != "not ranked"
