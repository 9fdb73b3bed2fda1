"""Reports as files: CSV, page and Markdown from records alone."""

from __future__ import annotations

import dataclasses
import io
import json
import random
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from fake_records import TECHNIQUES, full_run, record, with_surprises

from harness import report
from harness.benchmark.report import reports as training_report
from harness.failures.classify import BY_NAME
from harness.records import Failure, Record
from harness.report import metrics, order, overview, page, summary, tables, terminal, text

MANY = (*TECHNIQUES, *(f"technique-{i}" for i in range(11)))
EVIL = "</script><script>alert(1)</script>|`*_\n=1+1"


@pytest.fixture(scope="module")
def run() -> list[Record]:
    return with_surprises(full_run())


def csv(records: list[Record]) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(tables.to_csv(tables.frame(records))))


def embedded(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


# All of them ---------------------------------------------------------------------


def test_write_makes_three_files(run: list[Record], tmp_path: Path) -> None:
    written = report.write(run, tmp_path / "new" / "folder")
    assert [p.name for p in written] == ["matrix.csv", "index.html", "summary.md"]
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted(
        p.name for p in written
    )


def test_outputs_depend_on_records_alone(run: list[Record], tmp_path: Path) -> None:
    shuffled = list(run)
    random.Random(1).shuffle(shuffled)
    first = report.write(run, tmp_path / "a")
    second = report.write(shuffled, tmp_path / "b")
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()


def test_the_last_attempt_counts(tmp_path: Path) -> None:
    failed = record("A", failing=("nested-model", None, None))
    assert list(csv([failed, record("A", attempt=2)])["status"]) == ["pass"]


def test_no_record_at_all_is_reported_as_such(tmp_path: Path) -> None:
    for path in report.write([], tmp_path):
        assert path.stat().st_size > 0
    assert "No case was run" in (tmp_path / "summary.md").read_text()


def test_one_bare_record_is_enough(tmp_path: Path) -> None:
    report.write([Record("A-x-y", "A", "", "x", "y", "fail", "", "")], tmp_path)
    report.write([record("A", metrics={"odd": [1], "nan": float("nan"), "inf": float("inf")},
                         environment={}, stages=(), expectation="unheard-of", started="")],
                 tmp_path)  # fmt: skip


def test_what_no_file_can_hold_is_replaced(tmp_path: Path) -> None:
    died = Failure("E", "lone \udc80 and \x00 and \x1b[31m")
    report.write([record("A", status="fail", label="crash", failure=died)], tmp_path)
    for path in tmp_path.iterdir():
        content = path.read_text(encoding="utf-8")
        assert "\x00" not in content
        assert "\x1b" not in content


def test_reports_need_no_tensorflow() -> None:
    code = (
        "import sys; from pathlib import Path; from harness import report;"
        "from harness.baseline import compare;"
        "from harness.report import terminal, page, summary, tables;"
        "assert not {'tensorflow', 'tf_keras', 'keras'} & set(sys.modules)"
    )
    root = Path(report.__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


# CSV -----------------------------------------------------------------------------


def test_csv_has_one_row_per_case(run: list[Record]) -> None:
    table = csv(run)
    assert len(table) == 355
    assert list(table.columns[:8]) == [
        "application", "family", "technique", "variant", "status", "stage", "label", "expectation",
    ]  # fmt: skip
    assert list(table.columns[-5:]) == [
        "save_difference", "parameters", "layers", "loss", "save_bytes",
    ]  # fmt: skip
    passes = table[table["status"] == "pass"].groupby("technique").size()
    assert passes.to_dict() == {
        "float": 70, "prune": 68, "prune-tfmot": 16, "qat-annotate": 31, "qat-tfmot": 10,
    }  # fmt: skip
    assert table["parameters"].dtype == "int64"
    assert table["save_seconds"].notna().sum() == 201


def test_csv_order_is_natural(run: list[Record]) -> None:
    names = list(dict.fromkeys(csv(run)["application"]))
    assert names.index("ResNet50") < names.index("ResNet101") < names.index("ResNet152")
    assert list(csv(run)["technique"][:5]) == list(TECHNIQUES)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "  =", "\r"])
def test_csv_runs_no_formula(start: str) -> None:
    message = f"{start}HYPERLINK(1)"
    one = record(message, blocker=message, label=message,
                 failure=Failure(message, message), metrics={"note": message})  # fmt: skip
    table = csv([dataclasses.replace(one, status="fail")])
    for column in ("application", "blocker", "label", "exception", "message", "note"):
        value = table[column][0]
        assert value.lstrip(" ")[0] in "'H", (column, value)


