"""A person's models: they keep their weights, and have a baseline beside their code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness import records
from harness.baseline.baselines import Baselines, file_of
from harness.cli import main as cli
from harness.matrix import cases, selection
from harness.matrix.application import Application
from harness.paths import EXPECTATIONS, OWN_EXPECTATIONS
from harness.records import Record
from harness.runs.recorder import Recorder
from harness.runs.settings import Settings
from harness.stages.inputs.weights import settled
from harness.stages.workbench import Options
from harness.vocabulary import Exit

MakeRecord = Callable[..., Record]

TRAINED = """
import tf_keras as keras


def Trained(weights="mine", classes=3):
    assert weights == "mine", "a constructor that takes weights knows which"
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, kernel_initializer="ones", name="conv")(inputs)
    x = keras.layers.BatchNormalization(
        name="bn", moving_mean_initializer="ones"
    )(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
"""


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Application:
    (tmp_path / "nets_of_tests.py").write_text(TRAINED)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_MODULE", raising=False)
    return selection.named("nets_of_tests:Trained")


@pytest.mark.parametrize("module", ["mine/applications.py", "nets.py"])
def test_what_is_named_by_its_module_is_a_users_own(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / module).parent.mkdir(exist_ok=True)
    (tmp_path / module).write_text("def Net(): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    dotted = module.removesuffix(".py").replace("/", ".")
    assert not selection.named(f"{dotted}:Net").is_discovered
    assert all(one.is_discovered for one in selection.select(["MobileNet", "family:regnet"]))


@pytest.mark.parametrize(
    ("asked", "of_keras", "done"),
    [
        ("auto", True, "conditioned"),
        ("auto", False, "own"),
        ("conditioned", False, "conditioned"),
        ("random", True, "random"),
        ("imagenet", False, "imagenet"),
    ],
)
def test_only_what_keras_builds_without_weights_is_conditioned_unasked(
    asked: str, of_keras: bool, done: str
) -> None:
    assert settled(asked, of_keras=of_keras) == done


def test_a_model_of_ones_own_is_built_with_the_weights_it_has(
    trained: Application, tmp_path: Path
) -> None:
    from harness import techniques
    from harness.stages import build
    from harness.stages.foundation import Foundation
    from harness.stages.workbench import Bench

    case = cases.parse("Trained-float-top", ["nets_of_tests:Trained"])
    recorder = Recorder(Settings(results=tmp_path / "results"))
    request = recorder.request(case)
    assert request["options"]["weights"] == "own"
    bench = Bench(
        module=request["module"],
        function=request["function"],
        variant="top",
        technique=techniques.registry()["float"],
        options=Options(**{**request["options"], "samples": 2}),
        scratch=tmp_path,
        foundation=Foundation(("x",), tmp_path),
        stages=("build", "export"),
    )
    build.build(bench)
    kernel, _, _, _, mean, variance = (w.numpy() for w in bench.model.weights)
    for weight in (kernel, mean, variance):
        np.testing.assert_array_equal(weight, 1)


def own_record(make: MakeRecord, **given: object) -> Record:
    return make(
        "Trained-float-notop",
        repro="python -m harness case Trained-float-notop --applications nets_of_tests:Trained",
        **given,
    )


def test_the_baseline_of_ones_own_applications_is_in_the_current_folder() -> None:
    assert file_of(EXPECTATIONS, own=True) == OWN_EXPECTATIONS
    assert file_of(EXPECTATIONS, own=False) == EXPECTATIONS
    assert file_of(Path("mine.txt"), own=True) == Path("mine.txt")


def test_accept_writes_beside_the_code_and_never_into_ours(
    trained: Application,
    tmp_path: Path,
    make_record: MakeRecord,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ours = EXPECTATIONS.read_bytes()
    record = own_record(make_record, status="fail", stage="export", label="float-island")
    records.write(tmp_path / "results.jsonl", [record])
    assert cli.main(["accept", "results.jsonl"]) == Exit.AS_EXPECTED
    assert EXPECTATIONS.read_bytes() == ours
    told = capsys.readouterr().out
    assert f"written: {OWN_EXPECTATIONS}" in told
    assert "+Trained-float-notop  fail  export  float-island" in told
    marked = Baselines(EXPECTATIONS).mark(record)
    assert marked.expectation == "expected"
    better = Baselines(EXPECTATIONS).mark(own_record(make_record, until="parity", stage="parity"))
    assert better.expectation == "newly-passing"
    assert cli.main(["accept", "results.jsonl"]) == Exit.AS_EXPECTED
    assert "nothing changes" in capsys.readouterr().out


def test_what_another_run_of_ones_own_accepted_stays(
    trained: Application, tmp_path: Path, make_record: MakeRecord
) -> None:
    other = make_record(
        "Older-qat-notop",
        repro="python -m harness case Older-qat-notop --applications older:Older",
        status="fail",
        stage="transform",
        label="nested-model",
    )
    for record in (other, own_record(make_record)):
        records.write(tmp_path / "results.jsonl", [record])
        assert cli.main(["accept", "results.jsonl"]) == Exit.AS_EXPECTED
    text = OWN_EXPECTATIONS.read_text()
    assert "Older-qat-notop" in text
    assert "Trained-float-notop" in text


def test_later_runs_know_their_cases(
    trained: Application, tmp_path: Path, make_record: MakeRecord
) -> None:
    """A run of ours, and one of theirs, are not stopped by what was accepted of theirs."""
    from harness.baseline import expectations

    records.write(tmp_path / "results.jsonl", [own_record(make_record)])
    cli.main(["accept", "results.jsonl"])
    assert "Trained" not in expectations.read(EXPECTATIONS).applications
    assert Baselines(EXPECTATIONS).mark(own_record(make_record)).expectation == "expected"
    assert own_record(make_record).constructor == "nets_of_tests:Trained"
    assert make_record().constructor == ""
