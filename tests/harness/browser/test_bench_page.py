"""The page of the training benchmark in headless Chromium, made of the reference run."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

ESCAPE, RIGHT = "\ue00c", "\ue014"

#: Pairs of texts that cover each other, of those that a selector finds in one panel.
COVERED = """
const found = [];
for (const panel of document.querySelectorAll('.panel')) {
  const boxes = [...panel.querySelectorAll(arguments[0])]
    .map(n => [n.textContent, n.getBoundingClientRect()]).filter(([, box]) => box.width);
  boxes.forEach(([a, one], i) => boxes.slice(i + 1).forEach(([b, two]) => {
    const beside = one.right <= two.left || two.right <= one.left;
    if (!beside && one.top < two.bottom && two.top < one.bottom)
      found.push(`${panel.querySelector('figcaption').textContent}: ${a}, ${b}`);
  }));
}
return found;
"""


@pytest.mark.parametrize("view", ["deflated", "raw"])
def test_labels_do_not_cover_each_other(bench_page: Any, view: str) -> None:
    bench_page.js("document.querySelector(`input[value='${arguments[0]}']`).click()", view)
    assert bench_page.texts(f".panels.{view} figcaption")
    assert bench_page.js(COVERED, ".name") == []


def test_values_on_the_axes_do_not_cover_each_other(bench_page: Any) -> None:
    assert bench_page.js(COVERED, ".grid text") == []
    few = bench_page.js(
        "return [...document.querySelectorAll('.panel')].filter("
        "n => n.querySelectorAll('.grid text[text-anchor=middle]').length < 3).length"
    )
    assert few == 0


@pytest.mark.parametrize("width", [420, 360])
def test_nothing_is_cut_off_on_a_phone_and_plots_can_be_read(bench_page: Any, width: int) -> None:
    bench_page.resize(width, 900)
    assert bench_page.js("return document.documentElement.scrollWidth") <= width
    ends = bench_page.js(
        "return [...document.querySelectorAll('.marks li, .panel, h1, h2, p')]"
        ".map(n => n.getBoundingClientRect().right)"
    )
    assert max(ends) <= width
    size = bench_page.js(
        "const svg = document.querySelector('.panel svg');"
        "return parseFloat(getComputedStyle(svg.querySelector('text')).fontSize)"
        " * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width"
    )
    assert size >= 10
    cut = bench_page.js(
        "const panel = document.querySelector('.panel'); panel.scrollLeft = 1e4;"
        "const side = panel.getBoundingClientRect();"
        "return [...panel.querySelectorAll('text')]"
        ".some(n => n.getBoundingClientRect().right > side.right)"
    )
    assert not cut, "a panel scrolls as far as its plot goes"


#: Of the tip and of the marker that has the focus: the tip's text, and both boxes.
TIP = """
const [tip, point] = [document.getElementById('tip'), document.activeElement];
const box = (n) => {
  const { left, top, right, bottom } = n.getBoundingClientRect();
  return [left, top, right, bottom];
};
return [tip.hidden ? null : tip.textContent, box(tip), box(point.querySelector('.mark'))];
"""

#: Calls back after the events of a scroll.
SETTLED = "requestAnimationFrame(() => requestAnimationFrame(arguments[arguments.length - 1]))"


def move_to_a_point(page: Any, index: int) -> None:
    """Go to a point by the keyboard, from the one before it; the window is where that was."""
    page.js(
        "document.querySelectorAll('.panels:not(.raw) .point')[arguments[0]].focus()", index - 1
    )
    page.driver.execute_async_script(SETTLED)
    page.keys(RIGHT)
    page.driver.execute_async_script(SETTLED)


@pytest.mark.parametrize(("width", "height"), [(1400, 400), (420, 500)])
def test_a_point_that_the_keyboard_scrolls_to_has_its_tip(
    bench_page: Any, width: int, height: int
) -> None:
    bench_page.resize(width, height)
    per_panel = len(bench_page.all(".panels.deflated .panel:first-child .point"))
    for index in (3 * per_panel, 6 * per_panel, 6 * per_panel + 1):
        before = bench_page.js("return scrollY")
        move_to_a_point(bench_page, index)
        told, tip, mark = bench_page.js(TIP)
        assert told == bench_page.js("return document.activeElement.getAttribute('aria-label')")
        assert 0 <= tip[0] < tip[2] <= width
        assert 0 <= tip[1] < tip[3] <= height
        assert 0 <= max(tip[1] - mark[3], mark[1] - tip[3]) < 12, "right above or below it"
        assert bench_page.js("return scrollY") != before or index % per_panel


def test_a_tip_goes_with_its_point_and_stays_away_if_sent_away(bench_page: Any) -> None:
    move_to_a_point(bench_page, 1)
    bench_page.js("scrollBy(0, 40)")
    bench_page.driver.execute_async_script(SETTLED)
    told, tip, mark = bench_page.js(TIP)
    assert told
    assert 0 <= max(tip[1] - mark[3], mark[1] - tip[3]) < 12
    bench_page.keys(ESCAPE)
    bench_page.js("scrollBy(0, 40)")
    bench_page.driver.execute_async_script(SETTLED)
    assert bench_page.js(TIP)[0] is None


def test_one_plot_has_all_units_and_its_front(bench_page: Any) -> None:
    count = "return document.querySelectorAll('#scatter .point').length"
    assert bench_page.js(count) == len(bench_page.all(".results tbody tr:not(.group)"))
    assert bench_page.all("#scatter .front")
    bench_page.choose("#axis-a", "MobileNet")
    assert bench_page.js(count) == len(bench_page.all(".panels.deflated .panel:first-child .point"))
    bench_page.choose("#axis-x", "latency")
    assert "latency per image" in bench_page.one("#scatter").text


def test_the_theme_goes_from_one_page_to_the_other(bench_page: Any) -> None:
    bench_page.go("#theme=dark")
    assert bench_page.js("return document.documentElement.dataset.theme") == "dark"
    bench_page.one("#theme").click()
    assert bench_page.hash == ""
    bench_page.one("#theme").click()
    assert bench_page.hash == "#theme=light"
