"""Headless Chromium for the page: one browser for all tests, one fresh page for each."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_metrics
import fake_records
import pytest

from harness import report
from harness.benchmark.report import reports as bench_reports
from harness.records import Failure, Record
from harness.records.kinds import read

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1400,1000",
    "--force-prefers-reduced-motion",  # a panel that still slides in is not there yet
)  # fmt: skip

REFERENCE = Path(__file__).parents[3] / "reports" / "bench"

FOURTEEN = (*fake_records.TECHNIQUES, "qat", *(f"technique-{i}" for i in range(8)))

INJECTED = "<script>alert(1)</script><img src=x onerror=alert(2)>"

EXPLANATIONS = {
    "nested-model": SimpleNamespace(
        title="A model inside a model",
        cause="The transformer refuses a model used as a layer.",
        remedy="Call the inner model's layers one by one.",
        handled="`optim.quantize_model` inlines it.",
        links=("https://github.com/tensorflow/model-optimization/issues/957",
               "javascript:alert(3)"),
    ),
}  # fmt: skip


def hostile() -> list[Record]:
    """Records that carry markup wherever a record carries text."""
    failure = Failure(
        output=INJECTED,
        signal=INJECTED,
        chain=({"type": INJECTED, "message": f"</script>{INJECTED}", "notes": [INJECTED]},),
        frames=({"file": INJECTED, "line": 1, "function": INJECTED, "code": INJECTED},),
    )
    evil = fake_records.record("Net", INJECTED, case="Net-evil")
    evil = dataclasses.replace(
        evil, status="fail", stage="transform", label=INJECTED, failure=failure,
        blocker_kind=INJECTED, blocker=INJECTED, blocker_name=INJECTED,
        fingerprint=INJECTED, repro=INJECTED, environment={INJECTED: INJECTED},
        expectation="regression", reused={"run_id": INJECTED, "date": INJECTED},
        metrics={INJECTED: INJECTED, f"{INJECTED}_number": 3, "loss": float("nan"),
                 "parameters": 7},
    )  # fmt: skip
    return [fake_records.record(f"Evil{INJECTED}", family=INJECTED), evil]


def _found(variable: str, *names: str) -> str | None:
    return os.environ.get(variable) or next((p for n in names if (p := shutil.which(n))), None)


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    binary = _found("CHROMIUM", "chromium", "chromium-browser", "google-chrome")
    server = _found("CHROMEDRIVER", "chromedriver")
    if not binary or not server:
        pytest.skip(
            "chromium and chromedriver are not installed "
            "(Debian: apt-get install chromium chromium-driver)"
        )
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(server))
    yield browser
    browser.quit()


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of the pages under test, by name."""
    out = tmp_path_factory.mktemp("reports")
    runs = {
        "full": fake_records.with_surprises(fake_records.full_run()),
        "variants": fake_records.full_run(("float", "qat-tfmot"), ("notop", "top")),
        "hostile": hostile(),
        "exported": fake_metrics.exported(fake_records.with_surprises(fake_records.full_run())),
        "both": fake_metrics.exported(fake_records.full_run(("float", "qat"), ("notop", "top"))),
        "edges": fake_metrics.edges(),
        "runs": fake_metrics.two_runs(),
        "large": fake_metrics.exported(fake_records.full_run(FOURTEEN, ("notop", "top"))),
    }
    for name, records in runs.items():
        (out / name).mkdir()
        (out / name / "results.jsonl").touch()  # what a page finds beside it, it links to
        report.write(records, out / name, explanations=EXPLANATIONS, lapsed=LAPSED.get(name))
    return {name: (out / name / report.PAGE_NAME).as_uri() for name in runs}


