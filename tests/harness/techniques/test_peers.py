"""Peers: what is not installed is skipped, and what runs in another interpreter."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import techniques
from harness.matrix import cases
from harness.matrix.application import Application
from harness.matrix.cases import Case
from harness.provenance import keys
from harness.report.headings import headings
from harness.runs.from_outcome import from_outcome
from harness.runs.recorder import Recorder
from harness.runs.settings import Settings
from harness.stages.workbench import Options
from harness.techniques.peers import foreign, interpreters
from harness.techniques.peers.aeq import PtqAeq
from harness.techniques.peers.foreign import Foreign
from harness.techniques.peers.mct import PtqMct
from harness.techniques.peers.peer import Peer, PeerError, one_by_one
from harness.vocabulary import STAGES, Status

WORKER = """
import sys
from pathlib import Path
import numpy as np
folder = Path(sys.argv[1])
arrays = np.load(folder / "data.npz")
print("read", len(arrays.files))
assert (folder / "model.h5").read_text() == "a model"
if float(arrays["00000_0"].max()) > 10:
    raise SystemExit("MyError: too large")
(folder / "model.tflite").write_bytes(b"file of " + str(sorted(arrays.files)).encode())
"""


class FakeModel:
    def save(self, path: Path, include_optimizer: bool) -> None:
        Path(path).write_text("a model")


@pytest.fixture(autouse=True)
def _no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(interpreters.VARIABLE, "{}")
    interpreters.versions.cache_clear()


@pytest.fixture
def mine(tmp_path: Path) -> Foreign:
    path = tmp_path / "mine_worker.py"
    path.write_text(WORKER)

    class Mine(Foreign):
        id = "ptq-mine"
        interpreter = "mine"
        distributions = ("numpy",)
        script = path
        wants_sizes = False

    return Mine()


def case_of(technique: Any) -> Case:
    application = Application("Net", "net", "nets", "Net", "0")
    return Case(application, technique, "notop")


class Missing(Peer):
    id = "ptq-missing"
    distributions = ("no-such-distribution",)


def test_what_is_not_installed_is_skipped_with_the_line_that_installs_it(tmp_path: Path) -> None:
    case = case_of(Missing())
    recorder = Recorder(Settings(results=tmp_path))
    outcome = recorder.foregone(case)
    assert outcome is not None
    assert outcome.status is Status.SKIPPED
    record = from_outcome(case, outcome, until=STAGES[-1])
    assert record.label == "not-installed"
    assert record.failure is not None
    assert "no-such-distribution not installed" in record.failure.message
    assert "pip install -c constraints.txt -e '.[peers]'" in record.failure.message
    assert not record.fails_anew


def test_another_runtime_needs_no_tool(tmp_path: Path) -> None:
    recorder = Recorder(Settings(results=tmp_path, runtime="fakes.fake_runtime"))
    assert recorder.foregone(case_of(Missing())) is None


def test_what_is_installed_is_not_skipped(tmp_path: Path) -> None:
    class There(Missing):
        distributions = ("numpy",)

    assert Recorder(Settings(results=tmp_path)).foregone(case_of(There())) is None


def test_the_version_of_a_tool_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    versions: Mapping[str, str] = {"tool": "1"}
    one = PtqAeq()
    monkeypatch.setattr(PtqAeq, "depends", lambda self: versions)
    case = case_of(one)
    before = keys.key(case, STAGES[-1], Options())
    versions = {"tool": "2"}
    assert keys.key(case, STAGES[-1], Options()) != before


def test_a_column_on_request_is_no_part_of_a_run_until_its_interpreter_is_named() -> None:
    def ids() -> list[str]:
        return [t.id for t in techniques.select()]

    assert "ptq-mct" not in ids()
    assert {"ptq-tflite", "ptq-aeq", "ptq-aeq-dynamic"} <= set(ids())
    assert [t.id for t in techniques.select(["ptq-mct"])] == ["ptq-mct"]
    interpreters.name([("mct", sys.executable)])
    assert "ptq-mct" in ids()


def test_an_unnamed_interpreter_is_asked_for() -> None:
    told = PtqMct().unavailable()
    assert told is not None
    assert "--peer-python mct=PATH" in told
    interpreters.name([("mct", sys.executable)])
    there = importlib.util.find_spec("model_compression_toolkit") is not None
    told = PtqMct().unavailable()
    assert there or (told and "-m pip install model-compression-toolkit" in told)


def test_a_model_goes_to_another_interpreter_and_comes_back_as_a_file(
    mine: Foreign, tmp_path: Path
) -> None:
    interpreters.name([("mine", sys.executable)])
    data = [np.zeros((2, 3), "float32"), np.zeros((1, 3), "float32")]
    mine.export(FakeModel(), tmp_path / "out.tflite", (3,), data)
    assert (tmp_path / "out.tflite").read_bytes() == b"file of ['00000_0', '00001_0']"
    assert sorted(x.name for x in tmp_path.iterdir()) == ["mine_worker.py", "out.tflite"]
    told = mine.inspect(tmp_path / "out.tflite", {})["peer_versions"]
    assert f"numpy {np.__version__}" in told
    assert "script" not in told


def test_what_went_wrong_there_is_told_here(
    mine: Foreign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interpreters.name([("mine", sys.executable)])
    with pytest.raises(PeerError, match="exit code 1: MyError: too large"):
        mine.export(FakeModel(), tmp_path / "out.tflite", (3,), [np.full((1, 3), 99.0)])
    assert "read 1" in capsys.readouterr().out
    assert not (tmp_path / "out.tflite").exists()


def test_a_script_that_leaves_no_file_has_failed(tmp_path: Path) -> None:
    script = tmp_path / "empty_worker.py"
    script.write_text("")
    with pytest.raises(PeerError, match="exit code 0: it printed nothing"):
        foreign.run(sys.executable, script, tmp_path)


def test_another_script_is_another_key(mine: Foreign) -> None:
    before = mine.depends()
    mine.script.write_text(WORKER + "# changed\n")
    assert mine.depends() != before


@pytest.mark.parametrize("word", ["mct", "=x", "mct=", "mct=/no/such/python"])
def test_a_name_and_a_path_are_wanted(word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        interpreters.read(word)


def test_an_interpreter_is_not_followed_to_where_its_link_leads(tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    assert interpreters.read(f"mct={link}") == ("mct", str(link))


def test_the_worker_of_mct_imports_nothing_of_ours() -> None:
    source = PtqMct.script.read_text(encoding="utf-8")
    assert "import harness" not in source
    assert "from harness" not in source
    done = subprocess.run(
        [sys.executable, "-I", "-m", "py_compile", str(PtqMct.script)], capture_output=True
    )
    assert done.returncode == 0


def test_peers_stand_in_a_group_of_their_own() -> None:
    peers = ["ptq-tflite", "ptq-aeq", "ptq-aeq-dynamic", "ptq-mct"]
    found = headings(["ptq-int8", *peers])
    assert {found[name].group for name in peers} == {"peers"}
    assert found["ptq-int8"].group == "ours"


def test_samples_come_one_by_one() -> None:
    two = [[np.arange(2), np.arange(2) + 10], [np.arange(1), np.arange(1)]]
    assert [[int(x[0]) for x in one] for one in one_by_one(two)] == [[0, 10], [1, 11], [0, 0]]
    assert [len(one) for one in one_by_one([np.zeros((3, 2))])] == [1, 1, 1]


def test_ids_of_peers_are_read_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "harness.matrix.discovery.discover", lambda *a: (case_of(PtqAeq()).application,)
    )
    assert cases.parse("Net-ptq-aeq-dynamic-notop").technique.id == "ptq-aeq-dynamic"
    assert cases.parse("Net-ptq-aeq-notop").technique.id == "ptq-aeq"
