"""The matrix under pytest and under ``harness run``: outcomes, exit codes, going on.

A run in processes of its own costs seconds, so each here is looked at from many sides.
"""

from __future__ import annotations

import argparse
import dataclasses
import errno
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from workbench import Bench

from harness import plugin, records, techniques
from harness.execution.attempt import Outcome
from harness.matrix.cases import Case, Selection
from harness.records import Failure, Record, RecordError
from harness.runs import conclude, history, options, prepare, results_lock
from harness.runs.session import Session
from harness.runs.settings import Settings
from harness.vocabulary import Exit, Status, UsageError

Done = subprocess.CompletedProcess[str]
MakeRecord = Callable[..., Record]

KINDS = {"Pass": 2, "Nested": 1, "Rank": 1}
#: 4 applications in every column; of those that fail, the control passes.
COLUMNS = len(techniques.select())
ALL = 4 * COLUMNS
FAILING = 2 * (COLUMNS - 1)
ACCEPT = f"{sys.executable} -m harness accept results"
PROGRESS = re.compile(r"^\[ *(\d+)/(\d+)\] (\w+) +([^-\s]+)-(\S+)-notop ")


def progress_lines(output: str) -> list[re.Match[str]]:
    found = map(PROGRESS.match, output.splitlines())
    return [one for one in found if one]


@dataclass
class Story:
    """A first run under ``harness run -n 2``, accepted, and a second one under pytest."""

    bench: Bench
    first: Done
    first_records: dict[str, Record]
    accepted: Done
    second: Done

    def copy(self, root: Path) -> Bench:
        """A bench of one's own that stands where the story ends."""
        shutil.copytree(self.bench.root, root, dirs_exist_ok=True)
        return Bench(root)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    bench = Bench(tmp_path_factory.mktemp("story")).has(**KINDS)
    first = bench.run()
    found = bench.records()
    accepted = bench.harness(
        "accept", str(bench.results), "--expectations", str(bench.expectations)
    )
    second = bench.pytest("-rx", f"--junitxml={bench.root / 'junit.xml'}")
    yield Story(bench, first, found, accepted, second)
    assert bench.left_behind() == []


@pytest.fixture
def later(story: Story, tmp_path: Path) -> Bench:
    return story.copy(tmp_path)


def expecting(bench: Bench, *lines: str) -> None:
    """Replace what the baseline says of some cases."""
    cases = {line.split()[0] for line in lines}
    kept = [
        line
        for line in bench.expectations.read_text().splitlines()
        if not line.split() or line.split()[0] not in cases
    ]
    bench.expectations.write_text("\n".join([*kept, *(x for x in lines if " " in x)]) + "\n")


# --- a first run ------------------------------------------------------------------------


def test_a_first_run_expects_nothing_and_says_what_it_found(story: Story) -> None:
    out = story.first.stdout
    assert story.first.returncode == 1, "of a new case a pass is no surprise, a failure is"
    assert Counter(r.status for r in story.first_records.values()) == {
        "pass": ALL - FAILING,
        "fail": FAILING,
    }
    assert {r.expectation for r in story.first_records.values()} == {"new"}
    assert f"{ALL} new" in out
    assert "report: results/index.html" in out
    assert f"if this is right: {sys.executable} -m harness accept results" in out
    written = {p.name for p in story.bench.results.iterdir() if p.is_file()}
    assert {"results.jsonl", "index.html", "matrix.csv", "summary.md"} <= written


def test_progress_counts_names_and_guesses(story: Story) -> None:
    lines = progress_lines(story.first.stdout)
    assert [(int(m[1]), int(m[2])) for m in lines] == [(n, ALL) for n in range(1, ALL + 1)]
    assert {f"{m[4]}-{m[5]}-notop" for m in lines} == set(story.first_records)
    told = story.first.stdout.splitlines()
    assert sum(" left" in line for line in told) == ALL - 1
    assert any(
        line.startswith("[") and "transform: nested-model  <- new  · about " in line
        for line in told
    )
    # Controls first: whatever a row does depends on them. Which of two workers is the faster
    # is open, so only the first line is sure to be of one.
    assert lines[0][5] == "float"


