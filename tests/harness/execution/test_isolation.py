"""Isolation: whatever a case does, it is told as an outcome and costs only itself.

The scripts here run in the case's own process; ``stage`` and ``end`` report as a runtime
does, ``metrics`` is what it returns.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.execution import host_process, watchdog
from harness.execution.attempt import Limits, Outcome
from harness.execution.runner import Runner, Stopped
from harness.vocabulary import Status

RUNTIME = "fakes.scripted_runtime"


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """One worker's runner: what a case does must not reach the next one."""
    with Runner(RUNTIME, Limits(seconds=60)) as one:
        yield one


def run(runner: Runner, script: str, **more: Any) -> Outcome:
    return runner.run({"script": textwrap.dedent(script), **more})


def host(runner: Runner) -> psutil.Process:
    assert runner._host is not None
    return psutil.Process(runner._host._process.pid)


# --- what a case tells ------------------------------------------------------------------


def test_a_pass_tells_its_stages_metrics_and_costs(runner: Runner) -> None:
    outcome = run(
        runner,
        """
        import time
        stage("build"); end(parameters=7)
        stage("transform"); end(layers=3)
        until = time.process_time() + 0.2
        while time.process_time() < until: pass
        metrics["loss"] = 0.5
        """,
    )
    assert outcome.status is Status.PASS
    assert outcome.failure is None
    assert [(s["name"], s["status"], s["seconds"]) for s in outcome.stages] == [
        ("build", "pass", 0.25),
        ("transform", "pass", 0.25),
    ]
    assert outcome.metrics == {"parameters": 7, "layers": 3, "loss": 0.5}
    assert 0.2 <= outcome.cpu_seconds < 5
    assert outcome.seconds >= 0.2


def test_the_peak_of_memory_is_the_case_s_own(runner: Runner) -> None:
    small = run(runner, "pass")
    large = run(runner, "held = b'x' * (200 * 2**20)")
    again = run(runner, "pass")
    assert small.peak_rss_bytes is not None
    assert large.peak_rss_bytes is not None
    assert again.peak_rss_bytes is not None
    grown = (large.peak_rss_bytes - small.peak_rss_bytes) / 2**20
    assert 190 < grown < 260
    assert again.peak_rss_bytes < large.peak_rss_bytes - 150 * 2**20


def test_cases_share_no_state_and_no_folder(runner: Runner) -> None:
    script = "import os; seen.append(1); open('x', 'x'); metrics.update(n=len(seen), d=os.getcwd())"
    first, second = run(runner, script), run(runner, script)
    assert first.metrics["n"] == second.metrics["n"] == 1
    assert first.metrics["d"] != second.metrics["d"]
    assert not Path(first.metrics["d"]).exists()


def test_temporary_files_go_with_the_case(runner: Runner) -> None:
    outcome = run(
        runner,
        """
        import subprocess, sys, tempfile
        metrics["ours"] = tempfile.mkdtemp()
        code = "import tempfile; print(tempfile.mkdtemp())"
        metrics["theirs"] = subprocess.check_output([sys.executable, "-c", code], text=True)
        """,
    )
    for name in ("ours", "theirs"):
        assert not Path(outcome.metrics[name].strip()).exists()


def test_an_exception_is_a_failure_of_its_stage(runner: Runner) -> None:
    outcome = run(
        runner,
        """
        stage("build"); end(parameters=7)
        stage("transform")
        print("last words")
        raise ValueError("no " + __import__("os").getcwd())
        """,
    )
    assert outcome.status is Status.FAIL
    assert [(s["name"], s["status"]) for s in outcome.stages] == [
        ("build", "pass"),
        ("transform", "fail"),
    ]
    assert outcome.metrics == {"parameters": 7}
    assert outcome.failure is not None
    assert outcome.failure["type"] == "ValueError"
    assert outcome.failure["message"] == "no tmp"
    assert outcome.failure["output"].splitlines() == ["last words"]


@pytest.mark.parametrize("exception", ["SystemExit(3)", "KeyboardInterrupt()"])
def test_leaving_by_an_exception_is_a_failure_too(runner: Runner, exception: str) -> None:
    outcome = run(runner, f"stage('build'); raise {exception}")
    assert outcome.status is Status.FAIL
    assert outcome.failure is not None
    assert outcome.failure["type"] == exception.partition("(")[0]


