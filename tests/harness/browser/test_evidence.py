"""What changed, and what a reader takes along from a case, on the page."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import fake_metrics
import fake_records
import pytest

from harness import report
from harness.changes import compare, news
from harness.records import latest

pytestmark = pytest.mark.browser

CASE = "ConvNeXtTiny-qat-tfmot-notop"

#: Keeps what is copied, where a test may not read the clipboard.
_LISTEN = """
window.taken = [];
const value = {writeText: async (text) => window.taken.push(text)};
Object.defineProperty(navigator, "clipboard", {value, configurable: true});
"""


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Any:
    before = latest(fake_metrics.exported(fake_records.full_run()))
    after = {
        case: dataclasses.replace(
            r, metrics={**r.metrics, "sqnr_float_db": r.metrics["sqnr_float_db"] - 12}
        )
        if r.technique == "qat-annotate" and r.passed
        else r
        for case, r in before.items()
    }
    found = news.news(compare.between(before, after), before.values())
    report.write(after.values(), tmp_path, news=found)

    def go(address: str) -> Any:
        driver.get("about:blank")
        driver.get(f"{(tmp_path / 'index.html').as_uri()}{address}")
        driver.execute_script(_LISTEN)
        return driver

    go.changed = len(found.words)  # type: ignore[attr-defined]
    return go


def test_what_changed_is_a_card_whose_lines_filter(opened: Any) -> None:
    driver = opened("")
    card = driver.find_element("id", "news-title").find_element("xpath", "..")
    assert "What changed since" in card.text
    assert "median −12.0 dB" in card.text
    (link,) = [a for a in card.find_elements("tag name", "a") if "SQNR" in a.text]
    driver.execute_script("arguments[0].click()", link)
    written = driver.find_element("id", "filter").get_attribute("value")
    assert "changed:sqnr" in written
    assert "technique:qat-annotate" in written
    assert str(opened.changed) in driver.find_element("id", "count").text


def test_a_changed_cell_is_marked(opened: Any) -> None:
    driver = opened("")
    marked = driver.execute_script(
        "return [...document.querySelectorAll('td.case em')].filter((n) => n.textContent === 'Δ')"
        ".length"
    )
    assert marked == opened.changed


def test_the_record_and_the_text_of_an_issue_are_a_button_away(opened: Any) -> None:
    driver = opened(f"#open={CASE}")
    buttons = {b.text: b for b in driver.find_elements("css selector", "#detail-body button.quiet")}
    for says in ("copy the record", "copy the text of an issue"):
        driver.execute_script("arguments[0].click()", buttons[says])
    record, issue = driver.execute_script("return window.taken")
    told = json.loads(record)
    assert (told["case"], told["status"], told["label"]) == (CASE, "fail", "nested-model")
    assert told["failure"]["chain"][0]["type"] == "ValueError"
    assert told["environment"]["tensorflow"] == "2.21.0"
    assert issue.startswith("### ConvNeXtTiny, qat-tfmot (notop): fail in transform: nested-model")
    assert "tensorflow 2.21.0" in issue
    assert f"harness case {CASE}" in issue
