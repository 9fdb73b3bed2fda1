"""Metrics in the reports: the vocabulary, how numbers are written, CSV and summaries."""

from __future__ import annotations

import io
import itertools
import json
import math
import re
import unicodedata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fake_metrics import exported
from fake_records import full_run, record, with_surprises

from harness import report
from harness.records import Record
from harness.report import metrics, page, summary, tables, terminal, text
from harness.report.figures import figures
from harness.report.metrics import VOCABULARY, about, number, written

ROOT = Path(report.__file__).resolve().parents[2]
EVIL = "</script><script>alert(1)</script>|`*_\n=1+1"


def case(application: str, technique: str = "qat", variant: str = "notop", **found: Any) -> Record:
    return record(application, technique, variant, metrics=found)


# The vocabulary -------------------------------------------------------------------


def test_every_metric_is_described_in_full() -> None:
    names = [m.name for m in VOCABULARY]
    assert len(set(names)) == len(names)
    assert len({m.title for m in VOCABULARY}) == len(names)
    for metric in VOCABULARY:
        assert metric.group in metrics.GROUPS[:-1]
        assert metric.format in text.FORMATS
        assert metric.better in (metrics.HIGHER, metrics.LOWER, metrics.NEUTRAL)
        assert metric.scale in (metrics.LINEAR, metrics.LOG)
        assert metric.unit
        assert re.fullmatch(r"[A-Z][^.]*\.", metric.says), metric.name


def test_groups_stand_together_and_in_order() -> None:
    groups = [m.group for m in VOCABULARY]
    assert groups == sorted(groups, key=metrics.GROUPS.index)


def test_what_is_summarised_is_in_the_vocabulary() -> None:
    assert set(metrics.HEADLINES) <= set(metrics.SUMMARISED) <= set(metrics.NAMES)


def test_a_foreign_metric_is_known_by_its_name() -> None:
    found = about("flash_bytes")
    assert (found.title, found.group, found.format) == ("flash size", "Other", "size")
    assert (found.better, found.scale, found.says) == ("neutral", "auto", "")


def test_order_is_that_of_the_vocabulary_then_by_name() -> None:
    assert metrics.ordered(["zz", "layers", "aa", "int8_macs", "file_bytes", "int8_ops"]) == [
        "int8_ops", "int8_macs", "file_bytes", "layers", "aa", "zz",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "found"),
    [(1, 1), (0.5, 0.5), (True, None), (None, None), ("inf", math.inf), ("-inf", -math.inf),
     ("Infinity", math.inf), (math.inf, math.inf), (math.nan, None), ("nan", None), ("7", None),
     ([1], None)],
)  # fmt: skip
def test_numbers_are_told_from_everything_else(value: Any, found: float | None) -> None:
    assert number(value) == found


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("int8_ops", 0.9712, "97.1 %"), ("int8_ops", 1, "100 %"), ("int8_ops", 0, "0 %"),
        ("int8_ops", 0.99996, ">99.9 %"), ("int8_ops", 1e-5, "<0.1 %"), ("int8_ops", 0.5, "50.0 %"),
        ("float_islands", 3, "3"), ("sqnr_float_db", 29.14, "29.1 dB"),
        ("sqnr_float_db", math.inf, "∞ dB"), ("sqnr_float_db", "-inf", "−∞ dB"),
        ("max_lsb", 17, "17 LSB"), ("max_lsb", 0.5, "0.5 LSB"), ("top1_agreement", 0.9, "90.0 %"),
        ("file_bytes", 3_456_789, "3.46 MB"), ("file_bytes", 999_950, "1000 kB"),
        ("file_ratio", 0.2713, "0.27×"), ("file_ratio", 1, "1.00×"),
        ("file_ratio", 0.0123, "0.0123×"), ("latency_ms", 0.0456, "0.0456 ms"),
        ("latency_ms", 0.019, "0.0190 ms"), ("latency_ms", 0.07, "0.0700 ms"),
        ("latency_ms", 0.0099996, "0.0100 ms"), ("latency_ms", 0.00012, "0.000120 ms"),
        ("latency_ms", 0.0994, "0.0994 ms"), ("latency_ms", 0.0996, "0.10 ms"),
        ("latency_ms", 0, "0 ms"),
        ("latency_ms", 1.3, "1.30 ms"), ("latency_ms", 12, "12.0 ms"),
        ("latency_ms", 1234.4, "1234 ms"), ("latency_ms", 9.996, "10.0 ms"),
        ("latency_ratio", 12.345, "12.35×"), ("save_difference", 1.25e-7, "1.2e-7"),
        ("save_difference", 0, "0"), ("seconds", 61.0, "1 min 01 s"),
        ("parameters", 25_636_712, "25.6 M"), ("parameters", 9999, "9999"),
        ("int8_macs", "not built", "not built"), ("int8_macs", True, "True"),
    ],
)  # fmt: skip
def test_numbers_are_written_for_readers(name: str, value: Any, said: str) -> None:
    assert written(name, value) == said


