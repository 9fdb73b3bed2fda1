"""The page of the training benchmark in headless Chromium, made of the reference run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.reading import read
from harness.training import report

pytestmark = pytest.mark.browser

REFERENCE = Path(__file__).parents[3] / "reports" / "bench"

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


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    written = tmp_path_factory.mktemp("bench") / "bench.html"
    report.write(read([REFERENCE]), written)
    return written.as_uri()


@pytest.fixture
def bench_page(page: Any, address: str) -> Any:
    page.address = address
    return page.go()


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
