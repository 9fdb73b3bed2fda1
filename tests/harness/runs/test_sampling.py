"""What a run does for real: a sample of what holds, all that has lapsed, and what is said of it."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workbench import Bench

from harness import records
from harness.records import Record
from harness.runs import sampling
from harness.runs.sample import Sample
from harness.runs.settings import Settings

COLUMNS = ("float", "qat", "prune")
WORDS = (f"--techniques={','.join(COLUMNS)}",)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of six applications in three columns, accepted, as the reference."""
    bench = Bench(tmp_path_factory.mktemp("known")).has(Pass=4, Rank=2)
    bench.run(*WORDS, "--fresh")
    bench.harness("accept", str(bench.results), "--expectations", str(bench.expectations))
    shutil.move(bench.results / "results.jsonl", bench.root / "reference.jsonl")
    shutil.move(bench.results / "components.lock.json", bench.root / "components.lock.json")
    yield bench.root
    assert bench.left_behind() == []


@pytest.fixture
def bench(known: Path, tmp_path: Path) -> Bench:
    shutil.copytree(known, tmp_path, dirs_exist_ok=True)
    return Bench(tmp_path)


def change(bench: Bench, of: Callable[[Record], Record]) -> None:
    """Change what the reference says."""
    file = bench.root / "reference.jsonl"
    records.write(file, [of(record) for record in records.read(file).records])


def run_here(bench: Bench) -> set[str]:
    return {case for case, record in bench.records().items() if not record.reused}


def test_a_budget_of_nothing_still_runs_a_cell_of_each_column(bench: Bench) -> None:
    done = bench.run(*WORDS, "--budget=0", "--sample-seed=7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(bench.records()) == 18
    assert Counter(case.split("-")[1] for case in run_here(bench)) == dict.fromkeys(COLUMNS, 1)
    assert "3 cells drawn to be compared with their records (--sample-seed 7, --budget 0 s)" in (
        done.stdout
    )
    assert "15 taken from the reference run, 3 to run here" in done.stdout
    first = run_here(bench)
    bench.run(*WORDS, "--budget=0", "--sample-seed=7")
    assert run_here(bench) == first
    others = set()
    for seed in range(8, 12):
        bench.run(*WORDS, "--budget=0", f"--sample-seed={seed}")
        others |= run_here(bench)
    assert len(others) > 3
    page = (bench.results / "index.html").read_text()
    assert page.count('<i class="here">●</i>') == 3


def test_without_a_seed_the_draw_is_another_each_time_and_is_told(bench: Bench) -> None:
    seeds = {
        re.search(r"--sample-seed (\d+)", bench.run(*WORDS, "--budget=0").stdout)[1]  # type: ignore[index]
        for _ in range(3)
    }
    assert len(seeds) == 3


def test_a_selection_within_the_budget_is_run_whole_and_agrees(bench: Bench) -> None:
    done = bench.run(*WORDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(run_here(bench)) == 18
    assert not any(record.disagrees for record in bench.records().values())


def test_a_figure_that_is_not_as_recorded_is_a_regression_that_names_both(bench: Bench) -> None:
    def sparse(record: Record) -> Record:
        if record.case != "Pass1-prune-notop":
            return record
        return dataclasses.replace(record, metrics={**record.metrics, "pattern": 1})

    change(bench, sparse)
    done = bench.run(*WORDS)
    assert done.returncode == 1, done.stdout + done.stderr
    found = bench.records()
    assert [case for case, r in found.items() if r.expectation == "regression"] == [
        "Pass1-prune-notop"
    ]
    (said,) = found["Pass1-prune-notop"].disagrees
    assert re.fullmatch(r"pattern is not there here, 1 in the record of \d{4}-\d\d-\d\d", said)
    assert done.stdout.count(said) >= 2, "when it ends, and in the summary"
    assert "harness case Pass1-prune-notop" in done.stdout
    assert "if the new ones are right: " in done.stdout
    assert "harness publish results" in done.stdout
    assert "harness accept" not in done.stdout, "the baseline says nothing of figures"
    assert said in (bench.results / "summary.md").read_text()


def lapse(bench: Bench, column: str) -> None:
    change(
        bench,
        lambda r: dataclasses.replace(r, key="of other code") if r.technique == column else r,
    )


def test_what_has_lapsed_is_run_whatever_the_budget_and_is_named_first(bench: Bench) -> None:
    lapse(bench, "prune")
    done = bench.run(*WORDS, "--budget=0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert Counter(case.split("-")[1] for case in run_here(bench)) == {
        "prune": 6,
        "float": 1,
        "qat": 1,
    }
    told = done.stdout.splitlines()
    (line,) = (n for n, text in enumerate(told) if "lapsed: 6 cells of prune notop (" in text)
    assert re.search(r"6 lapsed cells are run again: about \d+ s", told[line + 1])
    assert line < min(n for n, text in enumerate(told) if text.startswith("["))


def test_a_smoke_sample_leaves_out_what_its_budget_does_not_reach(bench: Bench) -> None:
    for column in COLUMNS:
        lapse(bench, column)
    done = bench.run(*WORDS, "--smoke", "--budget=0")
    assert done.returncode == 0, done.stdout + done.stderr
    # One member of each of the two kinds of rows; a cell of each column.
    assert Counter(case.split("-")[1] for case in bench.records()) == dict.fromkeys(COLUMNS, 1)
    assert "3 lapsed cells are left out: the budget ends before them" in done.stdout
    assert "were not run" not in done.stdout


def test_pytest_samples_as_the_command_does(bench: Bench) -> None:
    done = bench.pytest(*WORDS, "-n", "2", "--budget=0", "--sample-seed=7")
    assert done.returncode == 0, done.stdout + done.stderr
    found = run_here(bench)
    assert len(bench.records()) == 18
    bench.run(*WORDS, "--budget=0", "--sample-seed=7")
    assert run_here(bench) == found


def test_a_run_that_is_gone_on_with_keeps_its_sample(bench: Bench) -> None:
    bench.run(*WORDS, "--budget=0")
    first = json.loads((bench.results / "sample.json").read_text())
    done = run_here(bench)
    (bench.results / "results.jsonl").unlink()
    bench.run(*WORDS, "--budget=0", "--resume")
    assert json.loads((bench.results / "sample.json").read_text()) == first
    assert run_here(bench) == done


@pytest.mark.parametrize("word", ["ten", "-1m", "10d", "", "nan", "inf"])
def test_a_budget_that_is_no_time_is_a_usage_error(bench: Bench, word: str) -> None:
    done: subprocess.CompletedProcess[str] = bench.run(*WORDS, f"--budget={word}")
    assert done.returncode == 2
    assert "is not a time such as 90s, 10m or 1h" in done.stderr


def test_a_decision_that_is_cut_off_anywhere_is_made_again_and_stops_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.root)
    run = Settings(results=bench.results)
    bench.results.mkdir(exist_ok=True)
    file = bench.results / sampling.NAME
    sample = Sample(7, ("A",), ("B", "C"), (), ("C",), 12.5)
    whole = json.dumps(dataclasses.asdict(sample)).encode()
    file.write_bytes(whole)
    assert sampling.read(run) == sample
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert sampling.read(run) is None
    file.write_text('{"seed": 7, "drawn": 3}')  # of another version
    assert sampling.read(run) is None