def test_a_record_tells_the_run_and_how_to_repeat_the_case(story: Story) -> None:
    found = story.first_records["Nested0-qat-tfmot-notop"]
    assert {r.run_id for r in story.first_records.values()} == {found.run_id}
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", found.run_id)
    assert found.repro == "python -m harness case Nested0-qat-tfmot-notop"
    assert (found.attempt, found.until, found.reused) == (1, "parity", None)
    assert [(s.name, s.status) for s in found.stages] == [("build", "pass"), ("transform", "fail")]
    assert found.failure is not None
    assert found.failure.frames[-1]["file"].endswith("fake_runtime.py")
    environment = found.environment
    assert environment["keras_module"] == "fakekeras"
    assert {"python", "platform", "cores", "memory_gib", "seed", "revision"} <= set(environment)


# --- the baseline -----------------------------------------------------------------------


def test_a_run_that_meets_its_baseline_is_as_expected(story: Story) -> None:
    out = story.second.stdout
    assert story.accepted.returncode == 0, story.accepted.stderr
    assert story.second.returncode == 0, out
    assert f"{ALL - FAILING} passed, {FAILING} xfailed" in out
    assert "warning" not in out
    reason = "nested-model: ValueError: Quantizing a keras Model inside another keras Model is"
    assert f"[Nested0-prune-notop] - {reason}" in out
    assert "As expected" in out
    now = story.bench.records()
    assert {r.expectation for r in now.values()} == {"expected"}
    assert now["Rank0-prune-notop"].expected == {
        "status": "fail",
        "stage": "transform",
        "label": "tensor-rank",
    }


def test_one_worker_and_two_find_the_same(story: Story) -> None:
    def told(found: dict[str, Record]) -> dict[str, tuple[object, ...]]:
        return {
            case: (r.outcome(), r.blocker, r.fingerprint, r.metrics, r.failure)
            for case, r in found.items()
        }

    assert told(story.bench.records()) == told(story.first_records)
    assert "test_matrix.py" not in story.second.stdout.partition("XFAIL")[0]
    assert len(progress_lines(story.second.stdout)) == ALL


def test_the_records_of_the_run_before_are_set_aside(story: Story) -> None:
    before = records.read(story.bench.results / prepare.PREVIOUS_NAME)
    assert before.latest() == story.first_records
    assert len(records.read(story.bench.results).records) == ALL


def test_junit_holds_labels_and_outcomes(story: Story) -> None:
    suite = ET.parse(story.bench.root / "junit.xml").getroot()[0]
    counts = [int(suite.get(name, -1)) for name in ("tests", "failures", "skipped")]
    assert counts == [ALL, 0, FAILING]
    case = next(c for c in suite if c.get("name") == "test_case[Rank0-prune-notop]")
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert properties["label"] == "tensor-rank"
    assert properties["status"] == "fail"
    assert properties["stage"] == "transform"
    assert properties["expectation"] == "expected"
    skipped = case.find("skipped")
    assert skipped is not None
    assert (skipped.get("message") or "").startswith("tensor-rank: ValueError: Shape must be")


