"""Both pages on paper, upright and across: names on every page, nothing over anything else."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

#: CSS pixels between the margins of A4, upright and across.
WIDTHS = (718, 1047)

#: What is wider than the paper.
WIDE = """
const most = document.documentElement.clientWidth + 1;
const all = document.querySelectorAll('header, main, main > *, table, th, td.case, svg');
return [...all].filter(n =>
  n.getClientRects().length && n.getBoundingClientRect().right > most
).map(n => n.outerHTML.slice(0, 80));
"""

#: Names of techniques, and whether each is seen whole and clear of the next.
NAMES = """
const heads = [...document.querySelectorAll('.matrix thead th[data-col]')]
  .filter(n => n.getClientRects().length);
const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
  && a.top < b.bottom && b.top < a.bottom;
const shown = (n) => getComputedStyle(n).display;
const boxes = heads.map(n => n.querySelector('.t').getBoundingClientRect());
return {
  names: heads.map(n => n.querySelector('.t').textContent.trim()),
  covered: boxes.filter((a, i) => boxes.some((b, k) => k > i && over(a, b))).length,
  empty: boxes.filter(b => b.width < 5 || b.height < 5).length,
  // A button is printed on the first page only; a head that is a table's is on every one.
  buttons: heads.filter(n => shown(n.querySelector('button')) !== 'contents').length,
  head: shown(document.querySelector('.matrix thead')),
  sticky: heads.filter(n => getComputedStyle(n).position === 'sticky').length,
};
"""


def printed(page: Any, width: int, address: str = "") -> Any:
    page.resize(width, 1000)
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    return page.go(address)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("address", ["#q=variant:*", "#q=variant:*&view=file_bytes"])
def test_the_matrix_fits_the_paper_and_names_its_columns(
    large: Any, width: int, address: str
) -> None:
    page = printed(large, width, address)
    assert page.js(WIDE) == []
    found = page.js(NAMES)
    assert len(found["names"]) == 28
    assert len(set(found["names"])) == 28
    assert (found["covered"], found["empty"], found["buttons"], found["sticky"]) == (0, 0, 0, 0)
    assert found["head"] == "table-header-group"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("address", ["#show=list", "#show=plot"])
def test_list_and_plot_fit_the_paper(runs: Any, width: int, address: str) -> None:
    assert printed(runs, width, address).js(WIDE) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_benchmark_fits_the_paper(bench_page: Any, width: int) -> None:
    page = printed(bench_page, width)
    assert page.js(WIDE) == []
    assert len(page.all(".panels.raw .panel")) == len(page.all(".panels.deflated .panel"))


def test_what_only_a_screen_needs_is_not_printed(runs: Any) -> None:
    page = printed(runs, WIDTHS[0])
    for hidden in (".toolbar", ".controls", "#theme", ".skip", "#detail"):
        assert not page.one(hidden).is_displayed(), hidden
