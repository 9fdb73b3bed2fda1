"""`python -m harness bench`, with a runtime that costs nothing."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import records
from harness.benchmark.definition import applications, techniques

FAKES = Path(__file__).with_name("fakes")

Bench = Callable[..., "subprocess.CompletedProcess[str]"]
MakeRecord = Callable[..., records.Record]


def environment(faults: str = "") -> dict[str, str]:
    keep = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return {**keep, "PYTHONPATH": str(FAKES), "FAKE_FAULTS": faults}


def command(*more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "harness", "bench", "--results", "out"),
        *("--runtime", "fake_training", "--techniques", "qat", *more),
    ]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    def run(*more: str, faults: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*more),
            cwd=tmp_path,
            env=environment(faults),
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_quick_runs_writes_and_tells_the_targets(bench: Bench, tmp_path: Path) -> None:
    done = bench("--quick")
    assert done.returncode == 0, done.stderr
    assert "4 units, 0 of them finished earlier, 4 to run" in done.stdout
    assert "missed  int8 file of qat within 0.5 points" in done.stdout
    assert "MobileNet 1.00, DenseNet 1.00" in done.stdout
    assert "page: out/bench.html" in done.stdout
    assert (tmp_path / "out" / "bench.csv").read_text().count("\n") == 5
    assert len(records.read(tmp_path / "out").records) == 4

    again = bench("--quick")
    assert "4 units, 4 of them finished earlier, 0 to run" in again.stdout
    assert len(records.read(tmp_path / "out").records) == 4


def test_a_failed_unit_fails_the_command_and_stops_nothing(bench: Bench, tmp_path: Path) -> None:
    done = bench("--quick", faults="MobileNet-float-bench-2021=raise")
    assert done.returncode == 1
    told = {r.case.removesuffix("-bench-2021"): r for r in records.read(tmp_path / "out").records}
    assert {name: r.status for name, r in told.items()} == {
        "MobileNet-float": "fail",
        "MobileNet-qat": "blocked",
        "DenseNet-float": "pass",
        "DenseNet-qat": "pass",
    }
    failure = told["MobileNet-float"].failure
    assert failure is not None
    assert failure.message == "no <b>good</b>"
    assert failure.frames[-1]["function"] == "_do"
    assert "no &lt;b&gt;good" in (tmp_path / "out" / "bench.html").read_text()


def test_an_interrupt_costs_only_what_was_running(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("--quick", "-n", "1"),
        cwd=tmp_path,
        env=environment("DenseNet-float-bench-2021=sleep"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever starts the tests in the background has them ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    results = tmp_path / "out"
    while time.monotonic() < deadline:
        written = results / records.RESULTS_NAME
        if written.exists() and len(records.read(results).records) == 2:
            break
        time.sleep(0.1)
    time.sleep(0.5)  # now the third is asleep
    second = subprocess.run(
        command("--quick"), cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert second.returncode == 2
    assert f"a run (process {process.pid}, since " in second.stderr
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on" in err
    assert "page: out/bench.html" in out
    assert len(records.read(results).records) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--techniques", "qatt"], "unknown technique 'qatt': did you mean qat"),
        (["--applications", "MobilNet"], "did you mean MobileNet"),
        (["--applications", "VGG15"], "did you mean VGG19 or VGG16"),
        (["--applications", "zzz"], "known: MobileNet, MobileNetV2, MobileNetV3Small, Eff"),
        (["--applications", "zzz"], "; `python -m harness list --what applications` shows oth"),
        (["--seed", "x"], "'x' is not a whole number of 0 to 4294967295"),
        (["--repeats", "0"], "not a whole number of at least 1"),
        (["--only-report"], "cannot read"),
    ],
)
def test_what_is_wrong_is_told_before_the_work(bench: Bench, words: list[str], told: str) -> None:
    done = bench(*words)
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.parametrize("more", [["--only-report"], ["--quick"]])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--results", "out/results.jsonl"], "--results out/results.jsonl is a file: name the fo"),
        (["-o", "out"], "--output out is a folder: name the page, e.g. out/bench.html"),
        (["-o", "y.csv"], "--output y.csv: a page ends in .html, e.g. y.html"),
        (["-o", "out/results.jsonl"], "--output out/results.jsonl: a page ends in .html"),
    ],
)
def test_places_that_cannot_be_are_told_before_anything_is_written(
    bench: Bench,
    tmp_path: Path,
    make_record: MakeRecord,
    words: list[str],
    told: str,
    more: list[str],
) -> None:
    (tmp_path / "out").mkdir()
    records.write(tmp_path / "out" / records.RESULTS_NAME, [make_record("MobileNet", "float")])
    done = bench(*words, *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"harness: {told}")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == [records.RESULTS_NAME]


@pytest.mark.parametrize("words", [["--only-report"], ["--quick"]])
def test_records_of_the_matrix_are_not_taken_for_units(
    bench: Bench, tmp_path: Path, make_record: MakeRecord, words: list[str]
) -> None:
    (tmp_path / "out").mkdir()
    unit = make_record("MobileNet", "float")
    case = dataclasses.replace(unit, case="MobileNet-float-notop", variant="notop")
    page = tmp_path / "out" / "bench.html"
    page.write_text("the page of an earlier run")
    records.write(tmp_path / "out" / records.RESULTS_NAME, [case])
    done = bench(*words)
    assert done.returncode == 2
    assert "of the matrix" in done.stderr
    assert "with --results DIR" in done.stderr
    assert page.read_text() == "the page of an earlier run"
    assert records.read(tmp_path / "out").records == (case,)


def test_neither_help_nor_page_import_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from harness.cli import bench, main as cli\n"
        "from harness.benchmark.execution import schedule\n"
        "from harness.benchmark.report import page, reports\n"
        "reports.write([], Path('x.html'))\n"
        "try: cli.main(['bench', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'tf_keras', 'sklearn'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout
    shown = " ".join(done.stdout.split())
    for names in ([one.name for one in applications.MEMBERS], list(techniques.BY_ID)):
        assert ", ".join(names) in shown
