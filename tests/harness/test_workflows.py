"""The shell steps of the workflows, run here as far as they need no runner of theirs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import records
from harness.vocabulary import STAGES

PROJECT = Path(__file__).resolve().parents[2]
WORKFLOWS = PROJECT / ".github" / "workflows"


def steps(workflow: str, job: str) -> dict[str, str]:
    """The named shell steps of a job."""
    data: Any = yaml.safe_load((WORKFLOWS / workflow).read_text())
    return {s["name"]: s["run"] for s in data["jobs"][job]["steps"] if "run" in s}


class Runner:
    """Runs a step as the service does: bash -e in one folder, files for path and summary."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        tools = folder / "tools"
        tools.mkdir()
        # What the environment step leaves on the path, and a `make` that only notes its call.
        self.tool("python", f'exec {sys.executable} "$@"')
        self.tool("make", f'echo "$@" >> {folder}/made')
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "GITHUB_PATH": str(folder / "path"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            **environment,
        }

    def tool(self, name: str, script: str) -> None:
        path = self.folder / "tools" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def __call__(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def summary(self) -> str:
        return (self.folder / "summary").read_text()


@pytest.fixture
def shards(tmp_path: Path, make_record: Any) -> Path:
    """Two machines' records, and a reference run they are compared with."""
    same = {"environment": {"tensorflow": "2.21.0", "tf_keras": "2.21.0"}}
    ok = make_record("A-prune-notop", expectation="expected", **same)
    fixed = make_record("B-prune-notop", expectation="newly-passing", **same)
    for number, record in enumerate((ok, fixed), 1):
        folder = tmp_path / "shards" / f"records-pinned-{number}" / "notop"
        folder.mkdir(parents=True)
        records.write(folder / "results.jsonl", [record])
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "bench.html").write_text("a benchmark")
    was = make_record("B-prune-notop", status="fail", stage="save", label="save-load", **same)
    records.write(tmp_path / "reports" / "results.jsonl", [ok, was])
    return tmp_path


REPORT_STEPS = ("Merge", "History", "Report", "What changed against the reference run", "Verdict")


def test_nightly_report_merges_tells_changes_and_passes_on_a_new_pass(shards: Path) -> None:
    run = Runner(shards, STACK="pinned")
    job = steps("nightly.yml", "report")
    for name in REPORT_STEPS:
        done = run(job[name])
        assert done.returncode == 0, (name, done.stdout, done.stderr)
    assert {r.case for r in records.read(shards / "site").records} == {
        "A-prune-notop",
        "B-prune-notop",
    }
    for name in ("index.html", "matrix.csv", "summary.md", "changes.md"):
        assert (shards / "site" / name).stat().st_size > 0
    assert 'href="bench.html"' in (shards / "site" / "index.html").read_text()
    assert "B-prune-notop" in run.summary()


def test_nightly_report_fails_on_a_regression_after_it_has_published(
    shards: Path, make_record: Any
) -> None:
    worse = make_record(
        "A-prune-notop",
        status="crash",
        stage="train",
        label="crash",
        expectation="regression",
        environment={"tensorflow": "2.21.0", "tf_keras": "2.21.0"},
    )
    records.write(shards / "shards" / "records-pinned-1" / "notop" / "results.jsonl", [worse])
    run = Runner(shards, STACK="pinned")
    job = steps("nightly.yml", "report")
    codes = [run(job[name]).returncode for name in REPORT_STEPS]
    assert codes == [0, 0, 0, 0, 1]
    assert (shards / "site" / "index.html").exists()


@pytest.mark.parametrize(("stack", "made"), [("pinned", "venv"), ("newest", "venv CONSTRAINTS=")])
def test_nightly_environment(tmp_path: Path, stack: str, made: str) -> None:
    run = Runner(tmp_path, STACK=stack)
    assert run(steps("nightly.yml", "matrix")["Environment"]).returncode == 0
    assert (tmp_path / "made").read_text().split("\n")[0] == made
    assert (tmp_path / "path").read_text().strip() == f"{tmp_path}/.venv/bin"


def test_nightly_runs_the_slow_tests_and_500_other_models_each_night(tmp_path: Path) -> None:
    run = Runner(tmp_path)
    run.tool("python", f'echo "$ANY_MODELS $ANY_FIRST $@" >> {tmp_path}/called')
    run.tool("date", "echo 1700000000")  # 19675 days
    done = steps("nightly.yml", "tests")
    assert run(done["Slow tests"]).returncode == run(done["Any models"]).returncode == 0
    slow, models = (tmp_path / "called").read_text().splitlines()
    assert slow.split()[-3:] == ["-m", "slow", "tests"]
    assert models == "500 337500 -m pytest -n auto tests/optim/anything"


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 0), (2, 2), (3, 0), (4, 4)])
def test_nightly_shard_fails_only_if_it_has_no_records_to_hand_over(
    tmp_path: Path, code: int, expected: int
) -> None:
    run = Runner(tmp_path, SHARD="2/4")
    run.tool("python", f'echo "$@" >> {tmp_path}/called\nexit {code}')
    assert run(steps("nightly.yml", "matrix")["Run"]).returncode == expected
    called = (tmp_path / "called").read_text().splitlines()
    assert len(called) == (2 if expected == 0 else 1)
    assert all("--shard 2/4" in call and "--fresh" in call for call in called)
    assert ["--variants top" in call for call in called] == [False, True][: len(called)]
    assert len(set(re.findall(r"--results results/\w+", " ".join(called)))) == len(called)


