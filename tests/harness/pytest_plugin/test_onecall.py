"""The one-call form for a notebook or a terminal."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import harness
from harness import techniques
from harness.records import Record
from harness.runs import one_call
from harness.vocabulary import UsageError

FakeKeras = Callable[..., Path]
call = harness.test_applications

RUNTIME = "fakes.fake_runtime"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_it_prints_a_line_per_application_and_returns_the_records(
    fake_keras: FakeKeras, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_keras(Pass=2, Nested=1, Abort=1)
    found = call(runtime=RUNTIME)
    lines = capsys.readouterr().out.splitlines()
    assert [r.case for r in found] == [
        "Abort0-qat-notop",
        "Nested0-qat-notop",
        "Pass0-qat-notop",
        "Pass1-qat-notop",
    ]
    assert all(isinstance(r, Record) for r in found)
    assert [(r.status, r.label) for r in found] == [
        ("crash", "crash"),
        ("fail", "nested-model"),
        ("pass", None),
        ("pass", None),
    ]
    assert len(lines) == 4
    assert lines[0].startswith("crash    Abort0   transform: crash - Crash: ended by SIGABRT")
    assert lines[1].startswith("fail     Nested0  transform: nested model - ValueError: Quantizing")
    assert re.fullmatch(r"ok       Pass0    \d+\.\d s", lines[2])
    assert "\033" not in "".join(lines)


def test_what_is_returned_shows_as_a_line_each(
    fake_keras: FakeKeras, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_keras(Pass=1, Garbage=1)
    found = call(runtime=RUNTIME)
    printed = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdout", Terminal())  # a notebook shows no colour
    assert f"{found!r}\n" == printed
    assert len(repr(found).splitlines()) == 2
    assert [repr(record) for record in found] == [
        "<Record Garbage0-qat-notop: fail in transform: unclassified>",
        "<Record Pass0-qat-notop: pass>",
    ]
    assert len(repr(found[:])) < 120
    assert repr(type(found)()) == "no records"


def test_it_takes_names_a_technique_a_variant_and_a_stage(
    fake_keras: FakeKeras, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_keras(Pass=3, Odd=1)
    (found,) = call("Pass1", include_top=True, technique="prune", until="build", runtime=RUNTIME)
    assert (found.case, found.until, found.stage) == ("Pass1-prune-top", "build", "build")
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert not found.reused
    assert found.environment["keras_module"] == "fakekeras"


def test_it_is_in_colour_on_a_terminal_only(
    fake_keras: FakeKeras, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_keras(Pass=1, Rank=1)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    call(["Pass0", "Rank0"], runtime=RUNTIME)
    green, red = terminal.getvalue().splitlines()
    assert green.startswith("\033[32mok ")
    assert red.startswith("\033[31mfail ")
    assert green.endswith("\033[0m")
    assert red.endswith("\033[0m")


def test_a_message_cannot_drive_the_terminal(
    fake_keras: FakeKeras, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_keras(Garbage=1)
    call(runtime=RUNTIME)
    (line,) = capsys.readouterr().out.splitlines()
    assert "<script>" in line
    assert line.isprintable()


@pytest.mark.parametrize(
    ("name", "rows"),
    [("fakekeras.applications", 2), ("fakekeras.api._v2.keras.applications", 2)],
)
def test_it_takes_the_applications_module_of_a_package(
    fake_keras: FakeKeras, name: str, rows: int
) -> None:
    fake_keras(Pass=2)
    assert len(one_call._rows(ModuleType(name))) == rows


def test_unknown_words_are_refused_before_anything_runs(
    fake_keras: FakeKeras, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_keras(Pass=1)
    with pytest.raises(UsageError, match="unknown application 'Pas0': did you mean Pass0"):
        call("Pas0", runtime=RUNTIME)
    with pytest.raises(UsageError, match="unknown technique 'qat-anotate': did you mean qat-anno"):
        call(technique="qat-anotate", runtime=RUNTIME)
    with pytest.raises(UsageError, match="unknown stage 'traain': did you mean train"):
        call(until="traain", runtime=RUNTIME)
    with pytest.raises(UsageError, match="fakekeras is no `applications` module"):
        call(ModuleType("fakekeras"), runtime=RUNTIME)
    with pytest.raises(UsageError, match="no application is given"):
        call([], runtime=RUNTIME)
    with pytest.raises(UsageError, match="--runtime nowhere: No module named"):
        call(runtime="nowhere")
    assert capsys.readouterr().out == ""


def test_the_real_runtime_refuses_another_keras(
    fake_keras: FakeKeras, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_keras(Pass=1)
    with pytest.raises(UsageError, match=r"KERAS_MODULE=fakekeras: .* works with tf_keras only"):
        call()


def test_the_spelling_in_use_today_is_the_same_function() -> None:
    assert harness.test_aplications is harness.test_applications is one_call.test_applications
    with pytest.raises(AttributeError, match="no attribute 'test_aplication'"):
        harness.test_aplication  # noqa: B018
    assert techniques.registry()["qat-annotate"].owner == "recipe"


def test_pytest_collects_neither(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "from harness import test_aplications, test_applications\n"
        "import harness.runs.one_call as test_module\n"
        "def test_own(): pass\n"
    )
    plugins = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "--collect-only", "-q", "test_mine.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert [line for line in done.stdout.splitlines() if "::" in line] == ["test_mine.py::test_own"]