def test_every_surprise_is_red_and_says_how_to_accept_it(later: Bench) -> None:
    expecting(
        later,
        "Nested0-prune-tfmot-notop",  # a covered column without a line: a pass
        "Pass0-prune-tfmot-notop  fail  save  save-load",
        "Rank0-prune-tfmot-notop  fail  transform  nested-model",
    )
    done = later.pytest("--techniques=prune-tfmot", "-rf")
    assert done.returncode == 1
    assert "3 failed, 1 passed" in done.stdout
    for case in ("Nested0", "Pass0", "Rank0"):
        assert re.search(rf"^FAILED .*\[{case}-prune-tfmot-notop\]", done.stdout, re.MULTILINE)
    told = re.split(
        r"^_+ test_case\[(\w+)-prune-tfmot-notop\] _+$", done.stdout, flags=re.MULTILINE
    )
    said = {name: text.splitlines() for name, text in zip(told[1::2], told[2::2], strict=True)}
    accept = f"if this is right: {ACCEPT} --expectations expectations.txt"
    assert said["Nested0"][1:6] == [
        "regression: fail at transform (nested-model)",
        "expected: pass",
        "ValueError: Quantizing a keras Model inside another keras Model is not supported.",
        "reproduce: python -m harness case Nested0-prune-tfmot-notop",
        accept,
    ]
    assert said["Pass0"][1:4] == [
        "newly-passing: pass",
        "expected: fail at save (save-load)",
        accept,
    ]
    assert said["Rank0"][1:3] == [
        "changed-label: fail at transform (tensor-rank)",
        "expected: fail at transform (nested-model)",
    ]

    run = later.run("--techniques=prune-tfmot", "-n", "0", "--resume")
    assert run.returncode == 1, "nothing was left to do, and it is as bad as before"
    assert progress_lines(run.stdout) == []
    assert accept in run.stdout.splitlines()
    for mark in ("! regressions (1)", "+ newly passing (1)", "~ changed labels (1)"):
        assert mark in run.stdout


def test_a_run_with_newly_passing_cases_alone_exits_with_3(later: Bench) -> None:
    expecting(later, "Pass0-prune-notop  fail  save  save-load")
    done = later.run("-n", "0", "-k", "prune-notop and Pass")
    assert done.returncode == 3
    assert [m[4] for m in progress_lines(done.stdout)] == ["Pass0", "Pass1"]
    assert "<- newly-passing" in done.stdout
    assert f"if this is right: {sys.executable} -m harness accept results" in done.stdout


# --- usage ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-k nothing", "harness: no case is selected; `harness list` shows what there is"),
        ("-m family_net_pas", "ERROR: unknown marker 'family_net_pas': did you mean family_net_p"),
        ("-m prune-tfmot", "ERROR: unknown marker 'prune-tfmot': did you mean prune_tfmot"),
        ("Pass0", "ERROR: 'Pass0' belongs to no option."),
        ("--applications Pass0 Pass1", "ERROR: 'Pass1' belongs to no option."),
        ("--techniques prun", "ERROR: unknown technique 'prun': did you mean prune or"),
        ("--applications pass0", "ERROR: unknown application 'pass0': did you mean Pass0 or"),
        ("--until saev", "ERROR: unknown stage 'saev': did you mean save"),
        ("--results expectations.txt/x", "ERROR: cannot write to the results folder "),
        (
            "--only-failed --results nowhere",
            "ERROR: nothing to repeat: there is no results.jsonl in",
        ),
        ("--runtime no_runtime", "ERROR: --runtime no_runtime: No module named 'no_runtime'"),
    ],
)
def test_a_usage_error_exits_with_2_and_touches_nothing(
    story: Story, arguments: str, message: str
) -> None:
    before = touched(story.bench.results)
    done = story.bench.run("-n", "0", *arguments.split())
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert progress_lines(done.stdout) == []
    assert before == touched(story.bench.results)


def touched(folder: Path) -> dict[Path, int]:
    """When each file of the results was written, but for the lock."""
    files = [p for p in folder.iterdir() if p.is_file() and p.name != results_lock.NAME]
    return {p: p.stat().st_mtime_ns for p in files}


@pytest.mark.parametrize("marker", ["top", "family_net_rank and float", "not matrix"])
def test_a_marker_that_no_selected_case_has_selects_none(story: Story, marker: str) -> None:
    words = ("--applications=Pass0", "--techniques=prune", "-o", "strict_markers=true")
    done = story.bench.run("-n", "2", "-m", marker, *words)
    assert done.returncode == 2, done.stdout
    assert "harness: no case is selected" in done.stderr
    assert "INTERNALERROR" not in done.stdout


