"""Cases of one group share a process while it is fit, and never more than the process."""

from __future__ import annotations

import os
import resource
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.execution import child, host_process
from harness.execution.attempt import Limits, Outcome
from harness.execution.runner import Runner
from harness.vocabulary import Status

RUNTIME = "fakes.grouped_runtime"

#: Counts the cases of a process and tells which it is.
COUNT = "import os; seen.append(1); metrics.update(n=len(seen), pid=os.getpid())\n"


@pytest.fixture
def runner() -> Iterator[Runner]:
    with Runner(RUNTIME, Limits(seconds=60)) as one:
        yield one


def run(runner: Runner, script: str = "", group: str = "A", **more: Any) -> Outcome:
    return runner.run({"script": COUNT + textwrap.dedent(script), "group": group, **more})


def test_cases_of_one_group_share_a_process_and_others_do_not(runner: Runner) -> None:
    found = [run(runner, group=group).metrics for group in "AAABBA"]
    assert [one["n"] for one in found] == [1, 2, 3, 1, 2, 1]
    assert len({one["pid"] for one in found}) == 3
    alive = [one["pid"] for one in found if psutil.pid_exists(one["pid"])]
    assert set(alive) == {found[-1]["pid"]}


def test_a_process_of_its_own_on_request_may_be_followed(runner: Runner) -> None:
    found = [run(runner), run(runner, alone=True), run(runner)]
    assert [one.metrics["n"] for one in found] == [1, 1, 2]


def test_nothing_of_a_case_is_left_for_the_next(runner: Runner) -> None:
    first = run(
        runner,
        """
        import os, sys, tempfile
        print("first words")
        open("mine", "w").close()
        sys.path.insert(0, "/nowhere")
        os.environ.update(LEFT="x", HOME="/nowhere")
        stage("build"); end(parameters=7)
        metrics.update(cwd=os.getcwd(), tmp=tempfile.mkdtemp())
        """,
    )
    second = run(
        runner,
        """
        import os, sys, tempfile
        stage("transform")
        metrics.update(cwd=os.getcwd(), files=sorted(os.listdir()), tmp=tempfile.gettempdir())
        metrics.update(environment=dict(os.environ), path=list(sys.path))
        metrics["open"] = [os.readlink(f"/proc/self/fd/{fd}") for fd in ("1", "2")]
        metrics["descriptors"] = len(os.listdir("/proc/self/fd"))
        end()
        """,
    )
    third = run(runner, 'metrics["descriptors"] = len(os.listdir("/proc/self/fd"))')
    assert [one.metrics["n"] for one in (first, second, third)] == [1, 2, 3]
    assert second.metrics["files"] == ["events.jsonl", "output.txt"]
    assert second.metrics["tmp"] == second.metrics["cwd"] != first.metrics["cwd"]
    assert "LEFT" not in second.metrics["environment"]
    assert second.metrics["environment"]["HOME"] == os.environ["HOME"]
    assert "/nowhere" not in second.metrics["path"]
    assert second.metrics["open"] == [f"{second.metrics['cwd']}/output.txt"] * 2
    assert "parameters" not in second.metrics
    assert [s["name"] for s in second.stages] == ["transform"]
    assert third.metrics["descriptors"] == second.metrics["descriptors"]
    assert not Path(first.metrics["tmp"]).exists()


def test_each_case_tells_its_own_costs(runner: Runner) -> None:
    burn = """
    import time
    until = time.process_time() + {seconds}
    while time.process_time() < until: pass
    held = b"x" * ({mebibytes} * 2**20)
    del held
    """
    found = [
        run(runner, burn.format(seconds=seconds, mebibytes=mebibytes))
        for seconds, mebibytes in ((0.1, 0), (2.0, 200), (0.1, 0))
    ]
    assert [one.metrics["n"] for one in found] == [1, 2, 3]
    for one, least in zip(found, (0.1, 2.0, 0.1), strict=True):
        assert least <= one.cpu_seconds < least + 1.5  # a busy machine makes everything dearer
    small, large, again = (one.peak_rss_bytes / 2**20 for one in found if one.peak_rss_bytes)
    assert 190 < large - small < 260
    assert again < large - 150


def test_without_a_resettable_peak_the_largest_so_far_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Quiet:
        @staticmethod
        def run(request: Any, report: Any) -> dict[str, Any]:
            return {}

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    monkeypatch.setattr(child, "_reset_peak", lambda: False)
    monkeypatch.chdir(tmp_path)
    told = child._Process(Quiet, tmp_path).run({"scratch": str(tmp_path)})
    assert told["peak_rss_bytes"] >= largest


# --- when a process is not kept ---------------------------------------------------------


