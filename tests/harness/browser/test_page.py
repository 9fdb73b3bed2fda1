"""The page in a browser: what its reader can do with it."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

INJECTED = "<script>alert(1)</script><img src=x onerror=alert(2)>"

ENTER, ESCAPE, TAB, CONTROL = "\ue007", "\ue00c", "\ue004", "\ue009"
LEFT, UP, RIGHT, DOWN, END, HOME = "\ue012", "\ue013", "\ue014", "\ue015", "\ue010", "\ue011"


# What is there -----------------------------------------------------------------


def test_shows_every_application_and_technique(page: Any) -> None:
    page.go()
    assert len(page.rows()) == 71
    assert page.columns() == ["float", "prune", "qat-tfmot", "qat-annotate", "prune-tfmot"]
    assert page.texts("tr.groups th") == ["control", "ours", "upstream"]
    assert page.matching() == 355


def test_a_cell_is_readable_without_colour(page: Any) -> None:
    page.go()
    assert page.cell("ConvNeXtTiny|qat-tfmot|notop").text.split() == ["✗", "nested-model"]
    assert page.cell("VGG16|float|notop").text.split() == ["✓", "pass"]
    label = page.cell("VGG16|prune|notop").get_attribute("aria-label")
    assert label == "fail in train: not-finite, regression"


def test_headers_stay_in_sight(page: Any) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 600, "height": 700, "deviceScaleFactor": 1, "mobile": False},
    )
    page.go()
    page.js("window.scrollTo({top: 2600, left: 300, behavior: 'instant'})")
    place = page.js(
        "const box = s => document.querySelector(s).getBoundingClientRect();"
        "return [box('.matrix thead').top, box('.toolbar').bottom, box('th.corner').left]"
    )
    assert abs(place[0] - place[1]) < 2
    assert place[2] == 0


@pytest.mark.parametrize("width", [420, 1000, 1400])
def test_the_page_ends_where_the_table_does(large: Any, width: int) -> None:
    large.resize(width, 900)
    large.go()
    page, table, window = large.js(
        "return [document.documentElement.scrollWidth,"
        " document.getElementById('matrix').offsetWidth, innerWidth]"
    )
    assert page <= max(table, window) + 1


def test_no_part_of_the_page_but_the_table_is_wider_than_a_phone(page: Any) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True},
    )
    page.go()
    wide = page.js(
        "return [...document.querySelectorAll('.bar')].filter("
        "n => n.getBoundingClientRect().width > 391).map(n => n.className)"
    )
    assert wide == []
    page.cell("ConvNeXtTiny|float|notop").click()
    assert page.js("return document.querySelector('#detail').getBoundingClientRect().width") == 390


def test_text_reads_on_its_tint_in_both_themes(page: Any) -> None:
    for theme in ("light", "dark"):
        page.go(f"#theme={theme}")
        worst = page.contrast()
        assert worst[0] >= 4.5, (theme, worst)


# Filter ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cases", "rows"),
    [
        ("nasnet", 10, 2),
        ("NASNetLarge", 5, 1),
        ("label:nested-model", 32, 28),
        ("label:nested-model technique:qat-annotate", 4, 4),
        ("label:nested-model -technique:qat-annotate", 28, 28),
        ("family:resnet", 15, 3),
        ("family:resnet*", 65, 13),
        ("status:oom,crash", 2, 2),
        ("status:oom status:crash", 2, 2),
        ("status:timeout,oom,crash,error,blocked,skipped -status:blocked", 5, 4),
        ("stage:train", 1, 1),
        ("expectation:regression", 1, 1),
        ("-expectation:expected", 4, 4),
        ("blocker:LayerScale", 4, 4),
        ('blocker:"tf.math.reduce_mean" "resnet"', 7, 7),
        ("technique:qat vgg16", 2, 1),
        ("label:none technique:prune", 70, 70),
        ('message:"rank 4 but is rank 5"', 24, 24),
        ("parameters:>26M vgg", 5, 1),
        ("reused:yes technique:prune", 0, 0),
        ("nothing-like-it", 0, 0),
        ("status:", 355, 71),
        ('"unclosed', 0, 0),
    ],
)
def test_filter(page: Any, text: str, cases: int, rows: int) -> None:
    page.go()
    page.type(text)
    assert (page.matching(), len(page.rows())) == (cases, rows)
    shown = page.one("#count").text
    assert shown.startswith(str(cases))
    assert page.one("#empty").is_displayed() == (cases == 0)


def test_filter_hides_columns_and_families_that_hold_nothing(page: Any) -> None:
    page.go()
    page.type("label:nested-model")
    assert page.columns() == ["qat-tfmot", "qat-annotate"]
    assert [t.split()[1] for t in page.texts("tr.family th")] == ["convnext", "regnet"]


def test_filter_says_what_it_does_not_understand(page: Any) -> None:
    page.go()
    page.type("stauts:fail seconds:many")
    said = "no token stauts:; seconds: takes a number, such as >10 or <2.5M"
    assert page.one("#count").text == said
    assert page.matching() == 355


def test_tokens_can_be_clicked_in_and_out(page: Any) -> None:
    page.go()
    page.one("#help").click()
    token = page.one('.token[data-token="status:oom"]')
    token.click()
    assert page.one("#filter").get_attribute("value") == "status:oom"
    assert token.get_attribute("aria-pressed") == "true"
    assert page.matching() == 1
    token.click()
    assert page.one("#filter").get_attribute("value") == ""
    page.keys(ESCAPE)
    assert not page.one("#tokens").is_displayed()


def test_a_line_of_what_blocks_most_sets_the_filter(page: Any) -> None:
    page.go("#theme=dark")
    first = page.one(".ranking tbody tr")
    assert first.text.split()[:3] == ["unsupported-layer", "Rescaling", "61"]
    page.js("arguments[0].click()", first.find_element("css selector", "th a"))
    assert page.one("#filter").get_attribute("value") == "label:unsupported-layer blocker:Rescaling"
    assert page.matching() == 61
    assert "theme=dark" in page.hash


def test_clearing_shows_everything_again(page: Any) -> None:
    page.go("#q=nothing-like-it")
    page.one("#clear").click()
    assert page.matching() == 355
    assert page.focused() == "filter"


# Sort, variant, colour ------------------------------------------------------------


def test_sort_by_name_is_natural_and_reverses(page: Any) -> None:
    page.go("#q=resnet_rs")
    page.one("th.corner button").click()
    names = page.rows()
    assert names[:3] == ["ResNetRS50", "ResNetRS101", "ResNetRS152"]
    assert page.one("th.corner").get_attribute("aria-sort") == "ascending"
    page.one("th.corner button").click()
    assert page.rows() == names[::-1]
    assert "sort=-name" in page.hash
    page.one("th.corner button").click()
    assert page.one("th.corner").get_attribute("aria-sort") == "none"


def test_sort_by_a_column_puts_passes_first(page: Any) -> None:
    page.go()
    page.one('[data-sort="status:qat-annotate:notop"]').click()
    column = page.texts('td.case[data-col="3"] > div > b')
    assert column == sorted(column, key="✓✗◷▲↯!⊘–".index)
    assert page.texts("tr.family") == []


def test_sort_by_a_quantity_puts_the_largest_first(page: Any) -> None:
    page.go("#sort=parameters&view=parameters&q=technique:float")
    shown = page.texts("td.case[data-col='0'] > div > span")
    assert shown[0] == "30 M"
    assert shown[-1] == "750 k"


def test_colour_by_any_number_the_records_hold(page: Any) -> None:
    page.go()
    options = page.texts("#view option") or page.js(
        "return [...document.querySelectorAll('#view option')].map(o => o.textContent)"
    )
    assert options[0] == "status"
    wanted = {"time", "CPU time", "peak memory", "parameters", "layers", "loss", "save size"}
    assert wanted | {"build time"} <= set(options)
    page.go("#view=parameters")
    assert page.cell("VGG16|float|notop").text.split()[0] == "✓"
    assert page.texts("#legend .end") == ["min 750 k", "max 30 M"]


def test_variants_are_switched(variants: Any) -> None:
    variants.go()
    assert variants.columns() == ["float top", "qat-tfmot top"], "what people deploy comes first"
    variants.js("document.querySelector('#variant input[value=notop]').click()")
    assert variants.columns() == ["float notop", "qat-tfmot notop"]
    variants.js("document.querySelector('#variant input[value=\"*\"]').click()")
    assert len(variants.columns()) == 4
    assert "variant:*" in variants.hash
    variants.driver.back()
    assert variants.columns() == ["float notop", "qat-tfmot notop"]
    assert variants.hash == "#q=variant:notop"


def test_a_link_shows_the_variant_that_it_counted(variants: Any) -> None:
    variants.go()
    counted = variants.js(
        "const number = (n) => Number(/\\d+/.exec(n.textContent)[0]);"
        "const all = (s) => [...document.querySelectorAll(s)];"
        "const link = (a) => a.getAttribute('href');"
        "return [...all('.chips a').map((a) => [link(a), number(a)]),"
        "  ...all('.totals th a').map((a) => [link(a),"
        "    Number(a.closest('tr').querySelector('.n').textContent.split('/')[1])])]"
    )
    assert len(counted) == 2 + 4  # statuses, columns
    for link, number in counted:
        variants.go()
        variants.js("document.querySelector(`[href='${arguments[0]}']`).click()", link)
        assert variants.matching() == number, link


def test_the_switch_and_the_filter_are_one_state(variants: Any) -> None:
    variants.go("#q=variant:notop")
    chosen = "return document.querySelector('#variant :checked').value"
    assert variants.columns() == ["float notop", "qat-tfmot notop"]
    assert variants.js(chosen) == "notop"
    variants.js("document.querySelector('#variant input[value=top]').click()")
    assert variants.columns() == ["float top", "qat-tfmot top"]
    assert variants.js("return document.getElementById('filter').value") == ""
    variants.type("-variant:top vgg16")
    assert variants.js(chosen) == "notop"
    variants.type("variant:top,notop vgg16")
    assert variants.js(chosen) == "*"


@pytest.mark.parametrize(("old", "new"), [("all", "variant:*"), ("notop", "variant:notop")])
def test_an_address_of_before_shows_its_variant(variants: Any, old: str, new: str) -> None:
    variants.go(f"#q=vgg16&variant={old}")
    assert variants.one("#filter").get_attribute("value") == f"vgg16 {new}"


def test_a_case_that_is_opened_is_seen(variants: Any) -> None:
    variants.go("#open=VGG16-qat-tfmot-top")
    assert variants.opened is not None
    assert variants.columns() == ["float top", "qat-tfmot top"]
    variants.js("document.querySelector('#variant input[value=notop]').click()")
    assert variants.columns() == ["float notop", "qat-tfmot notop"]


def test_families_fold(page: Any) -> None:
    page.go()
    page.one("tr.family button").click()
    assert "ConvNeXtTiny" not in page.rows()
    assert page.one("tr.family button").get_attribute("aria-expanded") == "false"
    assert "closed=convnext" in page.hash
    page.one("#fold").click()
    assert len(page.rows()) == 71
    page.one("#fold").click()
    assert page.rows() == []
    assert len(page.texts("tr.family th")) == 17


# Detail ---------------------------------------------------------------------------


def test_click_opens_the_detail(page: Any) -> None:
    page.go()
    page.cell("ConvNeXtTiny|qat-tfmot|notop").click()
    assert page.opened == "ConvNeXtTiny qat-tfmot · notop · convnext"
    text = page.one("#detail-body").text
    for expected in (
        "fail in transform: nested-model",
        "as the baseline says",
        "reference run of 2025-12-01",
        "A model inside a model",
        "The transformer refuses a model used as a layer.",
        "Call the inner model's layers one by one.",
        "optim.quantize_model inlines it.",
        "ValueError: Quantizing a tf.keras Model inside another",
        "python -m harness case ConvNeXtTiny-qat-tfmot-notop",
        "transform",
        "peak memory",
    ):
        assert expected in text
    links = [a.get_attribute("href") for a in page.all("#detail .links a")]
    assert links == ["https://github.com/tensorflow/model-optimization/issues/957"]
    page.one("#detail summary").click()
    assert "quantize_registry.py" in page.one("#detail .traceback").text
    page.all("#detail summary")[-1].click()
    assert "2.21.0" in page.one("#detail-body").text


def test_enter_opens_and_escape_returns_to_the_cell(page: Any) -> None:
    page.go()
    page.js("document.querySelector('tr.app td.case').focus()")
    page.keys(RIGHT, DOWN, ENTER)
    assert page.opened.startswith("ConvNeXtLarge prune")
    assert page.focused() == "detail-title"
    page.keys(ESCAPE)
    assert page.opened is None
    assert page.focused() == "ConvNeXtLarge|1"


def test_a_regression_says_what_was_expected(page: Any) -> None:
    page.go("#open=VGG16-prune-notop")
    assert "regression: the baseline says pass" in page.one("#detail-body").text


def test_neighbours_are_a_button_away(page: Any) -> None:
    page.go("#open=VGG16-float-notop")
    assert not page.one("#previous").is_enabled()
    page.one("#next").click()
    assert page.opened.startswith("VGG16 prune ·")
    page.one("#close").click()
    assert page.opened is None
    assert page.focused() == "VGG16|1"


def test_same_defect_is_a_click_away(page: Any) -> None:
    page.go("#open=ConvNeXtTiny-qat-tfmot-notop")
    assert page.one("#detail .fingerprint a").text == "the same in 34 cases"
    page.js("document.querySelector('#detail .fingerprint a').click()")
    assert page.opened is None
    assert page.matching() == 34


def test_copy_button_copies_the_command(page: Any) -> None:
    page.go("#open=VGG16-prune-notop")
    page.one(".copy").click()
    page.js("return new Promise(done => setTimeout(done, 200))")
    assert page.one(".copy").text == "copied"
    page.one("#filter").click()
    page.chord(CONTROL, "v")
    assert page.one("#filter").get_attribute("value") == "python -m harness case VGG16-prune-notop"


def test_copy_works_without_a_clipboard(page: Any) -> None:
    page.go("#open=VGG16-prune-notop")
    page.js("navigator.clipboard.writeText = () => Promise.reject(new Error('denied'))")
    page.one(".copy").click()
    page.js("return new Promise(done => setTimeout(done, 200))")
    assert page.one(".copy").text == "copied"


# State in the address -----------------------------------------------------------------


def test_address_holds_the_state(page: Any) -> None:
    page.go()
    page.type("status:fail regnet")
    page.one('[data-sort="status:qat-annotate:notop"]').click()
    page.js(
        "const s = document.querySelector('#view'); s.value = 'seconds';"
        "s.dispatchEvent(new Event('change'))"
    )
    page.one("#theme").click()
    page.cell("RegNetX002|qat-tfmot|notop").click()
    before = (page.rows(), page.columns(), page.opened, page.matching(), page.hash)
    assert before[2].startswith("RegNetX002")
    page.driver.refresh()
    assert (page.rows(), page.columns(), page.opened, page.matching(), page.hash) == before
    assert page.one("#filter").get_attribute("value") == "status:fail regnet"
    assert page.js("return document.querySelector('#view').value") == "seconds"
    assert page.js("return document.documentElement.dataset.theme") == "light"


def test_back_undoes_one_step(page: Any) -> None:
    page.go()
    page.type("nasnet")
    page.keys(ENTER)
    page.cell("NASNetLarge|float|notop").click()
    assert page.opened
    page.driver.back()
    assert page.opened is None
    assert len(page.rows()) == 2
    page.driver.back()
    assert len(page.rows()) == 71
    page.driver.forward()
    assert len(page.rows()) == 2
    assert page.one("#filter").get_attribute("value") == "nasnet"


def test_nonsense_in_the_address_is_harmless(page: Any) -> None:
    page.go(
        "#q=%22&sort=status:x:y&view=toString&variant=zz&open=none&theme=pink&closed=,,&__proto__=1"
    )
    assert page.opened is None
    assert page.one("#filter").get_attribute("value") == '"'
    page.go("#sort=constructor&view=constructor&open=__proto__")
    assert len(page.rows()) == 71


# Theme, keyboard, no script -------------------------------------------------------------


def test_theme_follows_the_system_until_told(page: Any) -> None:
    shade = "return getComputedStyle(document.body).backgroundColor"
    seen = {}
    for system in ("light", "dark"):
        page.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": system}]},
        )
        page.go()
        seen[system] = page.js(shade)
    assert seen["light"] != seen["dark"]
    page.one("#theme").click()
    assert page.js(shade) == seen["light"]
    page.one("#theme").click()
    assert page.js(shade) == seen["dark"]
    assert "theme=dark" in page.hash
    page.one("#theme").click()
    assert page.hash == ""


def test_everything_by_keyboard(page: Any) -> None:
    page.go()
    page.keys("/")
    assert page.focused() == "filter"
    page.keys(*"technique:qat-tfmot mobilenet", ESCAPE)  # closes the completions
    assert page.one("#filter").get_attribute("value") == "technique:qat-tfmot mobilenet"
    page.keys(ESCAPE)
    assert page.one("#filter").get_attribute("value") == ""
    page.keys(*"mobilenet", ENTER, DOWN)
    assert page.focused() == "MobileNet|2"  # where the first filter left it
    page.keys(LEFT)
    assert page.focused() == "MobileNet|1"
    page.keys(DOWN, DOWN)  # over the family's button to the next application
    assert page.focused() == "MobileNetV2|1"
    page.keys(END)
    assert page.focused() == "MobileNetV2|4"
    page.keys(HOME)
    assert page.focused() == "MobileNetV2"
    page.keys(ENTER)
    assert page.opened == "MobileNetV2 mobilenet_v2 · 5 techniques"
    page.keys(ESCAPE, UP)
    assert "mobilenet_v2" in page.focused()
    page.keys(ENTER)
    assert "MobileNetV2" in page.rows(), "a fold does not hide what was asked for"
    page.chord(CONTROL, HOME)
    assert page.focused() == "application"
    page.keys(RIGHT, RIGHT, RIGHT, ENTER)
    assert page.one('th[data-technique="qat-tfmot"]').get_attribute("aria-sort") == "ascending"
    page.chord(CONTROL, END)
    page.keys(ENTER)
    assert page.opened
    page.keys(TAB)
    assert page.focused() in ("previous", "next")
    page.keys(ESCAPE)
    assert page.opened is None


def test_skip_link_leads_to_the_grid_and_keeps_the_state(page: Any) -> None:
    page.go("#q=nasnet")
    page.keys(TAB, ENTER)
    assert page.focused() == "NASNetLarge|0"
    assert page.hash == "#q=nasnet"


def test_the_grid_is_one_stop_of_the_tab_key(page: Any) -> None:
    page.go("#q=nasnet")
    stops = page.js(
        "return [...document.querySelectorAll('#matrix *')].filter(n => n.tabIndex === 0).length"
    )
    assert stops == 1


def test_readable_without_javascript(page: Any) -> None:
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.go()
        assert len(page.all("tr.app")) == 71
        body = page.one("body").text
        assert "need JavaScript" in body
        assert "unsupported-layer" in body
        assert not page.one("#filter").is_displayed()
        assert not page.one("#detail").is_displayed()
    finally:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


# Safety ---------------------------------------------------------------------------------


def test_markup_in_a_record_is_text(hostile_page: Any) -> None:
    page = hostile_page.go()
    assert f"Evil{INJECTED}" in page.rows()
    assert page.all("img") == []
    assert len(page.all("script")) == 2
    page.js("document.querySelector('#help').click()")
    assert page.all("#tokens img") == []
    page.go("#open=Net-evil")
    for summary in page.all("#detail summary"):
        summary.click()
    text = page.one("#detail-body").text
    assert f"</script>{INJECTED}" in text
    assert text.count(INJECTED) >= 8
    assert page.all("#detail img, #detail script") == []


def test_a_hostile_label_can_be_filtered_for(hostile_page: Any) -> None:
    page = hostile_page.go()
    page.js("document.querySelector('.ranking a').click()")
    assert page.matching() == 1


def test_nothing_is_fetched_and_nothing_may_be(page: Any) -> None:
    page.go("#open=ConvNeXtTiny-qat-tfmot-notop&view=seconds")
    fetched = page.js("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []
    policy = page.one("meta[http-equiv]").get_attribute("content")
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
