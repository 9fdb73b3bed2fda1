"""The document of results: every figure from records, and the committed one up to date."""

from __future__ import annotations

import dataclasses
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fake_metrics import edges, exported
from fake_records import ENVIRONMENT, full_run, record, with_surprises

from harness import records
from harness.benchmark.report import markdown as benchmark
from harness.cli import main
from harness.paths import PROJECT, REPORTS
from harness.records import Record, StageResult
from harness.report.columns import columns
from harness.report.pairs import pairs
from harness.report.results import markdown
from harness.runs import conclude, results_page

EVIL = "a|b`*_\n<b>"


def case(application: str, technique: str = "qat", /, **metrics: object) -> Record:
    return record(application, technique, metrics=metrics, cpu_seconds=30.0)


def part(text: str, title: str) -> str:
    """What stands below a heading, up to the next."""
    after = text.partition(f"# {title}\n")[2]
    assert after, title
    return after.partition("\n#")[0]


def rows(text: str, title: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    lines = [line for line in part(text, title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


# The committed document -----------------------------------------------------------------


def test_the_document_has_what_the_committed_records_say() -> None:
    page = results_page.page_of(REPORTS)
    assert page == PROJECT / "docs" / "results.md"
    assert page.read_text(encoding="utf-8") == results_page.text(REPORTS), (
        "docs/results.md is not what the records say: renew it with `python -m harness results`"
    )


def test_it_needs_neither_tensorflow_nor_pandas() -> None:
    code = (
        "import sys; from pathlib import Path; from harness.runs import results_page;"
        "results_page.text(Path('reports'));"
        "print({'tensorflow', 'tf_keras', 'keras', 'pandas', 'jinja2'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=PROJECT, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"


# The run --------------------------------------------------------------------------------


def test_the_run_is_told_by_dates_machine_and_versions() -> None:
    other = ENVIRONMENT | {"tensorflow": "2.20.0"}
    text = markdown(
        [
            record("A"),
            record("B", started="2026-02-03T04:05:06+00:00"),
            record("B", "qat", environment=other),
        ]
    )
    told = part(text, "The run")
    assert "3 cases: 2 applications, 2 columns." in told
    assert "Run from 2026-01-02 03:04 UTC to 2026-02-03 04:05 UTC." in told
    assert "tensorflow `2.20.0` in 1 records, `2.21.0` in 2 records · tf\\_keras `2.21.0`" in told
    assert "cores `2` · memory `7.6 GiB`" in told


def test_many_different_values_are_counted() -> None:
    found = [record(str(n), environment={"revision": f"r{n}"}, started="") for n in range(4)]
    assert part(markdown(found), "The run").splitlines()[1:4] == [
        "4 cases: 4 applications, 1 columns. ",
        "",
        "revision 4 different ones",
    ]


def test_images_of_another_size_are_told_once_for_each_variant() -> None:
    found = [
        *(case("A", t, input_size=312, reduced_from="600x600") for t in ("float", "qat")),
        case("B", input_size=96, built_for="96x96"),
        case("C", input_size=96),
    ]
    assert rows(markdown(found), "The run") == [
        ["`A`", "notop", "312x312", "600x600, too large to train"],
        ["`B`", "notop", "96x96", "any size, which its graph does not take"],
    ]


# What passes, and what does not ----------------------------------------------------------


def test_columns_count_passes_files_integers_and_minutes() -> None:
    found = [
        case("A", file_bytes=10, int8_ops=1.0, int8_macs=1.0),
        case("B", file_bytes=10, int8_ops=0.9999, int8_macs=1.0),
        record("C", "qat", failing=("nested-model", None, None), cpu_seconds=30.0),
        record("A", cpu_seconds=0.0),
    ]
    plain, qat = rows(markdown(found), "What passes")
    assert qat == ["`qat`", "notop", "**2** of 3", "2", "1 of 2", "1.5"]
    assert plain == ["`float`", "notop", "**1** of 1, 2 without a record", "1", "–", "–"]


def test_what_the_records_do_not_know_is_no_zero() -> None:
    (column,) = columns([record("A", metrics={}, stages=(), cpu_seconds=float("nan"))])
    assert column.transformed is column.files is column.integer is column.cpu_seconds is None
    (column,) = columns([record("A", stages=(StageResult("transform", "fail"),))])
    assert column.transformed == 0, "the stage was come to"


def test_the_last_attempt_counts() -> None:
    failed = record("A", failing=("nested-model", None, None))
    (column,) = columns([failed, record("A", attempt=2)])
    assert (column.passed, len(column.cases), column.failures()) == (1, 1, [])


def test_failures_are_counted_by_stage_label_and_blocker() -> None:
    layer = ("unsupported-layer", "layer", "Rescaling")
    found = [
        *(record(f"A{n}", "qat", family="fa", failing=layer) for n in range(3)),
        record("B", "qat", family="fb", failing=layer),
        record("C", "qat", failing=("nested-model", None, None)),
        record("D", "qat", status="blocked", stage="build", label=None),
        record("E", "qat"),
    ]
    assert rows(markdown(found), "What blocks the rest") == [
        ["`qat`", "notop", "transform", "`unsupported-layer`", "`Rescaling`", "4", "fa 3, fb 1"],
        ["`qat`", "notop", "build", "`blocked`", "–", "1", "`D`"],
        ["`qat`", "notop", "transform", "`nested-model`", "–", "1", "`C`"],
    ]


def test_every_case_that_does_not_pass_is_accounted_for() -> None:
    found = with_surprises(full_run())
    for column in columns(found):
        failing = sum(len(alike.cases) for alike in column.failures())
        assert column.passed + failing == len(column.cases)
    stock = {c.technique: c for c in columns(full_run())}
    assert [(f.label, f.blocker, len(f.cases)) for f in stock["prune-tfmot"].failures()] == [
        ("unsupported-layer", "Rescaling", 39),
        ("unsupported-op", "tf.math.reduce_mean", 7),
        ("unsupported-layer", "LayerScale", 5),
        ("unsupported-layer", "TFOpLambda", 2),
        ("custom-layer", "CustomScaleLayer", 1),
    ]


def test_without_failures_nothing_blocks() -> None:
    assert "What blocks" not in markdown([record("A")])


# Figures --------------------------------------------------------------------------------


def test_median_and_worst_by_name() -> None:
    found = [
        case("A", file_bytes=1, sqnr_float_db=20.0, int8_macs=1.0, file_ratio=0.25),
        case("B", file_bytes=1, sqnr_float_db=30.0, int8_macs=0.5, file_ratio=0.25),
        case("C", file_bytes=1, sqnr_float_db=50.0, int8_macs=0.9, file_ratio=0.25),
    ]
    text = markdown(found)
    assert rows(text, "How close the outputs are") == [
        ["`qat`", "notop", "–", "–", "30.0 dB", "20.0 dB `A`", "–", "–"]
    ]
    assert rows(text, "In integers") == [
        ["`qat`", "notop", "–", "–", "90.0 %", "50.0 % `B`", "–", "–"]
    ]
    assert rows(text, "Size") == [["`qat`", "notop", "0.25×", "0.25×", "–", "–"]]


def test_a_number_that_only_some_have_says_so() -> None:
    found = [case("A", file_bytes=1), case("B", file_bytes=1, file_ratio=0.3)]
    assert rows(markdown(found), "Size")[0][2:4] == ["0.30× (of 1)", "0.30×"]


def test_what_has_no_worse_end_is_a_range() -> None:
    found = [case(n, file_bytes=1, sparsity=v) for n, v in (("A", 0.47), ("B", 0.5), ("C", 0.5))]
    assert rows(markdown(found), "Zeros and few values")[0][2:4] == ["50.0 %", "47.0 % to 50.0 %"]


def test_columns_without_any_number_are_named() -> None:
    told = part(markdown([case("A", file_ratio=0.3), case("A", "float")]), "Size")
    assert "The records have none of these numbers for `float` notop." in told


def test_faster_and_slower_files_are_counted_and_noisy_ones_marked() -> None:
    ratios = {"A": 0.5, "B": 1.0, "C": 1.5, "D": 3.0, "E": 2.0, "F": 1.1}
    turns = {"file_bytes": 1, "float_latency_ms": 1.0}
    found = [case(n, latency_ratio=v, **turns) for n, v in ratios.items()]
    found.append(case("G", latency_ratio=2.5, latency_noisy=True, **turns))
    found.append(case("H", file_bytes=1, latency_ratio=9.0))  # of two measurements: not counted
    (row,) = rows(markdown(found), "Speed")
    assert row[2:5] == ["1.50× (of 7)", "3.00× `D`", "1 of 7"]
    assert row[5] == "`D` 3.00×, `G` 2.50× (noisy), `E` 2.00×, 2 more"
    (row,) = rows(markdown(found[:1]), "Speed")
    assert row[2:] == ["0.50×", "0.50×", "1 of 1", "none"]


def test_pairs_are_compared_on_what_both_pass() -> None:
    def pair(name: str, ours: float, theirs: float, cpu: float) -> list[Record]:
        mine = record(name, "qat", cpu_seconds=cpu, metrics={"sqnr_float_db": ours})
        other = record(name, "ptq-int8", cpu_seconds=10.0, metrics={"sqnr_float_db": theirs})
        return [mine, other]

    found = [
        *pair("A", 30.0, 30.04, 10.0),
        *pair("B", 32.5, 30.0, 20.0),
        record("C", "qat", cpu_seconds=500.0),
        record("C", "ptq-int8", failing=("conversion", None, None)),
    ]
    assert rows(markdown(found), "Side by side") == [
        ["`qat`", "`ptq-int8`", "notop", "2", "1.50×", "+0.0 to +2.5 dB"]
    ]
    (one,) = pairs(columns([case("A"), record("A", "ptq-int8", cpu_seconds=0.0)]))
    assert (one.cpu_ratio, one.gains) == (None, [])


# Foreign text and odd records -------------------------------------------------------------


def test_foreign_text_stays_in_its_cell() -> None:
    found = [
        record(EVIL, EVIL, EVIL, family=EVIL, failing=(EVIL, "layer", EVIL), stage=EVIL),
        record("B", EVIL, EVIL, environment={EVIL: EVIL}, metrics={"file_ratio": 1.0}),
    ]
    text = markdown(found)
    name = "<code>a&#124;b&#96;&#42;&#95; &#60;b&#62;</code>"
    escaped = "a\\|b\\`\\*\\_ &lt;b&gt;"
    (row,) = rows(text, "What blocks the rest")
    assert row == [name, escaped, escaped, name, name, "1", name]
    assert f"{escaped} {name}" in part(text, "The run")
    assert "<b>" not in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (4, 5, 6, 7, 8, 9)


def test_odd_records_are_no_hindrance() -> None:
    bare = Record("A-x-y", "A", "", "x", "y", "fail", "", "")
    assert rows(markdown([bare]), "What passes") == [["`x`", "y", "**0** of 1", "–", "–", "–"]]
    assert "0 cases: 0 applications, 0 columns." in markdown([])
    assert "∞× `Infinite`" in markdown(edges())


def test_it_depends_on_records_alone() -> None:
    found = exported(with_surprises(full_run()))
    shuffled = list(found)
    random.Random(1).shuffle(shuffled)
    assert markdown(found) == markdown(shuffled)


# The training benchmark -------------------------------------------------------------------


def unit(
    application: str, technique: str, seed: int, accuracy: float | None, size: int = 100
) -> Record:
    one = record(application, technique, "bench", environment=ENVIRONMENT | {"seed": seed})
    metrics = {"accuracy": accuracy, "file_accuracy": accuracy, "file_bytes": size}
    return dataclasses.replace(
        one,
        case=f"{application}-{technique}-bench-{seed}",
        status="fail" if accuracy is None else "pass",
        stage="train",
        label="not-finite" if accuracy is None else None,
        metrics={} if accuracy is None else metrics | {"deflated_bytes": size // 2},
    )


def test_the_benchmark_is_told_in_means_over_the_seeds() -> None:
    units = [
        unit("MobileNet", "float", 1, 0.90),
        unit("MobileNet", "float", 2, 0.92),
        unit("MobileNet", "qat", 1, 0.89, 24),
        unit("MobileNet", "qat", 2, 0.915, 24),
        unit("MobileNet", "pqat", 1, 0.93, 20),
        unit("MobileNet", "pqat", 2, None),
        unit("Mine|x", "qat", 1, 0.5),
    ]
    text = markdown([record("A")], benchmark.lines(units))
    assert rows(text, "Accuracy") == [
        ["`MobileNet`", "91.0", "−0.8", "+3.0 (of 1)"],
        ["<code>Mine&#124;x</code>", "–", "–", "–"],
    ]
    assert rows(text, "Size, deflated") == [
        ["`MobileNet`", "0.120", "0.100 (of 1)"],
        ["<code>Mine&#124;x</code>", "–", "–"],
    ]
    told = part(text, "Training benchmark")
    assert "7 units, 6 of them pass, seeds 1, 2." in told
    assert "seed `" not in told
    targets = {row[0][:16]: row[1:] for row in rows(text, "Targets")}
    assert targets["int8 file of qat"] == ["missed", "0.75 points lost", "`MobileNet`"]
    assert targets["model pruned to "] == ["–", "–", "–"]
    assert rows(text, "What failed") == [["`MobileNet`", "`pqat`", "2: fail at train (not-finite)"]]


def test_without_a_benchmark_its_part_is_left_out() -> None:
    assert "Training benchmark" not in markdown([record("A")])


# The command ------------------------------------------------------------------------------


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with published records, in whose folder one is."""
    for name in ("reports", "docs"):
        (tmp_path / name).mkdir()
    records.write(tmp_path / "reports" / records.RESULTS_NAME, [record("A"), record("B")])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path / "reports"


def test_the_command_writes_and_checks(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = ["results", "reports", "-o", "docs/results.md"]
    assert main.main([*there, "--check"]) == 1
    assert capsys.readouterr().out.startswith("docs/results.md is not there: write it with ")
    assert main.main(there) == 0
    assert capsys.readouterr().out == "docs/results.md\n"
    assert "**2** of 2" in Path("docs/results.md").read_text()
    assert main.main([*there, "--check"]) == 0
    records.write(reports / records.RESULTS_NAME, [record("A")])
    capsys.readouterr()
    assert main.main([*there, "--check"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("docs/results.md is not what the records say: write it with ")
    assert line.endswith(" -m harness results reports -o docs/results.md")
    assert "**2** of 2" in Path("docs/results.md").read_text(), "a check writes nothing"


def test_records_of_the_benchmark_are_those_beside_the_matrix(reports: Path) -> None:
    (reports / "bench").mkdir()
    file = reports / "bench" / records.RESULTS_NAME
    records.write(file, [unit("MobileNet", "float", 1, 0.9)])
    for results in (reports, reports / records.RESULTS_NAME):
        assert "| `MobileNet` | 90.0 |" in results_page.text(results)


def test_what_cannot_be_is_a_usage_error(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["results", "nowhere", "-o", "x.md"]) == 2
    assert "cannot read nowhere" in capsys.readouterr().err
    assert main.main(["results", "reports", "-o", "no/folder/x.md"]) == 2
    assert "cannot write no/folder/x.md: No such file" in capsys.readouterr().err


def test_publishing_into_the_reports_renews_the_document(
    reports: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(conclude, "REPORTS", reports)
    page = tmp_path / "docs" / "results.md"
    run = [record("A"), record("C")]
    assert "results: docs/results.md" not in conclude.publish(run, tmp_path / "elsewhere")
    assert not page.exists()
    assert conclude.publish(run, Path("reports"))[-1] == "results: docs/results.md"
    assert page.read_text() == results_page.text(reports)
    assert "2 cases: 2 applications" in page.read_text()


def test_records_of_the_benchmark_that_are_none_do_not_end_a_publication(
    reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conclude, "REPORTS", reports)
    (reports / "bench").mkdir()
    records.write(reports / "bench" / records.RESULTS_NAME, [record("A")])
    told = conclude.publish([record("A")], reports)
    assert told[-1].startswith("docs/results.md is as it was: no record of the benchmark in ")
    assert (reports / "index.html").exists()