def test_a_stale_baseline_is_refused_with_the_nearest_unless_it_is_allowed(later: Bench) -> None:
    expecting(later, "Pass7-prune-notop  fail  save  save-load")
    number = len(later.expectations.read_text().splitlines())
    done = later.run()
    assert done.returncode == 2
    assert (
        f"ERROR: expectations.txt:{number}: unknown case 'Pass7-prune-notop': did you mean Pass"
        in done.stderr
    )
    assert "1 expectations match no case" in done.stderr
    allowed = later.pytest("--allow-removed", "--collect-only", "-q")
    assert allowed.returncode == 0, allowed.stdout
    assert f"{ALL} tests collected" in allowed.stdout


# --- selecting --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["-k", "Rank0 and tfmot and not cluster"], 2),
        (["-m", "prune_tfmot and not family_net_pass"], 2),
        (["-m", "matrix and top", "--variants=top,notop"], ALL),
        (["--shard=1/2"], ALL // 2),
    ],
)
def test_cases_are_selected_as_tests_are(story: Story, arguments: list[str], count: int) -> None:
    done = story.bench.pytest("--collect-only", "-q", *arguments)
    assert done.returncode == 0, done.stdout
    assert sum("::test_case[" in line for line in done.stdout.splitlines()) == count


def test_the_matrix_is_collected_only_where_it_is_asked_for(tmp_path: Path, story: Story) -> None:
    (tmp_path / "test_other.py").write_text("def test_other(): pass\n")
    for arguments in ([str(tmp_path)], [str(tmp_path), str(plugin.MATRIX_FILE.parent.parent)]):
        config: Any = SimpleNamespace(
            args=arguments, invocation_params=SimpleNamespace(dir=tmp_path)
        )
        assert plugin.pytest_ignore_collect(plugin.MATRIX_FILE, config) is True
        assert not plugin.wants_matrix(config)
    for argument in ("harness", "harness/test_matrix.py", "harness/test_matrix.py::test_case[x]"):
        config = SimpleNamespace(
            args=[argument], invocation_params=SimpleNamespace(dir=plugin.MATRIX_FILE.parents[1])
        )
        assert plugin.pytest_ignore_collect(plugin.MATRIX_FILE, config) is None
        assert plugin.wants_matrix(config)


# --- going on ---------------------------------------------------------------------------


def test_an_interrupted_run_is_resumed_without_repeating_anything(bench: Bench) -> None:
    bench.has(Slow=6)
    count = 6 * 3 * 2  # enough that it is not done when the signal comes, on a busy machine too
    words = ("--techniques=float,qat-tfmot,prune-tfmot", "--variants=top,notop")
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", *bench._cli(words)],
        env=bench.environment,
        cwd=bench.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever starts the tests in the background has them ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: len(finished(bench)) >= 4)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
    out, err = process.communicate(timeout=60)
    kept = finished(bench)
    assert process.returncode == 130, out + err
    assert 4 <= len(kept) < count
    assert all(r.passed for r in kept)
    left = f"interrupted: {count - len(kept)} of {count} cases were not run"
    assert f"{left}; what is finished is kept." in out
    command = [sys.executable, "-m", "harness", "run", "--resume", *bench._cli(words)]
    assert f"Go on with: {shlex.join(command)}" in out.splitlines()[-2]
    for wrong in ("Traceback", "KeyboardInterrupt", "!!!", "As expected"):
        assert wrong not in out + err
    assert bench.left_behind() == []

    done = bench.run("--resume", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"/{count - len(kept)}] ok " in done.stdout
    found = finished(bench)
    assert len(found) == len({r.case for r in found}) == count
    assert {r.attempt for r in found} == {1}
    assert found[: len(kept)] == kept
    assert len({r.run_id for r in found}) == 2
    assert bench.left_behind() == []


def finished(bench: Bench) -> list[Record]:
    try:
        return list(records.read(bench.results).records)
    except RecordError:
        return []


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.05)


