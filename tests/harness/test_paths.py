"""Text without the paths and names of the machine it came from."""

from __future__ import annotations

import os
import socket
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import paths

SITE = sysconfig.get_path("purelib")
STDLIB = sysconfig.get_path("stdlib")
PROJECT = str(paths.PROJECT)
TMP = tempfile.gettempdir()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody's home that holds nothing of this machine."""
    monkeypatch.setenv("HOME", "/home/somebody")
    paths._roots.cache_clear()
    yield
    paths._roots.cache_clear()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"{SITE}/tf_keras/src/models.py", "tf_keras/src/models.py"),
        (f'File "{SITE}/tf_keras/src/x.py", line 3', 'File "tf_keras/src/x.py", line 3'),
        (f"{STDLIB}/json/decoder.py", "python/json/decoder.py"),
        (f"{PROJECT}/optim/pruning.py:12", "optim/pruning.py:12"),
        (f"in {PROJECT}, or", "in ., or"),
        (f"{TMP}/tfmot-matrix-x1/model.h5", "tmp/tfmot-matrix-x1/model.h5"),
        (f"a:{TMP}/b c:{TMP}/d", "a:tmp/b c:tmp/d"),
        (f"it is in {TMP}.", "it is in tmp."),
        ("/home/somebody/models/net.py", "home/models/net.py"),
        ("cd /home/somebody", "cd home"),
        ("'/home/somebody'", "'home'"),
        ("/home/else/net.h5", "home/net.h5"),
        ("/Users/else", "home"),
        ("/data/set/deep/down/net.h5", "net.h5"),
        ("no file '/mnt/disk/x/net.h5'", "no file 'net.h5'"),
    ],
)
def test_machine_paths_are_cut(text: str, clean: str) -> None:
    assert paths.scrub(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/tensorflow/model-optimization/issues/957",
        "model/root/tmp/conv/kernel",
        f"scope{TMP}/conv",
        "a / b / c",
        "/dev/null",
        "1/2/3",
        "/job:localhost/replica:0/task:0/device:CPU:0",
        "tf_keras/src/layers/core/tf_op_layer.py",
        f"{TMP}file/x",
        "<class 'a/b/c'>",
    ],
)
def test_what_is_no_path_of_this_machine_stays(text: str) -> None:
    assert paths.scrub(text) == text


def test_the_host_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "build-7.lan")
    assert paths.scrub("on build-7.lan: no") == "on host: no"
    monkeypatch.setattr(socket, "gethostname", lambda: "vm")
    assert paths.scrub("vm vmx") == "vm vmx"


def test_a_link_to_a_package_is_cut_like_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(paths.PROJECT)
    assert paths.relative(str(tmp_path / "link" / "harness" / "x.py")) == "harness/x.py"
    assert paths.relative("harness/x.py") == "harness/x.py"


def test_caches_go_where_the_user_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.path.join("some", "where"))
    assert paths.cache_dir() == Path("some/where/tfmot-matrix")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert paths.cache_dir() == Path("/home/somebody/.cache/tfmot-matrix")