def test_csv_survives_quotes_and_newlines() -> None:
    label = 'a "b", c\nd;e'
    table = csv([record("A", status="fail", label=label), record("B")])
    assert len(table) == 2
    assert table["label"][0] == label


def test_csv_keeps_numbers_whole_beside_missing_ones() -> None:
    table = tables.frame([record("A", metrics={"n": 2**53 + 1}), record("B", metrics={})])
    assert tables.to_csv(table).splitlines()[1].endswith(str(2**53 + 1))


def test_a_metric_does_not_take_the_place_of_a_column() -> None:
    table = csv([record("A", metrics={"status": "x", "seconds": 1})])
    assert table["status"][0] == "pass"
    assert table["metric_status"][0] == "x"


def test_blockers_are_ranked(run: list[Record]) -> None:
    first, second, *_ = tables.blockers(tables.frame(run))
    assert (first["label"], first["blocker"], first["cases"]) == (
        "unsupported-layer", "Rescaling", 61,
    )  # fmt: skip
    assert first["techniques"] == {"qat-tfmot": 22, "prune-tfmot": 39}
    assert (second["label"], second["cases"], second["applications"]) == ("nested-model", 32, 28)


def test_what_only_echoes_another_failure_blocks_nothing() -> None:
    blocked = record("A", status="blocked", label=None)
    assert tables.blockers(tables.frame([blocked, record("B", status="skipped")])) == []


# Page ----------------------------------------------------------------------------