# --- deaths -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "told", "name"),
    [
        ("os.abort()", "ended by SIGABRT", "SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGFPE)", "ended by SIGFPE", "SIGFPE"),
        ("os.kill(os.getpid(), signal.SIGRTMIN + 3)", None, None),
        ("os._exit(0)", "left the process with exit code 0", None),
        ("os._exit(7)", "left the process with exit code 7", None),
    ],
)
def test_a_death_keeps_the_stages_up_to_it(
    runner: Runner, last: str, told: str | None, name: str | None
) -> None:
    outcome = run(
        runner,
        f"""
        import os, signal
        stage("build"); end(parameters=7)
        stage("transform"); end()
        stage("train")
        os.write(2, b"F0000 check failed: rank >= 0")
        {last}
        """,
    )
    if told is None:
        name = f"signal {signal.SIGRTMIN + 3}"
        told = f"ended by {name}"
    assert outcome.status is Status.CRASH
    assert [(s["name"], s["status"]) for s in outcome.stages] == [
        ("build", "pass"),
        ("transform", "pass"),
        ("train", "crash"),
    ]
    assert outcome.metrics == {"parameters": 7}
    assert outcome.failure is not None
    assert outcome.failure["message"] == told
    assert outcome.failure.get("signal") == name
    assert "check failed: rank >= 0" in outcome.failure["output"]


def test_a_death_before_the_first_stage_is_a_crash(runner: Runner) -> None:
    outcome = run(runner, "import os; os.abort()")
    assert (outcome.status, outcome.stages) == (Status.CRASH, [])


def test_garbage_among_the_events_is_skipped(runner: Runner) -> None:
    outcome = run(
        runner,
        r"""
        import os
        stage("build"); end()
        found = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
        for fd in found:
            if os.readlink(f"/proc/self/fd/{fd}").endswith("events.jsonl"):
                os.write(int(fd), b'\xff\x00garbage\n{"event": 1}\n[1]\n{"no": 1}\nnull\n')
        stage("transform"); end()
        """,
    )
    assert outcome.status is Status.PASS
    assert [s["name"] for s in outcome.stages] == ["build", "transform"]


# --- limits -----------------------------------------------------------------------------


def test_a_case_out_of_time_is_asked_where_it_is_and_ended() -> None:
    began = time.monotonic()
    with Runner(RUNTIME, Limits(seconds=0.3)) as short:
        outcome = run(
            short,
            """
            import time
            def deep_in_the_case(): time.sleep(3600)
            stage("build"); end()
            stage("train")
            deep_in_the_case()
            """,
        )
        after = run(short, "pass")
    assert outcome.status is Status.TIMEOUT
    assert [s["status"] for s in outcome.stages] == ["pass", "timeout"]
    assert outcome.failure is not None
    assert outcome.failure["message"] == "not done after 0.3 s"
    assert "deep_in_the_case" in outcome.failure["output"]
    assert 0.3 + watchdog.GRACE_SECONDS <= outcome.seconds < 20
    assert after.status is Status.PASS
    assert time.monotonic() - began < 30


def test_a_case_over_its_memory_is_ended_with_its_children() -> None:
    with Runner(RUNTIME, Limits(seconds=60, memory_bytes=150 * 2**20)) as small:
        outcome = run(
            small,
            """
            import subprocess, sys, time
            stage("build")
            code = "held = b'x' * (200 * 2**20); import time; time.sleep(3600)"
            subprocess.Popen([sys.executable, "-c", code], start_new_session=True).wait()
            """,
        )
        assert host(small).children(recursive=True) == []
    assert outcome.status is Status.OOM
    assert outcome.failure is not None
    assert outcome.failure["message"] == "over its limit of 0.146484 GiB"
    assert outcome.stages[-1]["status"] == "oom"
    assert outcome.seconds < 30


def test_memory_that_runs_out_inside_is_out_of_memory_too(runner: Runner) -> None:
    outcome = run(runner, "stage('build'); raise MemoryError('cannot allocate')")
    assert outcome.status is Status.OOM
    assert outcome.stages[-1]["status"] == "oom"


# --- what a case leaves behind ----------------------------------------------------------

LEAVE = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
same_group = subprocess.Popen(sleep)
own_session = subprocess.Popen(sleep, start_new_session=True)
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:  # a daemon: nobody of the case is its parent any more
        os.write(write, str(os.getpid()).encode())
        time.sleep(600)
    os._exit(0)
