"""Both pages for everybody: what axe-core finds, targets, colours, stops of the keyboard."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

TAB = "\ue004"

#: What is to be looked at on the page of the matrix.
VIEWS = {
    "matrix": "",
    "number": "#view=latency_ms&sort=latency_ms",
    "filter": "#q=stauts:fail resnett size<1",
    "list": "#show=list&sort=file_bytes",
    "plot": "#show=plot",
    "case": "#open=VGG16-qat-top",
    "failure": "#open=ConvNeXtTiny-qat-tfmot-notop",
    "application": "#app=MobileNetV2",
    "side by side": "#app=MobileNetV2&compare=float:top,qat:top",
}

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

RUN = """
const done = arguments[arguments.length - 1];
const told = (v) => v.nodes.slice(0, 4).map(n => n.html.slice(0, 160)).join(' | ');
axe.run(document, { runOnly: arguments[0], resultTypes: ['violations'] }).then(
  (found) => done(found.violations.map(v => `${v.id}, ${v.nodes.length} times: ${told(v)}`)),
  (error) => done([String(error)]));
"""


def violations(page: Any, axe: str) -> list[str]:
    page.js(axe)
    return page.driver.execute_async_script(RUN, RULES)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_on_the_matrix(runs: Any, axe: str, view: str, theme: str) -> None:
    address = VIEWS[view]
    runs.go(f"{address}{'&' if address else '#'}theme={theme}")
    assert violations(runs, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_with_the_helpers_open(runs: Any, axe: str, theme: str) -> None:
    page = runs.go(f"#theme={theme}&show=list")
    page.js("for (const d of document.querySelectorAll('details')) d.open = true")
    page.one("#filter").send_keys("resn")
    assert page.one("#suggestions").is_displayed()
    assert violations(page, axe) == []
    page.one("#help").click()
    assert violations(page, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_the_benchmark(bench_page: Any, axe: str, theme: str) -> None:
    bench_page.go(f"#theme={theme}")
    assert violations(bench_page, axe) == []


#: Interactive nodes that are smaller than 24 pixels, but for links in a sentence.
SMALL = """
const all = document.querySelectorAll('a[href], button, input, select, summary, td.case');
return [...all].filter(n => {
  const { width, height } = n.getBoundingClientRect();
  if (!width || n.classList.contains('skip')) return false;
  const label = n.closest('label')?.getBoundingClientRect();
  const [w, h] = [Math.max(width, label?.width ?? 0), Math.max(height, label?.height ?? 0)];
  return w < 23.9 || h < 23.9;
}).map(n => n.outerHTML.slice(0, 120));
"""


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("view", ["matrix", "list", "plot", "case", "application", "filter"])
def test_targets_are_24_pixels_or_more(runs: Any, view: str, width: int) -> None:
    runs.resize(width, 844)
    assert runs.go(VIEWS[view]).js(SMALL) == []


def test_targets_of_the_benchmark_are_24_pixels_or_more(bench_page: Any) -> None:
    assert bench_page.js(SMALL) == []


#: Of grounds of pass, weak and fail: red, green and blue, as they are painted.
GROUNDS = """
return ['s-pass', 's-pass weak', 's-fail'].map(name => {
  const cell = Object.assign(document.createElement('span'), { className: `tag ${name}` });
  document.body.append(cell);
  return getComputedStyle(cell).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number);
});
"""

#: What an eye without the receptor for green makes of linear red, green and blue.
DEUTERANOPIA = ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969))


def lightness(colour: list[float]) -> float:
    linear = [
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
        for v in (one / 255 for one in colour)
    ]
    seen = [max(0.0, sum(a * b for a, b in zip(row, linear, strict=True))) for row in DEUTERANOPIA]
    return 0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pass_and_fail_differ_in_lightness_without_green(runs: Any, theme: str) -> None:
    shades = [lightness(c) + 0.05 for c in runs.go(f"#theme={theme}").js(GROUNDS)]
    passed, weak, failed = shades

    def contrast(a: float, b: float) -> float:
        return max(a, b) / min(a, b)

    assert contrast(passed, failed) >= 1.5
    assert contrast(passed, weak) >= 1.15
    assert contrast(weak, failed) >= 1.15


def stops_before(page: Any, selector: str) -> int:
    """How often Tab is pressed until the focus is within a node."""
    inside = f"return document.querySelector({selector!r}).contains(document.activeElement)"
    for count in range(1, 40):
        page.keys(TAB)
        if page.js(inside):
            return count
    raise AssertionError(f"{selector} is not reached")


def test_the_content_is_a_few_stops_away(runs: Any, bench_page: Any) -> None:
    assert stops_before(bench_page.go(), "#table-title ~ .card") <= 16
    stops = (
        "const all = 'a[href], button, input, select, summary, [tabindex]';"
        "return [...document.querySelectorAll(all)]"
        ".filter(n => n.tabIndex >= 0 && n.getClientRects().length).length"
    )
    assert bench_page.js(stops) < 40