@pytest.fixture(scope="session")
def axe(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, as `axe/package-lock.json` pins it: npm fetches it once."""
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("npm is not installed, which brings axe-core (Debian: apt-get install npm)")
    cache = getattr(pytestconfig, "cache", None)
    folder = cache.mkdir("axe-core") if cache else tmp_path_factory.mktemp("axe-core")
    pinned = Path(__file__).with_name("axe")
    same = all(
        (folder / one.name).is_file() and (folder / one.name).read_bytes() == one.read_bytes()
        for one in pinned.iterdir()
    )
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not same or not script.is_file():
        for one in pinned.iterdir():
            shutil.copy(one, folder / one.name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=folder, check=True, timeout=300)
    return script.read_text(encoding="utf-8")


#: Of the pages under test: what has lapsed, by case, and why.
LAPSED = {"runs": {"VGG16-qat-top": ("quantization", "exporting")}}

#: The least contrast of a text with what is behind it, and where.
CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgb = (colour) => {
  canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const light = (colour) => {
  const [r, g, b] = rgb(colour).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const found = [...document.querySelectorAll('td.case > div, .chip, .muted, .key em, .versions dt')]
  .map(n => {
    let under = n;
    while (under && /rgba\\(.*, 0\\)|transparent/.test(getComputedStyle(under).backgroundColor)) {
      under = under.parentElement;
    }
    const behind = getComputedStyle(under ?? document.body).backgroundColor;
    const [a, b] = [getComputedStyle(n).color, behind].map(light).sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), n.className + ' ' + n.parentElement.className];
  });
return found.sort((x, y) => x[0] - y[0])[0];
"""


class Page:
    """A page as its reader handles it."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver = driver
        self.address = address

    def go(self, hash_: str = "") -> Page:
        from selenium.webdriver.support.ui import WebDriverWait

        self.driver.get("about:blank")  # an address that differs in its hash loads nothing
        self.driver.get(self.address + hash_)
        # On a busy machine the driver goes on while a large page is still being read.
        WebDriverWait(self.driver, 30, poll_frequency=0.02).until(self._is_there)
        return self

    def _is_there(self, _driver: Any) -> bool:
        state, place = self.js("return [document.readyState, location.href]")
        return state == "complete" and place.startswith(self.address)

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        """The texts of all that is shown, in one round trip."""
        return self.js(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter(n => n.offsetParent !== null).map(n => n.textContent.trim())",
            selector,
        )

    def rows(self) -> list[str]:
        return self.texts("tr.app > th .name")

    def columns(self) -> list[str]:
        return self.texts("thead th[data-col] button")

    def matching(self) -> int:
        return len(self.texts("td.case:not(.dim)"))

    def move(self, hash_: str) -> None:
        """Go to another address of the page that is open, as by typing it."""
        self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "if (location.hash === arguments[0]) { done(); return; }"
            "addEventListener('popstate', () => setTimeout(done), { once: true });"
            "location.hash = arguments[0];",
            hash_,
        )

    def cell(self, case: str) -> Any:
        application, technique, variant = case.split("|")
        return self.js(
            "const [app, technique, variant] = arguments;"
            "const head = [...document.querySelectorAll('thead th[data-col]')].find("
            "  h => h.dataset.technique === technique && h.dataset.variant === variant);"
            "const row = [...document.querySelectorAll('tr.app')].find("
            "  r => (r.querySelector('.name') ?? r.cells[0]).textContent === app);"
            "return row.querySelector(`td[data-col='${head.dataset.col}']`);",
            application, technique, variant,
        )  # fmt: skip

    def keys(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def chord(self, held: str, key: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).key_down(held).send_keys(key).key_up(held).perform()

    def choose(self, select: str, value: str) -> None:
        """Take an option of a native select, as its reader does."""
        from selenium.webdriver.support.ui import Select

        Select(self.one(select)).select_by_value(value)

    def resize(self, width: int, height: int) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def contrast(self) -> tuple[float, str]:
        return tuple(self.js(CONTRAST))

    def focused(self) -> str:
        return self.js(
            "const n = document.activeElement;"
            "if (n.id) return n.id;"
            "if (!n.dataset.i) return n.textContent.trim();"
            "return n.closest('tr').querySelector('.name').textContent + '|' + n.dataset.col"
        )

    def type(self, text: str) -> None:
        box = self.one("#filter")
        box.clear()
        box.send_keys(text)
        self.settle()

    def settle(self) -> None:
        """Wait until what was typed is drawn."""
        from selenium.webdriver.support.ui import WebDriverWait

        busy = "return document.getElementById('matrix').hasAttribute('aria-busy')"
        WebDriverWait(self.driver, 20, poll_frequency=0.02).until(lambda _: not self.js(busy))

    @property
    def hash(self) -> str:
        return self.js("return decodeURIComponent(location.hash.replaceAll('+', ' '))")

    @property
    def opened(self) -> str | None:
        """The heading of the open detail, or None."""
        panel = self.one("#detail")
        return self.one("#detail-title").text.replace("\n", " ") if panel.is_displayed() else None


@pytest.fixture
def page(driver: Any, reports: dict[str, str]) -> Iterator[Page]:
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    driver.get_log("browser")
    driver.get_log("performance")
    yield Page(driver, reports["full"])
    # Whatever a test does, the page must not complain and must not call anyone.
    assert driver.get_log("browser") == []
    assert requests(driver) == []


@pytest.fixture
def variants(page: Page, reports: dict[str, str]) -> Page:
    page.address = reports["variants"]
    return page


@pytest.fixture
def exported(page: Page, reports: dict[str, str]) -> Page:
    page.address = reports["exported"]
    return page


@pytest.fixture
def large(page: Page, reports: dict[str, str]) -> Page:
    page.address = reports["large"]
    return page


@pytest.fixture
def both(page: Page, reports: dict[str, str]) -> Page:
    page.address = reports["both"]
    return page


@pytest.fixture
def runs(page: Page, reports: dict[str, str]) -> Page:
    page.address = reports["runs"]
    return page


@pytest.fixture
def edge_page(page: Page, reports: dict[str, str]) -> Page:
    page.address = reports["edges"]
    return page


@pytest.fixture
def hostile_page(page: Page, reports: dict[str, str]) -> Page:
    page.address = reports["hostile"]
    return page


@pytest.fixture(scope="session")
def bench_address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the benchmark, made of the reference run."""
    written = tmp_path_factory.mktemp("bench") / "bench.html"
    bench_reports.write(read([REFERENCE]), written)
    return written.as_uri()


@pytest.fixture
def bench_page(driver: Any, page: Page, bench_address: str) -> Page:
    return Page(driver, bench_address).go()


def requests(driver: Any) -> list[str]:
    """Every address asked for since the last call, but for the file itself."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    asked = (
        m["params"]["request"]["url"]
        for m in messages
        if m["method"] == "Network.requestWillBeSent"
    )
    return [url for url in asked if not url.startswith(("file:", "data:", "about:"))]