os.wait()
metrics["pids"] = [same_group.pid, own_session.pid, int(os.read(read, 64))]
"""


def test_processes_a_case_started_end_with_it(runner: Runner) -> None:
    outcome = run(runner, LEAVE)
    assert outcome.status is Status.PASS
    assert len(outcome.metrics["pids"]) == 3
    assert [pid for pid in outcome.metrics["pids"] if psutil.pid_exists(pid)] == []
    assert host(runner).children(recursive=True) == []


def test_closing_in_mid_case_ends_the_case_and_the_host(tmp_path: Path) -> None:
    """As Ctrl-C does: the runner is left by an exception while the case runs."""
    mark = tmp_path / "pids"
    script = LEAVE + f"open({str(mark)!r}, 'w').write(f'{{os.getpid()}} {{metrics[\"pids\"]}}')\n"

    def interrupt(*_: object) -> None:
        if mark.exists() and mark.read_text().endswith("]"):
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    one = Runner(RUNTIME, Limits(seconds=60))
    try:
        with pytest.raises(KeyboardInterrupt):
            run(one, script + "time.sleep(600)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    pids = [int(n) for n in re.findall(r"\d+", mark.read_text())]
    assert len(pids) == 4
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert one._host is None


def test_another_thread_can_stop_a_case(tmp_path: Path) -> None:
    mark = tmp_path / "pids"
    script = LEAVE + f"open({str(mark)!r}, 'w').write(f'{{os.getpid()}} {{metrics[\"pids\"]}}')\n"
    one = Runner(RUNTIME, Limits(seconds=60))

    def stop() -> None:
        while not (mark.exists() and mark.read_text().endswith("]")):
            time.sleep(0.02)
        one.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(Stopped):
        run(one, script + "time.sleep(600)")
    stopper.join()
    pids = [int(n) for n in re.findall(r"\d+", mark.read_text())]
    assert len(pids) == 4
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert one._host is None
    with pytest.raises(Stopped):  # for good
        run(one, "pass")
    one.close()


# --- the host ---------------------------------------------------------------------------


def test_cases_share_a_host_until_it_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    with Runner(RUNTIME) as one:
        run(one, "pass")
        first = host(one).pid
        run(one, "held = b'x' * (50 * 2**20)")
        assert host(one).pid == first, "what a case uses is not the host's"
        monkeypatch.setattr(host_process, "HOST_GROWTH_BYTES", -(2**40))
        assert run(one, "pass").status is Status.PASS
        second = host(one).pid
        assert second != first
        assert not psutil.pid_exists(first)
        monkeypatch.undo()
        run(one, "pass")
        assert host(one).pid == second


def test_a_host_that_dies_in_mid_case_costs_that_case() -> None:
    with Runner(RUNTIME) as one:
        outcome = run(
            one,
            """
            import os, signal, time
            stage("build"); end(parameters=7)
            stage("transform")
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(600)
            """,
        )
        assert outcome.status is Status.ERROR
        assert [(s["name"], s["status"]) for s in outcome.stages] == [
            ("build", "pass"),
            ("transform", "error"),
        ]
        assert outcome.failure is not None
        assert outcome.failure["message"] == "the host process went away"
        assert run(one, "pass").status is Status.PASS


def test_a_host_that_died_between_cases_is_the_harness_own_fault_once() -> None:
    with Runner(RUNTIME) as one:
        run(one, "pass")
        host(one).kill()
        psutil.wait_procs([host(one)], timeout=5)
        assert run(one, "pass").status is Status.ERROR
        assert run(one, "pass").status is Status.PASS


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A runtime whose preload does what the file ``how`` says."""
    (tmp_path / "odd_runtime.py").write_text(
        "import os, sys, time\nfrom pathlib import Path\n"
        "def preload():\n    exec(Path(__file__).with_name('how').read_text())\n"
        "def run(request, report):\n    return {}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "odd_runtime"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("raise ImportError('no such library')", "no such library"),
        ("print('cannot go on', flush=True); os._exit(1)", "the host process went away"),
        ("sys.exit('not like this')", "not like this"),
    ],
)
def test_a_host_that_cannot_start_is_told_and_tried_again(
    tmp_path: Path, runtime: str, how: str, told: str
) -> None:
    (tmp_path / "how").write_text(how)
    with Runner(runtime) as one:
        outcome = one.run({})
        assert outcome.status is Status.ERROR
        assert outcome.failure is not None
        assert told in outcome.failure["message"]
        if "print" in how:
            assert outcome.failure["output"].strip() == "cannot go on"
        assert one._host is None
        (tmp_path / "how").write_text("pass")
        assert one.run({}).status is Status.PASS


def test_a_host_that_never_gets_ready_is_given_up(
    tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "how").write_text("time.sleep(600)")
    monkeypatch.setattr(host_process, "READY_SECONDS", 0.2)
    monkeypatch.setattr(host_process, "CLOSE_SECONDS", 0.2)
    began = time.monotonic()
    with Runner(runtime) as one:
        outcome = one.run({})
    assert outcome.failure is not None
    assert outcome.failure["message"] == "the host process could not start: no answer in time"
    assert time.monotonic() - began < 15


def test_a_machine_without_room_for_a_host_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    open_before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    monkeypatch.setattr(sys, "executable", "no-such-python")
    with Runner(RUNTIME) as one:
        outcome = one.run({"script": "pass"})
    assert outcome.status is Status.ERROR
    assert outcome.failure is not None
    assert outcome.failure["message"].startswith("the host process could not start: ")
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) <= open_before + 1, "pipes were left open"


def test_scratch_folders_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Runner(RUNTIME) as one:
        run(one, "open('model.h5', 'w').write('x' * 10_000)")
        run(one, "import os; open('model.h5', 'w').write('x'); os.abort()")
        run(one, "import os, signal; os.kill(os.getppid(), signal.SIGKILL)")
    assert list(tmp_path.iterdir()) == []


def test_cases_get_huge_pages_for_what_they_allocate(runner: Runner) -> None:
    outcome = run(runner, "import os; metrics['told'] = os.environ['GLIBC_TUNABLES']")
    assert "glibc.malloc.hugetlb=1" in outcome.metrics["told"]