def test_only_what_failed_is_repeated(later: Bench) -> None:
    done = later.run("--only-failed", "-n", "0", "--techniques=prune,float")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {m[4] for m in progress_lines(done.stdout)} == {"Nested0", "Rank0"}
    found = finished(later)
    assert len(found) == ALL + 2
    assert {(r.case, r.attempt) for r in found[ALL:]} == {
        ("Nested0-prune-notop", 2),
        ("Rank0-prune-notop", 2),
    }
    nothing = later.run("--only-failed", "-n", "0", "--techniques=float")
    assert nothing.returncode == 0, "nothing failed, so there is nothing to repeat"
    assert len(finished(later)) == ALL + 2
    assert later.run("--only-failed", "-n", "0", "-k", "nothing").returncode == 2


def test_what_is_not_in_the_sample_is_taken_from_the_reference_run(later: Bench) -> None:
    shutil.copyfile(later.results / "results.jsonl", later.root / "reference.jsonl")
    words = ("-n", "0", "--applications=Pass0,Rank0", "--techniques=float,qat-tfmot,prune")
    done = later.run(*words, "--budget=0")
    assert done.returncode == 0, done.stdout + done.stderr
    found = later.records()
    taken = {case for case, r in found.items() if r.reused}
    assert len(taken) == 3, "one of each column is run"
    assert len({case.split("-", 1)[1] for case in taken}) == 3
    source = records.read(later.root / "reference.jsonl").latest()
    for case in taken:
        assert found[case].reused == {"run_id": source[case].run_id, "date": source[case].started}
        assert found[case].run_id != source[case].run_id
        assert found[case].expectation == "expected"
    assert len(progress_lines(done.stdout)) == 3
    assert later.run(*words, "--fresh", "-q").returncode == 0
    assert [case for case, r in later.records().items() if r.reused] == []


# --- trouble ----------------------------------------------------------------------------


def test_a_full_disk_ends_the_run_and_keeps_what_it_has(bench: Bench) -> None:
    bench.has(Pass=3)

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", *bench._cli(("-n", "0"))],
        env=bench.environment,
        cwd=bench.root,
        capture_output=True,
        text=True,
        preexec_fn=no_room,
    )
    found = records.read(bench.results)
    assert done.returncode == 4
    assert 2 <= len(found.records) < 3 * COLUMNS
    assert found.broken == ()
    assert len(progress_lines(done.stdout)) == len(found.records)
    assert f"left no record: {os.strerror(errno.EFBIG)}" in done.stdout or "bytes could be" in (
        done.stdout
    )
    assert f"{3 * COLUMNS - len(found.records)} of {3 * COLUMNS} cases were not run" in done.stdout
    assert "the reports could not be written: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_worker_that_dies_costs_one_case_and_is_no_success(bench: Bench) -> None:
    bench.has(KillWorker=1, Pass=2)
    done = bench.pytest("-n", "2", "--techniques=float,prune")
    assert done.returncode == 1, done.stdout
    assert {c for c, r in bench.records().items() if r.passed} == {
        *(f"{name}-float-notop" for name in ("KillWorker0", "Pass0", "Pass1")),
        *(f"{name}-prune-notop" for name in ("Pass0", "Pass1")),
    }
    assert "1 of 6 cases were not run; what is finished is kept." in done.stdout
    assert bench.left_behind() == []


# --- the end of a run, in this process --------------------------------------------------