def test_every_format_writes_infinity() -> None:
    for write in text.FORMATS.values():
        assert write(math.inf).startswith("∞")
        assert write(-math.inf).startswith("−∞")


# docs/metrics.md --------------------------------------------------------------------


def sections() -> dict[str, str]:
    content = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    parts = re.split(r"^### `(\w+)`[^\n]*\n", content, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_documentation_has_a_section_on_each_metric_in_order() -> None:
    assert list(sections()) == list(metrics.NAMES)


@pytest.mark.parametrize("name", metrics.NAMES)
def test_the_documentation_says_what_the_table_says(name: str) -> None:
    section, metric = sections()[name], about(name)
    better = "neither end" if metric.better == metrics.NEUTRAL else metric.better
    assert f"{metric.title} · unit: {metric.unit} · {better} is better" in section
    for asked in ("**What it is.**", "**Measured.**", "**Read it.**", "**Good.**", "**Traps.**"):
        assert asked in section, asked


# Colours ----------------------------------------------------------------------------

#: What three kinds of colour blindness make of linear red, green and blue.
BLIND = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "deutan": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "protan": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "tritan": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}


def shades(theme: int) -> list[tuple[str, str]]:
    """Ground and ink of each shade, 0 for the light theme and 1 for the dark."""
    css = page._read("page.css")
    found = re.findall(
        r"\.t(\d) \{ --shade: light-dark\((.*?)\); --on: light-dark\((.*?)\); \}", css
    )
    assert [int(i) for i, _, _ in found] == list(range(9))
    return [(ground.split(", ")[theme], ink.split(", ")[theme]) for _, ground, ink in found]


def luminance(colour: str, kind: str = "none") -> float:
    bytes_ = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in bytes_]
    seen = [max(0.0, sum(a * b for a, b in zip(row, linear, strict=True))) for row in BLIND[kind]]
    return 0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_reads_on_every_shade(theme: int) -> None:
    for ground, ink in shades(theme):
        low, high = sorted((luminance(ground), luminance(ink)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ground, ink)


@pytest.mark.parametrize("kind", BLIND)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_shades_are_in_order_for_every_eye(theme: int, kind: str) -> None:
    lightness = [luminance(ground, kind) ** (1 / 3) for ground, _ in shades(theme)]
    steps = [b - a for a, b in itertools.pairwise(lightness)]
    towards = 1 if theme else -1
    assert min(towards * s for s in steps) > 0.03


# CSV --------------------------------------------------------------------------------


def csv(records: list[Record]) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(tables.to_csv(tables.frame(records))))


def test_csv_has_the_vocabulary_in_its_order_ahead_of_other_metrics() -> None:
    columns = list(csv(exported(full_run())).columns)
    start = columns.index("date") + 1
    known = [name for name in metrics.NAMES if name not in metrics.OWN]
    assert columns[start:] == [*known, metrics.IN_TURNS, "loss", "save_bytes"]


