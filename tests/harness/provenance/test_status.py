"""`harness status`: what holds, what has lapsed, why, and what to do."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import records
from harness.cli import main
from harness.matrix import cases, discovery
from harness.provenance import keys, lock, status
from harness.provenance.codebase import here
from harness.records import Record
from harness.stages.workbench import Options

MakeRecord = Callable[..., Record]


@pytest.fixture
def run(tmp_path: Path, make_record: MakeRecord, fake_keras: Callable[..., Path]) -> Path:
    """Records that all hold: two applications, two techniques."""
    fake_keras(Pass=2)
    found = []
    now = lock.note(tmp_path)
    for name in (one.name for one in discovery.discover()):
        for technique in ("float", "prune"):
            case = cases.parse(f"{name}-{technique}-notop")
            record = make_record(
                case.id, application=name, technique=technique, stage="parity", until="parity",
                seconds=10.0, code=now,
            )  # fmt: skip
            key = keys.key_of(record, case, "parity", Options())
            found.append(dataclasses.replace(record, key=key))
    records.write(tmp_path / records.RESULTS_NAME, found)
    return tmp_path


def columns(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert main.main(["status", str(folder), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out).values()
    return {one["technique"]: one for one in told}


def change(folder: Path, chosen: str, **given: Any) -> None:
    found = records.read(folder).records
    records.write(
        folder / records.RESULTS_NAME,
        [dataclasses.replace(r, **given) if chosen in r.case else r for r in found],
    )


def test_what_holds_is_counted(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = columns(run, capsys)
    assert found["prune"] == {
        "technique": "prune", "variant": "notop", "records": 2, "hold": 2, "lapsed": 0,
        "because": [], "seconds": 0.0,
    }  # fmt: skip
    assert found["qat"]["records"] == 0, "a technique without records is listed"
    assert next(iter(found)) == "float", "in the order of the registry"


def test_the_component_that_changed_is_named(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = here()
    monkeypatch.setitem(code._digests, "pruning", "other")
    found = columns(run, capsys)
    assert (found["float"]["hold"], found["prune"]["lapsed"]) == (2, 2)
    assert found["prune"]["because"] == ["pruning"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"key": "", "environment": {"tensorflow": "0.1"}}, "libraries"),
        ({"key": "", "code": ""}, "unrecorded"),
        ({"key": ""}, "application"),
        ({"repro": "python -m harness case Pass0-prune-notop --seed 1"}, "options"),
    ],
)
def test_other_reasons_are_told_apart(
    run: Path, capsys: pytest.CaptureFixture[str], given: dict[str, Any], why: str
) -> None:
    change(run, "Pass0-prune", **given)
    found = columns(run, capsys)["prune"]
    assert (found["hold"], found["lapsed"], found["because"]) == (1, 1, [why])


def test_what_is_gone_has_lapsed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(run, "Pass0-prune", technique="pruned-away", case="Pass0-pruned-away-notop")
    change(run, "Pass1-prune", application="Gone", case="Gone-prune-notop")
    found = columns(run, capsys)
    assert found["pruned-away"]["because"] == ["technique"]
    assert found["prune"]["because"] == ["application"]
    assert list(found)[-1] == "pruned-away"


def test_a_run_takes_its_share_of_the_workers_but_no_less_than_its_longest(
    run: Path, make_record: MakeRecord
) -> None:
    gone = [
        status.Lapsed(make_record("A-qat-notop", seconds=seconds), ()) for seconds in (10, 10, 40)
    ]
    assert status.duration_of(gone, 1) == 60
    assert status.duration_of(gone, 2) == 40
    assert status.duration_of(gone[:2], 2) == 10


def test_the_text_ends_with_what_to_do(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(run, "-prune-", key="other", code="")
    capsys.readouterr()
    assert main.main(["status", str(run)]) == 0
    text = capsys.readouterr().out
    assert "4 records: 2 hold, 2 have lapsed." in text
    command = "python -m harness run --techniques prune --variants notop --applications Pass0,Pass1"
    assert f"  {command} --results .harness/lapsed\n" in text
    assert "  python -m harness publish .harness/lapsed\n" in text


def test_it_writes_nothing_and_imports_no_tensorflow(run: Path) -> None:
    before = {file: file.read_bytes() for file in run.glob("*.json*")}
    code = (
        "import sys; from harness.cli import main as cli; code = cli.main(['status', sys.argv[1]]);"
        "assert not {'tensorflow', 'tf_keras', 'pandas'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {file: file.read_bytes() for file in run.glob("*.json*")} == before


def test_it_tells_the_files_that_a_key_covers(capsys: pytest.CaptureFixture[str]) -> None:
    def files(technique: str) -> set[str]:
        assert main.main(["status", "--covers", technique]) == 0
        return {line.split()[1] for line in capsys.readouterr().out.splitlines()}

    qat, prune = files("qat"), files("prune")
    assert "harness/techniques/quantization.py" in qat - prune
    assert "optim/annotation/recipe.py" in files("qat-annotate") - prune
    assert "harness/techniques/pruning.py" in prune - qat
    assert "optim/exporting/api.py" in qat & prune
    assert main.main(["status", "--covers", "qatt"]) == 2
    assert "did you mean qat" in capsys.readouterr().err