def test_nightly_lays_out_a_site_from_whatever_stacks_reported(tmp_path: Path) -> None:
    for stack in ("pinned", "newest"):
        folder = tmp_path / "downloaded" / f"reports-{stack}"
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(stack)
    run = Runner(tmp_path)
    layout = steps("nightly.yml", "publish")["Lay out the site"]
    assert run(layout).returncode == 0
    assert (tmp_path / "site" / "index.html").read_text() == "pinned"
    assert (tmp_path / "site" / "newest" / "index.html").read_text() == "newest"
    shutil.rmtree(tmp_path / "site")
    shutil.rmtree(tmp_path / "downloaded" / "reports-pinned")
    assert run(layout).returncode == 0


def test_every_option_that_a_workflow_or_the_makefile_gives_exists() -> None:
    from harness.cli.main import _parser
    from harness.runs.options import MATRIX

    text = "\n".join(
        p.read_text() for p in (*WORKFLOWS.glob("*.yml"), PROJECT / "Makefile", PROJECT / ".ci/run")
    )
    calls = re.findall(r"-m harness (\w+)([^\n|&;]*)", text)
    assert {c for c, _ in calls} >= {"run", "merge", "report", "diff", "summary"}
    commands = _parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    for command, rest in calls:
        known = {o for a in commands[command]._actions for o in a.option_strings}
        known |= set(MATRIX) if command == "run" else set()
        assert set(re.findall(r"(--[\w-]+)", rest)) <= known, (command, rest)
    assert STAGES[0] == "build"


def test_nightly_tells_what_changed_since_the_night_before(shards: Path, make_record: Any) -> None:
    run = Runner(shards, STACK="pinned")
    job = steps("nightly.yml", "report")
    (shards / "tools" / "date").write_text('#!/bin/sh\necho "2026-01-0$NIGHT"T02:17\n')
    (shards / "tools" / "date").chmod(0o755)
    for night in "12":
        run.environment["NIGHT"] = night
        for name in REPORT_STEPS[:3]:
            done = run(job[name])
            assert done.returncode == 0, (name, done.stdout, done.stderr)
        worse = make_record(
            "A-prune-notop", status="crash", stage="train", label="crash",
            environment={"tensorflow": "2.21.0", "tf_keras": "2.21.0"},
        )  # fmt: skip
        path = shards / "shards" / "records-pinned-1" / "notop" / "results.jsonl"
        records.write(path, [worse])
    assert "1 case became worse" in run.summary()
    site = shards / "site"
    assert "pass → crash in train: crash" in (site / "regressions.atom").read_text()
    assert 'href="history.html"' in (site / "index.html").read_text()
    assert (site / "history" / "pinned.jsonl").read_bytes().count(b'"night"') == 2


@pytest.mark.parametrize("there", [False, True])
def test_the_history_goes_on_in_a_branch_of_its_own(there: bool, tmp_path: Path) -> None:
    run = Runner(tmp_path)
    made = run(
        "git init -q --bare origin.git && git clone -q origin.git work 2>/dev/null && cd work "
        "&& git config user.name a && git config user.email a@localhost && git checkout -qb main "
        "&& echo x > code && git add code && git commit -qm code && git push -q origin main"
    )
    assert made.returncode == 0, made.stderr
    if there:
        made = run(
            "cd work && git checkout -q --orphan history && git rm -rfq . && echo 1 > pinned.jsonl "
            "&& git add . && git commit -qm first && git push -q origin history "
            "&& git checkout -q main"
        )
        assert made.returncode == 0, made.stderr
    folder = tmp_path / "work" / "downloaded" / "reports-pinned" / "history"
    folder.mkdir(parents=True)
    (folder / "pinned.jsonl").write_text("1\n2\n")
    run.folder = tmp_path / "work"
    done = run(steps("nightly.yml", "publish")["Keep the history"])
    assert done.returncode == 0, done.stderr
    shown = run("git -C ../origin.git show history:pinned.jsonl; git -C ../origin.git ls-tree "
                "--name-only history; git -C ../origin.git rev-list --count history")  # fmt: skip
    assert shown.stdout.split() == ["1", "2", "pinned.jsonl", "2" if there else "1"]