def test_csv_has_no_column_for_what_no_record_holds() -> None:
    assert not set(metrics.SUMMARISED) & set(csv(full_run()).columns)


def test_csv_keeps_infinity_a_number() -> None:
    records = [case("A", sqnr_float_db="inf"), case("B", sqnr_float_db=-math.inf),
               case("C", sqnr_float_db=20.5), case("D")]  # fmt: skip
    column = csv(records)["sqnr_float_db"]
    assert list(column[:3]) == [math.inf, -math.inf, 20.5]
    assert math.isnan(column[3])


def test_csv_has_a_column_for_latencies_that_are_noisy() -> None:
    records = [case("A", latency_ms=1.5, latency_noisy=True), case("B", latency_ms=2.5)]
    assert list(csv(records)["latency_noisy"].fillna(False)) == [True, False]


# Figures per technique ------------------------------------------------------------------


def test_worst_follows_the_direction() -> None:
    records = [case("A", int8_macs=0.5, max_lsb=3, sparsity=0.4),
               case("B", int8_macs=0.9, max_lsb=9, sparsity=0.5),
               case("C", int8_macs=1.0, max_lsb=0, sparsity=0.6)]  # fmt: skip
    macs, sparsity, lsb = figures(records, ("int8_macs", "sparsity", "max_lsb"))
    assert (macs.cases, macs.said, macs.application) == (3, ("90.0 %", "50.0 %"), "A")
    assert (lsb.said, lsb.application) == (("3 LSB", "9 LSB"), "B")
    assert (sparsity.said, sparsity.application) == (("50.0 %", ""), "")


def test_of_equals_the_first_in_the_matrix_is_named() -> None:
    records = [case(n, int8_macs=v) for n, v in (("A10", 0.5), ("A9", 0.5), ("A1", 1))]
    (one,) = figures(records, ("int8_macs",))
    assert one.application == "A9"


def test_where_all_are_equal_none_is_worst() -> None:
    (one,) = figures([case("A", int8_macs=1.0), case("B", int8_macs=1)], ("int8_macs",))
    assert (one.said, one.application) == (("100 %", ""), "")


def test_figures_are_per_technique_and_variant_in_order() -> None:
    records = [case("A", t, v, int8_macs=0.5) for v in ("top", "notop") for t in ("zz", "qat")]
    found = [(f.technique, f.variant) for f in figures(records, ("int8_macs", "int8_ops"))]
    assert found == [("qat", "notop"), ("qat", "top"), ("zz", "notop"), ("zz", "top")]


def test_what_is_no_number_is_left_out() -> None:
    records = [case("A", sqnr_float_db="inf"), case("B", sqnr_float_db=math.nan),
               case("C", sqnr_float_db=12), case("D", sqnr_float_db="none")]  # fmt: skip
    (one,) = figures(records, ("sqnr_float_db",))
    assert (one.cases, one.said, one.application) == (2, ("∞ dB", "12.0 dB"), "C")


# Summaries ----------------------------------------------------------------------------


def test_summaries_tell_numbers_only_if_there_are_any() -> None:
    without, with_numbers = full_run(), exported(full_run())
    assert "Numbers by technique" not in summary.markdown(without, title="T", explanations={})
    assert "median" not in terminal.summary(without, width=80)
    lines = summary.markdown(with_numbers, title="T", explanations={}).splitlines()
    at = lines.index("## Numbers by technique")
    assert lines[at + 2] == "| technique | number | cases | median | worst | application |"
    assert re.fullmatch(
        r"\| `qat-annotate` \| SQNR vs\. float \| 32 \| [\d.]+ dB \| [\d.]+ dB \| `\w+` \|",
        next(line for line in lines if line.startswith("| `qat-annotate` | SQNR vs. float")),
    )


def test_summary_names_the_variant_where_there_are_several() -> None:
    records = [case("A", "qat", v, int8_macs=0.5) for v in ("top", "notop")]
    written = summary.markdown(records, title="T", explanations={})
    assert "| `qat` notop | int8 MACs | 1 | 50.0 % |  |  |" in written
    assert "| `qat` top | int8 MACs |" in written