class Ended:
    """A run that has ended, and what is made of it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = Settings(results=root / "results", run_id="now")
        self.reports = root / "reports"
        self.run.results.mkdir()
        monkeypatch.setattr(conclude, "REPORTS", self.reports)
        monkeypatch.chdir(root)

    def conclude(self, found: list[Record], planned: list[str], **more: Any) -> tuple[Exit, str]:
        if found:
            records.write(self.run.file, found)
        lines: list[str] = []
        code = conclude.conclude(self.run, planned=planned, write=lines.append, **more)
        return code, "\n".join(lines)


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ended:
    return Ended(tmp_path, monkeypatch)


@pytest.fixture
def two(make_record: MakeRecord) -> list[Record]:
    return [make_record(f"{n}-float-notop", run_id="now", expectation="expected") for n in "BA"]


PLANNED = ["A-float-notop", "B-float-notop"]


def test_a_complete_full_run_is_published(ended: Ended, two: list[Record]) -> None:
    (ended.run.results / "index.html").write_text("of the run before")
    code, told = ended.conclude(two, PLANNED, whole=PLANNED)
    assert code is Exit.AS_EXPECTED
    assert "report: reports/index.html" in told
    assert sorted(p.name for p in ended.reports.iterdir()) == [
        "index.html",
        "matrix.csv",
        "results.jsonl",
        "summary.md",
    ]
    assert [r.application for r in records.read(ended.reports).records] == ["A", "B"]
    left = [p.name for p in ended.run.results.iterdir()]
    assert left == ["results.jsonl"], "reports are written once, and none is of another run"


def test_a_run_in_the_published_folder_keeps_its_reports(ended: Ended, two: list[Record]) -> None:
    ended.run.results.rename(ended.reports)
    ended.run = Settings(results=ended.reports, run_id="now")
    ended.conclude(two, PLANNED, whole=PLANNED)
    assert (ended.reports / "index.html").exists()


def test_neither_a_part_nor_an_incomplete_run_is_published(ended: Ended, two: list[Record]) -> None:
    assert ended.conclude(two, PLANNED)[0] is Exit.AS_EXPECTED
    more = [*PLANNED, "C-float-notop"]
    code, told = ended.conclude(two, more, whole=more)
    assert code is Exit.HARNESS_FAILED
    assert "1 of 3 cases were not run" in told
    assert "--resume --results results" in told
    code, _ = ended.conclude(two, PLANNED, whole=more)
    assert code is Exit.AS_EXPECTED, "--only-failed of a run of two cases"
    assert not ended.reports.exists()


def parsed(*arguments: str) -> Any:
    parser = argparse.ArgumentParser()
    for name, settings in options.MATRIX.items():
        parser.add_argument(name, **settings)
    parser.add_argument("-k", dest="keyword", default="")
    parser.add_argument("-m", dest="markexpr", default="")
    return SimpleNamespace(option=parser.parse_args(arguments))


NARROWED = """
--applications=VGG16 --techniques=prune --variants=notop --until=train --smoke --shard=1/2
--results=x -k=x -m=x --runtime=fake_runtime --seed=1 --batch=1 --input-size=64
--save-format=keras
"""


@pytest.mark.parametrize("argument", NARROWED.split())
def test_a_run_of_something_else_is_never_published(argument: str) -> None:
    assert not plugin.is_full(parsed(argument))


@pytest.mark.parametrize(
    "arguments", ["", "--resume", "--only-failed", "--fresh", "--case-timeout=9"]
)
def test_the_whole_default_matrix_is_published(arguments: str) -> None:
    assert plugin.is_full(parsed(*arguments.split()))


def test_cases_that_only_an_earlier_run_has_were_not_run(
    ended: Ended, two: list[Record], make_record: MakeRecord
) -> None:
    old = make_record("C-float-notop", run_id="before", expectation="expected")
    code, told = ended.conclude([old, *two], [*PLANNED, "C-float-notop"])
    assert code is Exit.HARNESS_FAILED
    assert "run --only-failed --results results" in told
    assert ended.conclude([old, *two], PLANNED)[0] is Exit.AS_EXPECTED


def test_records_that_another_run_replaced_are_not_called_cases_that_were_not_run(
    ended: Ended, two: list[Record]
) -> None:
    others = [dataclasses.replace(record, run_id="now, or later") for record in two]
    code, told = ended.conclude(others, PLANNED)
    assert code is Exit.HARNESS_FAILED
    assert "another run has begun in results/ meanwhile and has taken the place of 2 of" in told
    assert "were not run" not in told


def test_a_regression_weighs_more_than_cases_that_were_not_run(
    ended: Ended, make_record: MakeRecord
) -> None:
    worse = make_record("A-float-notop", run_id="now", expectation="regression")
    code, told = ended.conclude([worse], PLANNED)
    assert code is Exit.REGRESSION
    assert f"if this is right: {sys.executable} -m harness accept results" in told


def test_a_run_without_a_record_is_no_success(ended: Ended) -> None:
    code, told = ended.conclude([], PLANNED)
    assert code is Exit.HARNESS_FAILED
    assert "no case left a record: cannot read " in told
    assert ended.conclude([], []) == (Exit.AS_EXPECTED, "")


def test_broken_lines_are_told_and_the_rest_is_reported(ended: Ended, two: list[Record]) -> None:
    records.write(ended.run.file, two)
    with ended.run.file.open("a") as stream:
        stream.write("half a li\n")
    code, told = ended.conclude([], PLANNED)
    assert code is Exit.AS_EXPECTED
    assert f"warning: {ended.run.file}:3: not JSON (" in told


# --- the start of a run, in this process ------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(results=tmp_path / "results", runtime="fakes.fake_runtime")


def test_a_start_makes_the_folder_and_leaves_the_records(
    settings: Settings, make_record: MakeRecord
) -> None:
    prepare.prepare(settings, keep=False)
    assert list(settings.results.iterdir()) == []
    records.append(settings.file, make_record())
    prepare.prepare(settings, keep=False)
    assert [p.name for p in settings.results.iterdir()] == ["results.jsonl"]
    prepare.set_aside(settings)
    assert [p.name for p in settings.results.iterdir()] == [prepare.PREVIOUS_NAME]
    prepare.set_aside(settings)
    assert records.read(settings.results / prepare.PREVIOUS_NAME).records == (make_record(),)


def test_a_run_does_not_put_the_records_of_the_benchmark_aside(
    settings: Settings, make_record: MakeRecord
) -> None:
    prepare.prepare(settings, keep=False)
    records.append(settings.file, make_record("Net-float-bench-2021", variant="bench"))
    with pytest.raises(UsageError, match=r"holds 1 records of the benchmark \(first: Net-float-be"):
        prepare.prepare(settings, keep=False)


def test_what_is_continued_is_copied_for_the_workers(
    settings: Settings, make_record: MakeRecord
) -> None:
    with pytest.raises(UsageError, match=r"nothing to repeat: there is no results\.jsonl in res"):
        prepare.prepare(settings, keep=True, needs_records=True)
    prepare.prepare(settings, keep=True)
    assert not (settings.results / prepare.START).exists(), "there is nothing to go on from"
    for n in "AB":
        records.append(settings.file, make_record(f"{n}-float-notop"))
        prepare.prepare(settings, keep=True)
        copied = records.read(settings.results / prepare.START)
        assert copied == records.Loaded(records.read(settings.file).records)


def test_a_disk_with_little_room_stops_the_run_before_the_work(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=2**30)
    monkeypatch.setattr(prepare.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(UsageError, match=r"has 1\.0 GiB free, .* make room, or set TMPDIR"):
        prepare.prepare(settings, keep=False)


# --- a session, in this process ---------------------------------------------------------


def test_a_blocked_case_tells_its_control(
    tmp_path: Path, fake_keras: Callable[..., Path], make_record: MakeRecord
) -> None:
    fake_keras(Pass=1)
    settings = Settings(results=tmp_path, expectations=tmp_path / "none", run_id="now")
    one = Session(settings, lambda request: Outcome(Status.PASS))
    row = next(iter(Selection(techniques=("prune",)).cases()))
    assert isinstance(row, Case)
    control = make_record(
        row.control, status="fail", stage="build", label="oom", failure=Failure("X", "x")
    )
    assert one.run(row).status == "pass", "nothing is known of its control"
    records.append(settings.file, control)
    blocked = one.run(row)
    assert (blocked.status, blocked.label, blocked.stage) == ("blocked", "control", "build")
    assert blocked.failure is not None
    assert blocked.failure.message == ("the control Pass0-float-notop ended as fail (oom) at build")
    for later, status in (("error", "pass"), ("pass", "pass"), ("crash", "blocked")):
        records.append(settings.file, make_record(row.control, status=later))
        assert one.run(row).status == status
    assert [r.attempt for r in history.find(settings.file, row.id)] == [1, 2, 3, 4, 5]
