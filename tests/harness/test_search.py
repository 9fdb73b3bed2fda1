"""Folders that hold modules of our names: ours are imported, and a user's own are still found."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from workbench import Bench

from harness import search
from harness.matrix import discovery
from harness.paths import PROJECT
from harness.provenance.sources import Sources

FOREIGN = "raise ImportError('imported from the current folder')\n"

#: A runtime, and an application, of the user's own.
MINE = """
import importlib.util
from pathlib import Path

from fake_runtime import check, run

def preload():
    import harness.vocabulary
    for name in ("harness", "optim"):  # the latter refuses a Keras that is a fake
        found = Path(importlib.util.find_spec(name).origin)
        assert found == Path(PROJECT, name, "__init__.py"), found

def Pass(weights=None):
    pass
"""

#: As the file that pip installs for the console script.
SCRIPT = "import sys\nfrom harness.cli.main import main\nsys.exit(main())\n"


@pytest.fixture
def folder(bench: Bench) -> Path:
    """A folder with modules of our names, and one of the user's own."""
    bench.has(Pass=1).options()  # its files
    found = bench.root / "work"
    found.mkdir()
    (found / "mine.py").write_text(f"PROJECT = {str(PROJECT)!r}\n{MINE}")
    (found / "optim.py").write_text(FOREIGN)
    (bench.root / "script.py").write_text(SCRIPT)
    return found


def with_harness(folder: Path, *, package: bool) -> None:
    (folder / "harness").mkdir()
    (folder / "harness" / "vocabulary.py").write_text(FOREIGN)
    if package:
        (folder / "harness" / "__init__.py").write_text(FOREIGN)


def go(bench: Bench, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env=bench.environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def chosen(bench: Bench) -> list[str]:
    own = ["--applications", "Pass0,mine:Pass", "--techniques", "float", "--runtime", "mine"]
    return [*bench.options(), *own]


def assert_passed(bench: Bench, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    found = bench.records()
    assert {case: record.status for case, record in found.items()} == {
        "Pass0-float-notop": "pass",
        "Pass-float-notop": "pass",
    }


@pytest.mark.parametrize("package", [None, False, True])
def test_the_command_finds_its_own_packages(
    bench: Bench, folder: Path, package: bool | None
) -> None:
    if package is not None:
        with_harness(folder, package=package)
    script = str(bench.root / "script.py")
    assert_passed(bench, go(bench, folder, script, "run", "-n", "2", *chosen(bench)))


def test_python_m_finds_the_right_optim(bench: Bench, folder: Path) -> None:
    done = go(bench, folder, "-m", "harness", "run", "-n", "2", *chosen(bench))
    assert_passed(bench, done)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_pytest_finds_the_right_optim(bench: Bench, folder: Path, workers: str) -> None:
    done = go(bench, folder, *bench.command(*chosen(bench), "-n", workers)[1:])
    assert_passed(bench, done)


def test_a_record_is_of_our_code_whatever_is_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "optim", raising=False)
    source = Sources().read("optim")
    assert source is not None
    assert source.text == (PROJECT / "optim" / "__init__.py").read_text(encoding="utf-8")


def test_discovery_asks_a_python_that_does_not_look_here_first(
    folder: Path, fake_keras: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = fake_keras() / "theirkeras"
    theirs.mkdir()
    (theirs / "__init__.py").touch()
    (theirs / "applications.py").write_text("class Net: pass\n")
    (folder / "inspect.py").write_text(FOREIGN)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    assert [row.name for row in discovery._ask_python("theirkeras")] == ["Net"]


def test_the_current_folder_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = str(tmp_path)
    assert search.here_last(["", "/a", here, f"{here}/", "/b"]) == ["/a", "/b", here]
    assert search.here_last(["/a"]) == ["/a", here]
    monkeypatch.setattr(sys, "path", ["", "/a", here])
    assert search.for_children() == os.pathsep.join([str(PROJECT), "/a", here])


def test_a_checkout_that_is_the_current_folder_stays_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(PROJECT)
    assert search.here_last(["", "/a"]) == ["", "/a"]
    assert search.here_last([str(PROJECT), "/a"]) == [str(PROJECT), "/a"]
    assert search.here_last(["/a"]) == ["/a", str(PROJECT)]


def test_a_folder_that_is_gone_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert search.here_last(["", "/a"]) == ["/a"]
