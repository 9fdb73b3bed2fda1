"""`harness check` from its words to its exit code, with a runtime that needs no TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import records
from harness.cli import main as cli
from harness.paths import PROJECT
from harness.vocabulary import Exit

FAKES = Path(__file__).parents[1] / "fakes"

Check = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Runs the command in a folder that has nothing to do with the project."""

    def run(name: str, *words: str) -> subprocess.CompletedProcess[str]:
        with zipfile.ZipFile(tmp_path / f"{name}.keras", "w") as archive:
            archive.writestr("config.json", "{}")
            archive.writestr("metadata.json", '{"keras_version": "2.21.0"}')
        return subprocess.run(
            [
                *(sys.executable, "-m", "harness", "check", f"{name}.keras", *words),
                *("--runtime", "checking_runtime"),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), str(FAKES)])},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_a_line_for_each_technique_then_what_to_do(check: Check) -> None:
    done = check("net")
    assert done.returncode == Exit.AS_EXPECTED, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "net.keras: a .keras file of Keras 2"
    names = [line.split()[0] for line in lines if "  pass" in line]
    assert names == ["float", "ptq-int8", "ptq-dynamic", "ptq-float16"]
    (int8,) = (line for line in lines if "ptq-int8 " in line and "pass" in line)
    for figure in ("1.1 MB", "28%", "int8  98%", "31.0 dB", "latency 0.40 of float"):
        assert figure in int8
    assert "1 float island in it: act_<b>" in done.stdout
    assert "Take ptq-int8" in done.stdout
    assert "Inputs were made up" in done.stdout
    assert [line.strip() for line in lines[-4:]] == [
        "import optim",
        "model = optim.load_model('net.keras')",
        "data = ...  # batches of inputs such as the model will see, a few hundred in all",
        'optim.export(model, "net-ptq-int8.tflite", optimize="int8", representative_data=data)',
    ]


def test_what_fails_is_told_with_what_to_change_and_the_rest_goes_on(check: Check) -> None:
    done = check("partly", "--techniques", "ptq-int8,ptq-dynamic")
    assert done.returncode == Exit.REGRESSION
    assert "ptq-int8     fail at export" in done.stdout
    assert "operation FFT of layer spectrum" in done.stdout
    assert "Take ptq-dynamic" in done.stdout


def test_a_model_that_cannot_be_exported_blocks_the_others(check: Check) -> None:
    done = check("broken")
    assert done.returncode == Exit.REGRESSION
    assert done.stdout.count("blocked at export") == 3
    assert "Nothing can be said" in done.stdout


def test_a_file_that_brings_code_is_one_sentence_and_an_error_of_the_call(check: Check) -> None:
    done = check("untrusted", "-o", "report")
    assert done.returncode == Exit.USAGE
    assert done.stderr.count("\n") == 1
    assert "evil has Python code" in done.stderr
    assert "--trust" in done.stderr


def test_a_process_that_dies_takes_no_other_technique_with_it(check: Check) -> None:
    done = check("hungry", "--techniques", "ptq-int8,ptq-dynamic")
    assert done.returncode == Exit.REGRESSION
    assert "ptq-int8     crash at build" in done.stdout
    assert "ptq-dynamic  pass" in done.stdout


def test_json_is_all_of_standard_output(check: Check) -> None:
    done = check("net", "--json", "-o", "report")
    found = json.loads(done.stdout)
    assert found["records"][0]["technique"] == "float"
    assert {r["status"] for r in found["records"]} == {"pass"}
    assert {r["expectation"] for r in found["records"]} == {"new"}
    assert found["verdict"]["technique"] == "ptq-int8"
    assert found["verdict"]["cost"] == {
        "size": 0.275, "time": 0.4, "sqnr_db": 31.0, "agreement": 0.97,
    }  # fmt: skip
    assert found["page"] == "report/index.html"
    assert "ptq-int8" in done.stderr


def test_the_folder_gets_page_records_files_and_scripts(check: Check, tmp_path: Path) -> None:
    done = check("net", "-o", "a/report", "--save")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "a" / "report"
    kept = {p.name for p in folder.iterdir()}
    assert {"index.html", "results.jsonl", "net-ptq-int8.tflite", "net-ptq-int8.py"} <= kept
    found = records.read(folder / "results.jsonl").records
    assert [r.repro for r in found][1] == "python -m harness check net.keras --techniques ptq-int8"
    page = (folder / "index.html").read_text()
    assert "act_&lt;b&gt;" in page
    assert "act_<b>" not in page
    assert "because of &lt;this&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    for told in ("Take ptq-int8", "no int8 kernel", "12.0", "7.5 bits used"):
        assert told in page
    compile((folder / "net-ptq-int8.py").read_text(), "net-ptq-int8.py", "exec")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["check", "absent.keras"], "no model file at 'absent.keras'"),
        (["check", "nosuch.module:net"], "there is no module 'nosuch.module'"),
        (["check", "here.txt"], "no model file that is known here"),
        (["check", "here.keras", "--data", "absent.npz"], "no such file or folder"),
        (["check", "here.keras", "--data", "here.txt"], "give an .npz or .npy file"),
        (["check", "here.keras", "--techniques", "ptq-int9"], "did you mean"),
        (["check", "here.keras", "--save"], "-o DIR"),
        (["check", "here.keras", "--custom", "Layer"], "give package.module:Name"),
        (["check", "here.keras", "--range", "1:0"], "must read LOW:HIGH"),
        (["check", "two.tflite"], "it is a LiteRT file"),
    ],
)
def test_words_that_are_off(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.txt").write_text("nothing")
    Path("two.tflite").write_bytes(b"\x1c\0\0\0TFL3")
    with zipfile.ZipFile("here.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert cli.main(words) == Exit.USAGE
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_the_parent_needs_no_tensorflow(tmp_path: Path) -> None:
    program = (
        "import sys; from harness.cli import main\n"
        "code = main.main(['check', 'absent.keras'])\n"
        "assert code == 2 and 'tensorflow' not in sys.modules and 'h5py' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
