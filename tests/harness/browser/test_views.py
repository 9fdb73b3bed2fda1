"""The list, the plot and the panel of an application: what they show, and their addresses."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import fake_metrics
import pytest

from harness.report import metrics

pytestmark = pytest.mark.browser

ENTER, ESCAPE, RIGHT = "\ue007", "\ue00c", "\ue014"

#: Takes what the page would let its reader save, instead of saving it.
CAUGHT = """
window.caught = [];
URL.createObjectURL = (blob) => { blob.text().then(t => window.caught.push(t)); return '#'; };
HTMLAnchorElement.prototype.click = function () { window.named = this.download; };
"""


def file(page: Any, button: str) -> str:
    page.js(CAUGHT)
    page.one(button).click()
    page.js("return new Promise(done => setTimeout(done, 100))")
    (text,) = page.js("return window.caught")
    return text


def lines(page: Any) -> list[list[str]]:
    return page.js(
        "return [...document.querySelectorAll('.cases tbody tr:not(.behind)')]"
        ".map(r => [...r.cells].map(c => c.innerText.trim()))"
    )


# List ---------------------------------------------------------------------------------


def test_the_list_answers_the_question_of_the_edge(runs: Any) -> None:
    page = runs.go("#show=list&q=technique:qat size<8MB latency<4ms weak:no&sort=file_bytes")
    assert not page.one("#matrix").is_displayed()
    shown = lines(page)
    heads = page.texts(".cases thead th")
    assert heads[:3] == ["application", "technique", "status"]
    column = heads.index("file size")
    wanted = sorted(
        r.metrics["file_bytes"]
        for r in fake_metrics.two_runs()
        if (r.technique, r.variant) == ("qat", "top")
        and r.metrics["file_bytes"] < 8e6
        and r.metrics["latency_ms"] < 4
        and r.metrics["top1_agreement"] >= 0.9
    )
    told = [metrics.written("file_bytes", v) for v in wanted]
    assert [line[column] for line in shown] == told
    head = page.js("return document.querySelector('[aria-sort=ascending]').textContent")
    assert head == "file size"


def test_columns_are_chosen_and_are_in_the_address(runs: Any) -> None:
    page = runs.go("#show=list&cols=variant,peak_rss_bytes&q=vgg16")
    assert page.texts(".cases thead th") == ["application", "variant", "peak memory"]
    page.one(".chooser summary").click()
    page.one('.chooser input[value="sqnr_float_db"]').click()
    assert "cols=variant,peak_rss_bytes,sqnr_float_db" in page.hash
    assert page.texts(".cases thead th")[-1] == "SQNR vs. float"
    page.one('[data-list-sort="sqnr_float_db"]').click()
    assert "sort=sqnr_float_db" in page.hash
    values = [float(line[-1].split()[0]) for line in lines(page)]
    assert values == sorted(values, reverse=True)


def test_the_files_hold_exactly_what_is_shown(runs: Any) -> None:
    page = runs.go("#show=list&cols=technique,file_bytes&q=mobilenet&sort=-file_bytes")
    shown = lines(page)
    rows = list(csv.DictReader(io.StringIO(file(page, "#csv"))))
    assert list(rows[0]) == ["case", "application", "technique", "file_bytes"]
    assert [[r["application"], r["technique"]] for r in rows] == [line[:2] for line in shown]
    known = {r.case: r.metrics.get("file_bytes") for r in fake_metrics.two_runs()}
    assert all(int(r["file_bytes"]) == known[r["case"]] for r in rows if r["file_bytes"])
    told = json.loads(file(page, "#json"))
    assert told["filter"] == "mobilenet"
    assert [c["case"] for c in told["cases"]] == [r["case"] for r in rows]


def test_values_that_cannot_be_compared_stand_behind(runs: Any) -> None:
    page = runs.go("#show=list&cols=latency_ms&q=technique:qat&sort=latency_ms")
    earlier = [r for r in fake_metrics.two_runs() if r.reused and r.case.endswith("-qat-top")]
    assert page.one(".behind").text.startswith(f"{len(earlier)} not ranked")
    behind = page.js("return document.querySelectorAll('.behind ~ tr td.apart').length")
    assert behind == len(earlier)


def test_a_file_runs_no_formula(hostile_page: Any) -> None:
    page = hostile_page.go("#show=list&cols=label")
    assert page.all(".cases img, .cases script") == []


# Plot ---------------------------------------------------------------------------------


def test_the_plot_has_the_cases_and_their_front(runs: Any) -> None:
    page = runs.go("#show=plot&q=technique:qat&x=file_bytes&y=sqnr_float_db")
    points = page.js(
        "return [...document.querySelectorAll('#plot .point')]"
        ".map(n => [n.dataset.key, n.classList.contains('best')])"
    )
    known = {
        r.case: (r.metrics["file_bytes"], r.metrics["sqnr_float_db"])
        for r in fake_metrics.two_runs()
        if (r.technique, r.variant) == ("qat", "top")
    }
    assert {key for key, _ in points} == set(known)
    front = {
        case
        for case, (size, db) in known.items()
        if not any(s <= size and d >= db and (s, d) != (size, db) for s, d in known.values())
    }
    assert {key for key, best in points if best} == front


def test_a_point_opens_its_case_by_keyboard(runs: Any) -> None:
    page = runs.go("#show=plot&q=technique:qat")
    stops = page.js("return document.querySelectorAll('#plot [tabindex=\"0\"]').length")
    assert stops == 1
    page.js("document.querySelector('#plot [tabindex=\"0\"]').focus()")
    page.keys(RIGHT, ENTER)
    assert page.opened
    page.keys(ESCAPE)
    assert page.opened is None
    assert page.js("return document.activeElement.classList.contains('point')")


def test_one_outlier_does_not_crush_the_others(edge_page: Any) -> None:
    page = edge_page.go("#show=plot&x=file_bytes&y=sqnr_float_db")
    assert "beyond the axes" in page.one("#plot").text


def test_the_plot_can_be_read_on_a_phone(runs: Any) -> None:
    runs.resize(390, 844)
    page = runs.go("#show=plot")
    assert page.js("return document.documentElement.scrollWidth") <= 390
    size = page.js(
        "const text = document.querySelector('#plot .grid text');"
        "const svg = text.ownerSVGElement;"
        "return parseFloat(getComputedStyle(text).fontSize)"
        " * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width"
    )
    assert size >= 10


# Application ----------------------------------------------------------------------------


def side_by_side(page: Any) -> dict[str, list[str]]:
    return page.js(
        "return Object.fromEntries([...document.querySelectorAll('.sided tbody tr')]"
        ".map(r => [r.cells[0].textContent, [...r.cells].slice(1).map(c => c.innerText.trim())]))"
    )


def test_an_application_has_an_address_and_all_its_numbers(runs: Any) -> None:
    page = runs.go("#app=MobileNetV2")
    assert page.opened == "MobileNetV2 mobilenet_v2 · 3 techniques"
    assert page.texts(".sided thead th a") == ["float", "qat", "qat-tfmot"]
    numbers = side_by_side(page)
    by_technique = {
        r.technique: r
        for r in fake_metrics.two_runs()
        if (r.application, r.variant) == ("MobileNetV2", "top")
    }
    for i, name in enumerate(("float", "qat", "qat-tfmot")):
        value = by_technique[name].metrics.get("file_bytes")
        if value is not None:
            assert (
                numbers["file size"][i]
                .split("\n")[0]
                .startswith(metrics.written("file_bytes", value))
            )
    ratio = by_technique["qat"].metrics["file_bytes"] / by_technique["float"].metrics["file_bytes"]
    assert f"×{ratio:.2f}" in numbers["file size"][1], "the difference to float"
    best = page.js(
        "return [...document.querySelectorAll('.sided tbody tr')].find("
        "r => r.cells[0].textContent === 'file size').querySelectorAll('.won').length"
    )
    assert best >= 1
    text = page.one("#detail-body").text
    assert "tf_keras.applications.MobileNetV2()" in text
    assert "optim.quantize_model(model, calibration_data=batches)" in text
    assert "python -m harness case MobileNetV2-qat-top" in text


def test_two_techniques_side_by_side(runs: Any) -> None:
    page = runs.go("#app=MobileNetV2")
    for technique in ("qat", "float"):
        page.js("arguments[0].click()", page.one(f'.pick input[value="{technique}:top"]'))
    assert "compare=qat:top,float:top" in page.hash
    assert page.texts(".sided thead th a") == ["qat", "float"]
    assert "Differences are to qat" in page.one("#detail-body").text
    assert page.opened
    page.driver.refresh()
    assert page.texts(".sided thead th a") == ["qat", "float"]


def test_a_name_opens_its_application_and_escape_returns(runs: Any) -> None:
    page = runs.go()
    page.js("document.querySelector('[data-app=VGG16]').click()")
    assert page.opened.startswith("VGG16 vgg16")
    page.one("#next").click()
    assert page.opened.startswith("VGG19")
    page.keys(ESCAPE)
    assert page.opened is None
    assert page.focused() == "VGG19"


# Landing --------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_sentence_search_and_matrix_are_above_the_fold(runs: Any, width: int, height: int) -> None:
    runs.resize(width, height)
    page = runs.go()
    ends = page.js(
        "const bottom = s => document.querySelector(s).getBoundingClientRect().bottom;"
        "return ['.lead', '.sum', '#filter', 'tr.app th'].map(bottom)"
    )
    assert ends == sorted(ends)
    assert ends[-1] < height - 100, "several rows, not one"
    assert page.js("return document.querySelector('main .about').getBoundingClientRect().top") > 0


def test_the_summary_tells_ours_from_what_is_shipped(runs: Any) -> None:
    page = runs.go()
    assert page.texts(".sum li") == ["quantize ours 71/71, as shipped 11/71 top"]
    assert page.texts("tr.groups th") == ["control", "ours", "upstream"]
    page.one(".sum a + a").click()
    assert page.columns() == ["qat-tfmot top"]
    assert page.one("#count").text.startswith("71 of 213")


def test_files_beside_the_page_are_linked(runs: Any) -> None:
    links = runs.go().texts("#files a")
    assert links == ["matrix.csv", "results.jsonl"]


def test_notop_is_spelt_out(runs: Any) -> None:
    page = runs.go("#q=variant:notop")
    assert "without its classifier (no top)" in page.one("#spoken").text
