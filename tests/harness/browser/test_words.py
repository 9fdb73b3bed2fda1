"""The filter forgives: globs, spaces, units, short names; it completes, and says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

ENTER, ESCAPE, DOWN = "\ue007", "\ue00c", "\ue015"


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("size < 20 MB", "file_bytes<20000000"),
        ("size<20mb", "file_bytes<20000000"),
        ("size <20000kB", "file_bytes<20000000"),
        ("size ≤ 20 MB", "file_bytes<=20000000"),
        ("latency < 2 ms", "latency_ms<2"),
        ("latency<0.002s", "latency_ms<2"),
        ("sqnr >= 25dB", "sqnr_float_db>=25"),
        ("top1>=95 %", "top1_agreement>=0.95"),
        ("memory < 2 GiB", "peak_rss_bytes<2147483648"),
        ("params > 10 M", "parameters>10000000"),
        ("time > 1 min", "seconds>60"),
        ("speed < 0.4x", "latency_ratio<0.4"),
        ("status : pass", "status:pass"),
        ("status: fail, crash", "status:fail,crash"),
        ("tech:qat app:VGG16", "technique:qat name:VGG16"),
    ],
)
def test_what_is_written_apart_or_short_means_the_same(runs: Any, written: str, plain: str) -> None:
    runs.go()
    runs.type(written)
    found = runs.matching()
    assert "problem" not in runs.one("#count").get_attribute("class")
    runs.type(plain)
    assert runs.matching() == found
    assert 0 < found < 213 or "time" in written


@pytest.mark.parametrize(
    ("word", "rows"),
    [("resnet*", 13), ("resnet", 14), ("*v2", 12), ("mobilenet", 4), ("nested*", 29)],
)
def test_bare_words_match_names_labels_and_globs(runs: Any, word: str, rows: int) -> None:
    page = runs.go()
    page.type(f"{word} variant:notop")
    names = page.rows()
    assert len(names) == rows, names


def test_a_technique_is_found_by_its_bare_word(runs: Any) -> None:
    page = runs.go()
    page.type("qat-tfmot")
    assert page.columns() == ["qat-tfmot top"]


def test_completion_offers_keys_values_and_numbers(runs: Any) -> None:
    page = runs.go()
    box = page.one("#filter")
    box.send_keys("stat")
    assert "status:" in page.texts("#suggestions li code")
    page.keys(DOWN, ENTER)
    assert box.get_attribute("value") == "status:"
    assert set(page.texts("#suggestions li code")) == {"status:fail", "status:pass"}
    page.keys(DOWN)
    assert box.get_attribute("aria-activedescendant") == "suggestion-0"
    page.keys(ENTER)
    page.settle()
    assert page.hash == "#q=status:fail"
    assert not page.one("#suggestions").is_displayed()
    box.send_keys("siz")
    assert "size<3MB file size" in page.texts("#suggestions li")
    page.keys(ESCAPE)
    assert not page.one("#suggestions").is_displayed()
    assert box.get_attribute("value") == "status:fail siz"


def test_what_was_meant_is_a_click_away(runs: Any) -> None:
    page = runs.go("#q=stauts:fail")
    assert page.one("#count").text == "no token stauts:"
    assert page.one("#empty").text == "Did you mean status:fail?"
    page.one("#empty button").click()
    assert page.hash == "#q=status:fail"
    page.go("#q=mobilnet")
    assert "mobilenet" in page.one("#empty").text.lower()
    page.go("#q=status:fial")
    assert "status:fail" in page.one("#empty").text


def test_an_empty_result_says_which_token_emptied_it(runs: Any) -> None:
    page = runs.go("#q=technique:qat size<1 status:pass")
    said = page.one("#empty").text
    assert "size<1 matches nothing at all: without it 71." in said
    assert "status:pass" not in said.split("size<1")[0]
    page.js("document.querySelector('#empty button[data-q]').click()")
    assert page.hash == "#q=technique:qat status:pass"
    assert page.matching() == 71


def test_active_tokens_are_chips_and_go_one_by_one(runs: Any) -> None:
    page = runs.go("#q=technique:qat resnet*")
    assert page.texts("#chips code") == ["technique:qat", "resnet*"]
    page.one("#chips button").click()
    assert page.hash == "#q=resnet*"
    assert page.focused() == "filter"


def test_a_unit_that_is_none_is_told(runs: Any) -> None:
    page = runs.go("#q=latency<2MB")
    assert "latency: has no unit MB; it is in ms, s" in page.one("#count").text


def test_counts_in_the_heads_follow_the_filter(runs: Any) -> None:
    page = runs.go("#q=resnet variant:notop")
    heads = dict(zip(page.columns(), page.texts("thead .of"), strict=True))
    assert heads["float notop"] == "14/14"
    shown = page.texts("tr.family td span:not(.median)")
    assert sum(int(t.split("/")[1]) for t in shown) == 3 * 14


def test_folded_families_do_not_hide_matches(runs: Any) -> None:
    page = runs.go("#closed=resnet,vgg16&q=vgg16")
    assert page.rows() == ["VGG16"]
    page.go("#closed=resnet,vgg16")
    assert "VGG16" not in page.rows()


def test_the_token_help_stays_on_the_screen(runs: Any) -> None:
    runs.resize(390, 700)
    page = runs.go()
    page.one("#help").click()
    bottom = page.js("return document.querySelector('#tokens').getBoundingClientRect().bottom")
    assert bottom <= 700


def test_weak_and_lapsed_are_tokens(runs: Any) -> None:
    page = runs.go("#q=weak:yes")
    assert page.rows() == ["EfficientNetB6", "VGG16"]
    cell = page.cell("EfficientNetB6|qat|top")
    assert cell.text.split() == ["≈", "weak", "37.5", "%"]
    assert cell.get_attribute("aria-label") == "pass, weak"
    assert "top-1 agreement 37.5 %, of 90.0 % wanted" in cell.get_attribute("data-says")
    page.go("#q=lapsed:yes")
    assert page.rows() == ["VGG16"]
    page.go("#open=VGG16-qat-top")
    assert "Changed since: quantization, exporting" in page.one("#detail-body").text
