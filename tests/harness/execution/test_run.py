"""`harness run` as its user sees it: the first lines, Ctrl-C, failures, two runs at once."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from workbench import Bench

from harness import records
from harness.pytest_plugin import schedulers
from harness.records import RecordError
from harness.runs import prepare, results_lock
from harness.vocabulary import UsageError


@contextmanager
def running(bench: Bench, *words: str, runner: str = "harness run") -> Iterator[subprocess.Popen]:
    """A run in a process of its own, which must be gone at the end."""
    module, *command = runner.split()
    process = subprocess.Popen(
        [sys.executable, "-m", module, *command, *words],
        env={**bench.environment, "PYTHONUNBUFFERED": "1"},
        cwd=bench.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever starts the tests in the background has them ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def finished(bench: Bench) -> int:
    try:
        return len(records.read(bench.results).records)
    except RecordError:
        return 0


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


def interrupt(process: subprocess.Popen) -> tuple[str, str, float]:
    """Press Ctrl-C; return what the run printed, and how long it took to end."""
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return out, err, time.monotonic() - began


UGLY = ("Traceback", "KeyboardInterrupt", "INTERNALERROR", "!!!", "As expected")

#: From Ctrl-C to the prompt, on a machine that others are at too; reports are written in it.
AT_ONCE = 15.0


# --- the first lines --------------------------------------------------------------------


def test_before_anything_runs_it_says_what_will_be_done(bench: Bench) -> None:
    bench.has(Pass=2, Nested=1)
    done = bench.run("--techniques=float,prune,qat-tfmot", "-n", "2")
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "9 cases, 3 rows:",
        "  float 3, qat-tfmot 3, prune 3",
        "  9 to run here, 2 at once, about 2 min",
        "  records: results/results.jsonl",
    ]
    assert lines[4].startswith("[1/9] ")

    shutil.copyfile(bench.results / "results.jsonl", bench.root / "reference.jsonl")
    again = bench.run("--techniques=float,prune,qat-tfmot", "-n", "2").stdout.splitlines()
    assert re.fullmatch(r"  9 cells drawn to be compared with their records .*", again[2])
    assert re.fullmatch(r"  9 to run here, 2 at once, about \d+ s", again[3])

    few = bench.run("--techniques=float,prune,qat-tfmot", "-n", "2", "--budget=0").stdout
    assert "  6 taken from the reference run, 3 to run here, 2 at once, about " in few
    assert few.count("] ") == 3, "what is taken over has no line of its own"


def test_an_unexpected_failure_says_why_and_how_to_see_it_alone(bench: Bench) -> None:
    (bench.root / "mynets.py").write_text("def Nested9(): ...\n")
    bench.has(Pass=1)
    words = ("--applications=mynets:Nested9", "--techniques=float,prune", "--batch=3")
    done = bench.run(*words)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (place,) = [n for n, line in enumerate(lines) if "Nested9-prune-notop " in line and "[" in line]
    assert lines[place + 1 : place + 3] == [
        "    ValueError: Quantizing a keras Model inside another keras Model is not supported.",
        f"    {sys.executable} -m harness case Nested9-prune-notop "
        "--applications mynets:Nested9 --batch 3",
    ]
    bench.harness("accept", str(bench.results), "--expectations", str(bench.expectations))
    expected = bench.run(*words)
    assert expected.returncode == 0, expected.stdout
    assert "harness case" not in expected.stdout


# --- pytest is still there ----------------------------------------------------------------


def test_pytest_selects_counts_and_reports_as_ever(bench: Bench) -> None:
    bench.has(Pass=2, Slow=1)
    junit = bench.root / "junit.xml"
    done = bench.run(
        "-k", "prune or float", "-m", "not prune_2x4 and not ptq_float16", f"--junitxml={junit}"
    )
    suite = ET.parse(junit).getroot()[0]
    names = {case.get("name") for case in suite}
    cases = set(bench.records())
    assert names == {f"test_case[{case}]" for case in cases}
    assert {case.split("-", 1)[1] for case in cases} == {
        "float-notop",
        "prune-notop",
        "prune-tfmot-notop",
    }
    times = {str(case.get("name")): float(case.get("time", 0)) for case in suite}
    assert times["test_case[Slow0-prune-notop]"] >= 0.4, "the time of the case, not of its report"
    assert done.returncode == 0, done.stdout


def test_x_ends_the_run_at_the_first_failure(bench: Bench) -> None:
    bench.has(Nested=4)
    done = bench.run("-x", "-n", "1", "--techniques=float,prune")
    assert done.returncode == 1
    assert finished(bench) == 2
    assert "6 of 8 cases were not run; what is finished is kept." in done.stdout
    assert bench.left_behind() == []


@pytest.mark.parametrize(
    "variable", ["PYTEST_ADDOPTS=-n 3", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", "PYTEST_PLUGINS=xdist"]
)
def test_what_the_environment_says_to_pytest_changes_no_run(bench: Bench, variable: str) -> None:
    bench.has(Pass=1)
    command = [sys.executable, "-m", "harness", "run", *bench._cli(("--techniques=float",))]
    name, _, value = variable.partition("=")
    environment = {**bench.environment, name: value}
    done = subprocess.run(
        command, env=environment, cwd=bench.root, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bringing up nodes" not in done.stdout


def test_a_host_that_dies_costs_one_case(bench: Bench) -> None:
    bench.has(KillHost=1, Pass=2)
    done = bench.run("--techniques=float,prune")
    assert done.returncode == 4, done.stdout
    found = bench.records()
    assert {case for case, r in found.items() if not r.passed} == {"KillHost0-prune-notop"}
    assert found["KillHost0-prune-notop"].status == "error"
    assert len(found) == 6
    assert bench.left_behind() == []


# --- usage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [("-k", "Pass and"), ("-k", "no or Pass0(x=1)"), ("-m", "prune or or")]
)
@pytest.mark.parametrize("code", [2, 4])  # ours, and pytest's own
def test_an_expression_that_does_not_read_is_one_sentence(
    bench: Bench, words: tuple[str, str], code: int
) -> None:
    bench.has(Pass=1)
    done = bench.run(*words) if code == 2 else bench.pytest("-n", "2", *words)
    assert done.returncode == code, done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"ERROR: {words[0]} {words[1]!r} does not read: ")
    assert "INTERNALERROR" not in done.stdout
    assert not (bench.results / "results.jsonl").exists()


@pytest.mark.parametrize(
    ("number", "scheduler", "message"),
    [
        ("x", None, "-n x: must be a whole number of cases, or auto"),
        ("-2", None, "-n -2: must be a whole number"),
        ("auto", "local:many", "--scheduler local:many: must be a whole number"),
        ("auto", "dask", "--scheduler dask: must read local:N, or tcp://HOST:PORT"),
    ],
)
def test_a_place_that_is_none_is_refused(number: str, scheduler: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        schedulers.parse(number, scheduler)


def test_places_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedulers.environment, "worker_count", lambda: 7)
    monkeypatch.setattr(schedulers.environment, "cores", lambda: 8)
    assert schedulers.parse("auto", None).workers == 7
    assert schedulers.parse("0", None).workers == 1
    assert schedulers.parse("auto", "local:4").workers == 4
    assert schedulers.parse("2", None).threads == 4
    cluster = schedulers.parse("auto", "tcp://host:1")
    assert (cluster.workers, cluster.address, cluster.threads) == (0, "tcp://host:1", 1)


def test_a_cluster_without_dask_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'tfmot-matrix[cluster]'")):
        schedulers.parse("auto", "tcp://host:1").connect(limits=None, runtime="x")  # type: ignore


# --- Ctrl-C -------------------------------------------------------------------------------


def test_ctrl_c_while_cases_run(bench: Bench) -> None:
    bench.has(Hang=4, Pass=2)
    words = ["-n", "2", *bench.options(), "--techniques", "float,prune"]
    with running(bench, *words) as process:
        wait_for(lambda: finished(bench) >= 4 and len(bench.left_behind()) >= 5)
        out, err, seconds = interrupt(process)
    kept = finished(bench)
    assert process.returncode == 130, out + err
    assert seconds < AT_ONCE
    assert not [word for word in UGLY if word in out + err]
    command = shlex.join([sys.executable, "-m", "harness", "run", "--resume", *words])
    told = f"interrupted: {12 - kept} of 12 cases were not run; what is finished is kept."
    assert f"{told} Go on with: {command}" in out.splitlines()
    assert bench.left_behind() == []


def test_ctrl_c_while_workers_start(bench: Bench) -> None:
    bench.has(Pass=2)
    options = [o for o in bench.options() if not o.startswith("--runtime")]
    words = ["-n", "2", *options, "--runtime=slow_runtime", "--techniques=float"]
    with running(bench, *words) as process:
        wait_for(lambda: len(bench.left_behind()) >= 3)  # the run, and two hosts
        out, err, seconds = interrupt(process)
    assert process.returncode == 130, out + err
    assert seconds < AT_ONCE
    assert not [word for word in UGLY if word in out + err]
    assert "interrupted: 2 of 2 cases were not run" in out
    assert bench.left_behind() == []


def test_ctrl_c_before_anything_runs(bench: Bench) -> None:
    bench.has(Pass=1)
    (bench.root / "late.py").write_text(
        "import time\n\ndef pytest_collection_modifyitems():\n"
        "    open('late', 'w').close()\n    time.sleep(600)\n"
    )
    with running(bench, *bench.options(), "-p", "late") as process:
        wait_for((bench.root / "late").exists)
        out, err, _ = interrupt(process)
    assert process.returncode == 130
    assert err == "harness: interrupted before the first case\n"
    assert not [word for word in UGLY if word in out]


def test_a_second_ctrl_c_ends_it_whatever_it_is_at(bench: Bench) -> None:
    bench.has(Hang=1)
    (bench.root / "stuck.py").write_text(
        "import time\n\ndef pytest_sessionfinish():\n"
        "    open('stuck', 'w').close()\n    time.sleep(600)\n"
    )
    with running(bench, *bench.options(), "-p", "stuck", "--techniques=float,prune") as process:
        wait_for(lambda: finished(bench) >= 1)
        os.killpg(process.pid, signal.SIGINT)
        wait_for((bench.root / "stuck").exists)
        out, err, seconds = interrupt(process)
    assert process.returncode == 130
    assert seconds < 5
    assert not [word for word in UGLY if word in out + err]
    assert bench.left_behind() == []


def test_resume_with_nothing_recorded_simply_starts(bench: Bench) -> None:
    bench.has(Pass=1)
    done = bench.run("--resume", "--techniques=float,prune")
    assert done.returncode == 0, done.stdout + done.stderr
    assert finished(bench) == 2
    xdist = bench.pytest("-n", "2", "--resume", f"--results={bench.root / 'x'}", "-k", "float")
    assert xdist.returncode == 0, xdist.stdout


# --- two runs in one folder -----------------------------------------------------------------


def test_a_second_run_in_a_folder_is_refused_until_the_first_has_ended(bench: Bench) -> None:
    bench.has(Hang=1)
    words, only = [*bench.options(), "--techniques=float,prune"], "--techniques=float"
    with running(bench, *words) as process:
        wait_for(lambda: finished(bench) >= 1)
        before = (bench.results / "results.jsonl").read_bytes()
        for done in (bench.run(only), bench.pytest(only)):
            assert done.returncode in (2, 4)
            (line,) = done.stderr.strip().splitlines()
            assert re.fullmatch(
                rf"ERROR: a run \(process {process.pid}, since [-\d]+ [:\d]+\) is writing to "
                r"results/: wait for it, or choose another folder with --results DIR",
                line,
            )
        assert (bench.results / "results.jsonl").read_bytes() == before
        assert bench.run(only, f"--results={bench.root / 'other'}").returncode == 0
        process.kill()  # which leaves the file of its lock behind
        process.wait()
    assert (bench.results / results_lock.NAME).exists()
    assert bench.run(only).returncode == 0


def test_a_lock_is_released_when_it_is_closed(tmp_path: Path) -> None:
    first = results_lock.lock(tmp_path)
    assert first is not None
    with pytest.raises(UsageError, match=rf"process {os.getpid()}, since "):
        results_lock.lock(tmp_path)
    first.close()
    second = results_lock.lock(tmp_path)
    assert second is not None
    assert (tmp_path / results_lock.NAME).read_text().count("process") == 1
    second.close()


def test_the_records_before_are_set_aside_only_once_there_is_a_case(bench: Bench) -> None:
    bench.has(Pass=1)
    assert bench.run("--techniques=float").returncode == 0
    assert bench.run("-k", "nothing").returncode == 2
    assert finished(bench) == 1
    assert not (bench.results / prepare.PREVIOUS_NAME).exists()


#: Notes every reading of a record file by this process and its children.
NOTES_READINGS = """
import os, sys

def note(event, args):
    if event == "open" and str(args[0]).endswith(".jsonl") and "r" in str(args[1]):
        with open({log!r}, "a") as log:
            print(os.getpid(), os.path.basename(args[0]), file=log)

sys.addaudithook(note)
"""


def test_record_files_are_read_once_before_a_run_and_once_after_it(bench: Bench) -> None:
    bench.has(Pass=2)
    assert bench.run("--techniques=float").returncode == 0
    log = bench.root / "readings"
    hook = NOTES_READINGS.format(log=str(log))
    (bench.root / "sitecustomize.py").write_text(hook, encoding="utf-8")
    done = bench.run("--resume", "--techniques=float,prune")
    assert "2 to run here" in done.stdout
    readings = Counter(line.split()[1] for line in log.read_text(encoding="utf-8").splitlines())
    assert readings["reference.jsonl"] == 1
    assert readings["results.jsonl"] == 2