def test_summary_escapes_names_beside_numbers() -> None:
    records = [record(f"{n}{EVIL}", EVIL, metrics={"int8_macs": n / 2}) for n in range(3)]
    written = summary.markdown(records, title="T", explanations={})
    assert "<script" not in written
    (row,) = [line for line in written.splitlines() if "| int8 MACs |" in line]
    assert row.count("|") - row.count("\\|") == 7


def test_terminal_has_a_block_per_technique() -> None:
    records = [case("A", int8_macs=0.5), case("B", int8_macs=1.0), case("A", "prune", sparsity=0.5)]
    lines = terminal.summary(records, width=80).splitlines()
    at = lines.index("qat")
    assert lines[at - 1].split() == ["median", "worst"]
    assert lines[at + 1].split() == ["int8", "MACs", "75.0", "%", "50.0", "%", "A"]
    assert lines[at + 2 : at + 4] == ["prune", "  sparsity   50.0 %"]


@pytest.mark.parametrize("width", [40, 60, 80, 132])
def test_terminal_numbers_fit_the_width(width: int) -> None:
    for line in terminal.summary(exported(full_run()), width=width).splitlines():
        assert len(line) <= width, line


def test_numbers_cannot_drive_the_terminal() -> None:
    evil = "\x1b[2J\r\n\x07"
    found = ({"int8_macs": n, "sqnr_float_db": evil} for n in range(2))
    said = terminal.summary([record(f"{m}{evil}", evil, metrics=m) for m in found], width=60)
    assert not [c for c in said if unicodedata.category(c) == "Cc" and c != "\n"]


# Page ---------------------------------------------------------------------------------


def embedded(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_page_knows_all_about_each_number() -> None:
    data = embedded(page.html(exported(full_run()), title="T", explanations={}))
    names = [q["name"] for q in data["quantities"]]
    assert names[: len(VOCABULARY)] == list(metrics.NAMES)
    assert names[len(VOCABULARY) :] == [
        "float_latency_ms", "loss", "save_bytes",
        "build_seconds", "transform_seconds", "train_seconds", "save_seconds",
    ]  # fmt: skip
    (macs,) = [q for q in data["quantities"] if q["name"] == "int8_macs"]
    assert macs["says"] == about("int8_macs").says
    assert data["groups"] == ["Export", "Numbers", "Cost", "Other"]


def test_page_knows_which_numbers_a_case_has_doubts_about() -> None:
    noisy = case("A", latency_ms=1.5, latency_ratio=0.5, latency_noisy=True)
    data = embedded(page.html([noisy, case("B", latency_ms=2.5)], title="T", explanations={}))
    doubted = {q["name"] for q in data["quantities"] if q["doubt"]}
    assert doubted == {"latency_ms", "latency_ratio"}
    column, fields = data["metrics"].index("latency_noisy"), data["fields"].index("metrics")
    assert [row[fields][column] is not None for row in data["cases"]] == [True, False]


def test_names_of_metrics_stay_text() -> None:
    html = page.html([record("A", metrics={EVIL: 1.5})], title="T", explanations={})
    assert "<script>alert" not in html
    assert EVIL in [q["name"] for q in embedded(html)["quantities"]]


def test_page_of_fourteen_techniques_and_two_variants_stays_small() -> None:
    techniques = ("float", "qat", *(f"technique-{i}" for i in range(12)))
    run = exported(with_surprises(full_run(techniques, ("notop", "top"))))
    assert len(page.html(run, title="T", explanations={}).encode()) < 1_500_000


def test_scripts_know_every_format() -> None:
    (table,) = re.findall(r"const FORMATS = \{\n(.*?)\n\};", page._script(), re.DOTALL)
    assert set(re.findall(r"^  (\w+):", table, re.MULTILINE)) == set(text.FORMATS)