class Tags(HTMLParser):
    """Checks that tags nest, and counts them."""

    VOID = frozenset({"meta", "link", "input", "br", "col"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def named(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [a for t, a in self.attributes if t == tag
                and all(v in (a.get(k.rstrip("_")) or "") for k, v in wanted.items())]  # fmt: skip


@pytest.fixture(scope="module")
def html(run: list[Record]) -> str:
    return page.html(run, title="T", explanations=BY_NAME)


def test_page_is_well_formed_and_small(html: str) -> None:
    tags = Tags(html)
    assert len(tags.named("td", class_="case")) == 355
    assert len(tags.named("tr", class_="app")) == 71
    assert len(tags.named("tr", class_="family")) == 17
    assert len(html.encode()) < 400_000


def test_page_names_no_address_but_those_of_explanations(html: str) -> None:
    tags = Tags(html)
    for _, attributes in tags.attributes:
        for name in ("src", "href", "action", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,"))
    namespace = "http://www.w3.org/2000/svg"  # a name, which nobody goes to
    allowed = {link for e in BY_NAME.values() for link in e.links} | {namespace}
    assert set(re.findall(r"https?://[^\s\"'\\)]+", html)) <= allowed


def test_pages_link_to_each_other_where_both_are(run: list[Record], tmp_path: Path) -> None:
    def links(path: Path) -> list[str]:
        return re.findall(r'<a [^>]*href="([a-z]+[.]html)"', path.read_text())

    matrix, bench = tmp_path / "index.html", tmp_path / "bench.html"
    report.write(run[:1], tmp_path)
    assert links(matrix) == [], "there is nothing to link to"
    training_report.write([], bench)
    assert links(bench) == ["index.html"]
    report.write(run[:1], tmp_path)
    assert links(matrix) == ["bench.html"]


def test_page_of_sixteen_techniques_and_two_variants_is_under_2_mb() -> None:
    run = with_surprises(full_run(MANY, ("notop", "top")))
    written = page.html(run, title="T", explanations=BY_NAME)
    assert len(Tags(written).named("td", class_="case")) == 71 * 16 * 2
    assert len(written.encode()) < page.MOST_BYTES


def test_page_shortens_tracebacks_before_it_grows_too_large() -> None:
    def failing(i: int) -> Record:
        frames = tuple({"file": f"f{i}.py", "line": n, "function": "f", "code": f"x{i}{n}" * 20}
                       for n in range(200))  # fmt: skip
        died = Failure("E", f"{i} " * 5000, (), frames, output=f"{i} out " * 5000)
        return record(f"A{i}", status="fail", label="crash", failure=died)

    written = page.html([failing(i) for i in range(200)], title="T", explanations={})
    assert len(written.encode()) < page.MOST_BYTES
    assert "frames left out; the record has them" in written


def test_identical_texts_are_kept_once(run: list[Record], html: str) -> None:
    data = embedded(html)
    assert len(data["strings"]) == len(set(data["strings"]))
    assert len(data["environments"]) == 1
    message = "Quantizing a tf.keras Model inside another tf.keras Model is not supported."
    assert html.count(message) == 1
    failing = [r for r in run if r.failure and r.failure.frames]
    assert len(data["tracebacks"]) < len(failing)


def test_markup_in_records_stays_text() -> None:
    evil = record(EVIL, EVIL, family=EVIL, variant=EVIL, status=EVIL, stage=EVIL, label=EVIL,
                  blocker=EVIL, expectation=EVIL, environment={EVIL: EVIL},
                  failure=Failure(EVIL, EVIL, output=EVIL), metrics={EVIL: EVIL})  # fmt: skip
    explained = {EVIL: SimpleNamespace(title=EVIL, cause=EVIL, remedy=EVIL, handled=EVIL,
                                       links=("javascript:alert(1)",))}  # fmt: skip
    written = page.html([evil], title=EVIL, explanations=explained)
    assert len(Tags(written).named("script")) == 2
    assert "<script>alert" not in written
    data = embedded(written)
    assert text.clean(EVIL) in data["strings"]
    assert data["explanations"][EVIL]["links"] == []


def test_script_holds_nothing_that_ends_it() -> None:
    script = page._script()
    assert "</" not in script.replace("</script", "X") or "</script" not in script
    assert "innerHTML" not in script
    assert "insertAdjacentHTML" not in script


def test_unexpected_and_reused_cells_are_marked(html: str) -> None:
    tags = Tags(html)
    for kind in ("regression", "newly-passing", "changed-label", "new"):
        assert len(tags.named("td", class_=f" x-{kind}")) >= 1
    assert "<i>↺</i>" not in html, "210 of 355 are no exception"
    (cell,) = tags.named("td", class_="x-regression")
    assert cell["title"] == "fail in train: not-finite; regression, was pass"


def test_a_reused_cell_is_marked_where_it_is_the_exception() -> None:
    taken = {"run_id": "old", "date": "2020-01-01T00:00:00+00:00"}
    records = [record(name, "float") for name in "ABC"] + [record("D", "float", reused=taken)]
    found = page.html(records, title="T", explanations={})
    assert found.count("<i>↺</i>") == 1


def test_of_a_sample_the_cells_that_were_run_are_marked_and_not_the_others() -> None:
    taken = {"run_id": "old", "date": "2020-01-01T00:00:00+00:00"}
    records = [record(name, "float", reused=taken) for name in "ABC"] + [record("D", "float")]
    found = page.html(records, title="T", explanations={})
    assert found.count('<i class="here">●</i>') == 1
    assert "<i>↺</i>" not in found
    assert "● 1 cells run here</a>, the others taken from 2020-01-01" in found
    assert "1 cells run here, 3 reused from 2020-01-01" in summary.markdown(
        records, title="T", explanations={}
    )
    rows = tables.frame(records)
    assert rows["run_here"].tolist() == [False, False, False, True]


def test_a_figure_that_is_not_as_recorded_is_said_in_every_report() -> None:
    said = "sqnr_float_db is 12 here, 29.4 in the record of 2026-01-01"
    one = record("A", "qat", expectation="regression", disagrees=(said,))
    assert said in page.html([one], title="T", explanations={})
    assert said.replace("_", "\\_") in summary.markdown([one], title="T", explanations={})
    assert said in terminal.summary([one], width=120)
    assert tables.frame([one])["disagrees"].tolist() == [said]
    assert Record.from_dict(json.loads(one.to_json())).disagrees == (said,)


def test_a_missing_case_leaves_a_gap_not_a_shift() -> None:
    records = [record("A", "float"), record("A", "prune"), record("B", "prune")]
    tags = Tags(page.html(records, title="T", explanations={}))
    assert [a["data-col"] for a in tags.named("td", class_="none")] == ["0"]


def test_numbers_that_json_lacks_do_not_break_the_page() -> None:
    odd = record("A", metrics={"a": float("nan"), "b": float("-inf"), "c": True, "d": None})
    odd = dataclasses.replace(odd, seconds=float("nan"))
    data = embedded(page.html([odd], title="T", explanations={}))
    metrics = dict(zip(data["fields"], data["cases"][0], strict=True))["metrics"]
    strings = data["strings"]
    assert [strings[m[0]] if isinstance(m, list) else m for m in metrics] == [
        "nan", "-inf", "True", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tokens", "link"),
    [
        ({"label": "nested-model"}, "#q=label%3Anested-model"),
        ({"label": "x", "blocker": "a b"}, "#q=label%3Ax+blocker%3A%22a+b%22"),
        ({"blocker": 'q"\\', "technique": ""}, "#q=blocker%3A%22q%5C%22%5C%5C%22"),
    ],
)
def test_filter_links(tokens: dict[str, str], link: str) -> None:
    assert page.filter_link(**tokens) == link
    assert page.filter_link(**tokens, variant="top") == link + "+variant%3Atop"
    assert page.filter_link(**tokens, variant="*") == link + "+variant%3A%2A"


# Markdown ------------------------------------------------------------------------


def test_summary_starts_with_the_verdict(run: list[Record]) -> None:
    lines = summary.markdown(run, title="T", explanations=BY_NAME).splitlines()
    assert lines[0] == "# T"
    assert lines[2].startswith(
        "**1 regression, 1 newly passing, 1 changed label, 1 new, 1 error of the harness itself**"
    )
    headings = [line for line in lines if line.startswith("## ")]
    assert headings == [
        "## ! Regressions (1)", "## + Newly passing (1)", "## ~ Changed labels (1)", "## > New (1)",
        "## What blocks most", "## Versions",
    ]  # fmt: skip
    regression = next(line for line in lines if "VGG16-prune-notop" in line)
    assert BY_NAME["not-finite"].cause.split(",")[0][:20] in regression
    assert "Remedy:" in regression
    assert "python -m harness case VGG16-prune-notop" in regression


def test_summary_of_an_expected_run() -> None:
    lines = summary.markdown(full_run(), title="T", explanations={}).splitlines()
    assert lines[2].startswith("**As expected** · 202 of 355 cases pass, 71 applications")


def test_summary_is_always_under_1_mb() -> None:
    def bad(i: int) -> Record:
        long = f"{i}|`<&" * 300
        died = Failure(long, long)
        return record(f"A{i}{long}", f"t{i % 300}{long}", status="fail", label=f"l{i}{long}",
                      blocker=long, failure=died, expectation="regression",
                      expected={"status": "pass", "stage": "save", "label": None},
                      environment={f"k{n}{long}": long for n in range(9)})  # fmt: skip

    written = summary.markdown([bad(i) for i in range(600)], title="x" * 9999, explanations={})
    assert len(written.encode()) <= summary.MOST_BYTES
    assert "550 more" in written or "does not fit" in written


def test_summary_escapes_markup() -> None:
    evil = record("A", status="fail", label=EVIL, blocker=EVIL, failure=Failure(EVIL, EVIL),
                  expectation="regression", case=f"A|{EVIL}",
                  expected={"status": "pass", "stage": "save", "label": EVIL})  # fmt: skip
    written = summary.markdown([evil], title=EVIL, explanations={})
    assert "<script" not in written
    widths = {line.count("|") - line.count("\\|") for line in written.splitlines()
              if line.startswith("| <code>")}  # fmt: skip
    assert widths == {7}


# Words of the reports -------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (3599.7, "1 h 00 min"),
     (200, "3 min 20 s"), (3900, "1 h 05 min")],
)  # fmt: skip
def test_durations(value: float, said: str) -> None:
    assert text.seconds(value) == said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("parameters", 25_636_712, "25.6 M"), ("layers", 177, "177"), ("save_bytes", 98e6, "98 MB"),
        ("int8_share", 0.9712, "97.1 %"), ("sqnr", 29.14, "29.1 dB"), ("loss", 0.69314, "0.6931"),
        ("transform_seconds", 61.0, "1 min 01 s"), ("note", "a\nb", "a b"),
        ("loss", float("nan"), "nan"),
    ],
)  # fmt: skip
def test_quantities(name: str, value: Any, said: str) -> None:
    assert metrics.written(name, value) == said


def test_environment_is_flat_and_in_order() -> None:
    flat = overview.flat({"versions": {"numpy": "2", "python": "3"}, "memory_gib": 7.6, "x": None})
    assert flat == {"numpy": "2", "python": "3", "memory": "7.6 GiB"}
    described = overview.run([record("A", environment={"versions": {"numpy": "2", "python": "3"}})])
    assert list(described.environment) == ["python", "numpy"]


def test_run_is_described_by_the_cases_it_ran() -> None:
    old = record("A", "qat", started="2020-01-01T00:00:00+00:00", run_id="old",
                 reused={"run_id": "old", "date": "2020-01-01T00:00:00+00:00"})  # fmt: skip
    found = overview.run([old, record("A")])
    assert found.started.startswith("2026")
    assert found.run_ids == ("20260102-030405-ab12",)
    assert (found.reused, found.reused_dates) == (1, ("2020-01-01",))


def test_techniques_stand_in_their_order_and_plugins_behind() -> None:
    records = [record("A", t) for t in ("zeta-10", "prune", "zeta-9", "qat", "float")]
    assert order.techniques(records) == ["float", "qat", "prune", "zeta-9", "zeta-10"]