@pytest.mark.parametrize(
    "left",
    [
        "import threading; threading.Thread(target=__import__('time').sleep, args=(600,)).start()",
        "import subprocess; subprocess.Popen(['sleep', '600'])",
        "seen.append(bytearray(os.urandom(1)) * (64 * 2**20))",
    ],
    ids=["thread", "process", "memory"],
)
def test_a_process_that_something_is_left_in_is_replaced(left: str) -> None:
    with Runner("fakes.tight_runtime", Limits(seconds=60)) as runner:
        found = [run(runner, script) for script in ("", left, "")]
        assert [one.status for one in found] == [Status.PASS] * 3
        assert [one.metrics["n"] for one in found] == [1, 2, 1]
        assert not psutil.pid_exists(found[0].metrics["pid"])
        alive = psutil.Process(runner._host._process.pid).children(recursive=True)  # type: ignore[union-attr]
        assert [one.pid for one in alive] == [found[-1].metrics["pid"]]


def test_memory_that_the_runtime_keeps_ends_no_process() -> None:
    with Runner("fakes.tight_runtime", Limits(seconds=60)) as runner:
        keep = "seen.append(b'x' * (64 * 2**20))"
        found = [run(runner, script).metrics["pid"] for script in ("", keep, "", keep, "")]
    assert len(set(found)) == 1


def test_a_process_left_by_its_case_in_another_session_ends(runner: Runner) -> None:
    script = """
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:  # a daemon: nobody of the case is its parent any more
            import time
            os.write(write, str(os.getpid()).encode())
            time.sleep(600)
        os._exit(0)
    os.wait()
    metrics["daemon"] = int(os.read(read, 64))
    """
    outcome = run(runner, script)
    assert not psutil.pid_exists(outcome.metrics["daemon"])
    assert run(runner).metrics["n"] == 2


# --- what misbehaves --------------------------------------------------------------------

#: Fails as it is told in a process that has run another case, and passes in one of its own.
ONLY_WHEN_USED = "if len(seen) > 1:\n    import os, time\n    {fault}\nmetrics['fresh'] = True\n"


@pytest.mark.parametrize(
    "fault",
    ["os.abort()", "os._exit(0)", "raise ValueError('only here')", "time.sleep(600)"],
)
def test_what_fails_in_a_used_process_is_run_again_in_a_fresh_one(fault: str) -> None:
    with Runner(RUNTIME, Limits(seconds=1)) as runner:
        first = run(runner)
        second = run(runner, ONLY_WHEN_USED.format(fault=fault))
        third = run(runner)
    assert second.status is Status.PASS
    assert second.failure is None
    assert second.metrics["fresh"] is True
    assert [one.metrics["n"] for one in (first, second, third)] == [1, 1, 2]
    assert not psutil.pid_exists(first.metrics["pid"])


def test_memory_of_a_used_process_counts_for_nobody_else() -> None:
    fault = "held = bytearray(os.urandom(1)) * (200 * 2**20); time.sleep(600)"
    with Runner(RUNTIME, Limits(seconds=60, memory_bytes=150 * 2**20)) as runner:
        run(runner)
        outcome = run(runner, ONLY_WHEN_USED.format(fault=fault))
    assert (outcome.status, outcome.metrics["n"]) == (Status.PASS, 1)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("os.abort()", Status.CRASH),
        ("raise ValueError('everywhere')", Status.FAIL),
        ("import time; time.sleep(600)", Status.TIMEOUT),
        ("raise MemoryError('cannot allocate')", Status.OOM),
    ],
)
def test_what_fails_everywhere_is_told_of_the_fresh_process(fault: str, status: Status) -> None:
    with Runner(RUNTIME, Limits(seconds=1)) as runner:
        run(runner)
        told = f"stage('build'); end(n=len(seen)); stage('train'); {fault}"
        outcome = run(runner, told)
        after = run(runner)
    assert outcome.status is status
    assert outcome.metrics == {"n": 1}
    assert [(s["name"], s["status"]) for s in outcome.stages] == [
        ("build", "pass"),
        ("train", str(status)),
    ]
    assert after.status is Status.PASS


def test_a_process_that_died_between_cases_costs_none(runner: Runner) -> None:
    pid = run(runner).metrics["pid"]
    psutil.Process(pid).kill()
    time.sleep(0.1)
    after = run(runner)
    assert (after.status, after.metrics["n"]) == (Status.PASS, 1)


def test_closing_ends_the_kept_process_and_removes_its_folder(runner: Runner) -> None:
    pid = run(runner).metrics["pid"]
    assert psutil.pid_exists(pid)
    folder = runner._host._folder if runner._host else ""
    assert len(list(Path(folder).iterdir())) == 1
    runner.close()
    assert not psutil.pid_exists(pid)
    assert not Path(folder).exists()


def test_a_host_that_has_grown_is_replaced_with_its_process(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = run(runner).metrics["pid"]
    monkeypatch.setattr(host_process, "HOST_GROWTH_BYTES", -(2**40))
    assert run(runner).metrics["n"] == 1
    assert not psutil.pid_exists(pid)
