"""The stages on small real models: what passes, what fails, and where."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import techniques
from harness.execution.attempt import Limits
from harness.matrix import cases
from harness.records import Record
from harness.runs.session import Session
from harness.runs.settings import Settings
from harness.stages.workbench import Options
from harness.vocabulary import ONLY_OF, STAGES

Run = Callable[..., Record]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs one toy application; the host is shared, so TensorFlow is imported once."""
    folder: Path = tmp_path_factory.mktemp("stages")
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(Path(__file__).parents[1] / "fakes"))
    patch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "fakes"))
    patch.delenv("KERAS_MODULE", raising=False)
    session = Session(
        Settings(results=folder, fresh=True, limits=Limits(300), options=Options(input_size=96))
    )

    def go(
        application: str, technique: str = "float", variant: str = "notop", **options: Any
    ) -> Record:
        case = cases.parse(
            f"{application}-{technique}-{variant}", [f"toy_applications:{application}"]
        )
        given = dataclasses.replace(session.settings.options, **options)
        one = Session(dataclasses.replace(session.settings, options=given), session._run_case)
        return one.run(case)

    yield go
    session.close()
    patch.undo()


def test_a_sound_model_passes_every_stage_and_leaves_its_figures(run: Run) -> None:
    record = run("Sound", "prune")
    assert record.passed, record.failure
    assert [s.name for s in record.stages] == [one for one in STAGES if one not in ONLY_OF]
    assert record.metrics["parameters"] == 3 * 3 * 3 * 4 + 4
    assert record.metrics["input_size"] == 96
    assert record.metrics["kernels_changed"] == record.metrics["kernels"] == 1
    assert record.metrics["save_difference"] == 0
    assert record.metrics["loss"] > 0
    assert record.peak_rss_bytes > 100 * 2**20


def test_a_file_is_written_run_and_compared(run: Run) -> None:
    control, qat = run("Sound", "float"), run("Sound", "qat")
    assert qat.passed, qat.failure
    figures = qat.metrics
    assert (figures["int8_ops"], figures["int8_macs"], figures["float_islands"]) == (1, 1, 0)
    assert float(figures["sqnr_simulation_db"]) > 30  # a text where it is infinite
    assert figures["sqnr_float_db"] > 30
    assert figures["max_lsb"] <= 1.01
    assert 5 <= figures["latency_repeats"] <= 100  # as many as there is time for
    assert figures["latency_threads"] == 1
    assert figures["file_ratio"] == figures["file_bytes"] / control.metrics["file_bytes"]
    assert figures["latency_ratio"] > 0
    assert figures["float_latency_ms"] > 0
    assert "latency_ratio" not in control.metrics
    # The step of the train stage is taken back, or this would be a comparison of two models.
    assert float(control.metrics["sqnr_float_db"]) > 100


def test_post_training_quantization_goes_from_build_to_export(run: Run) -> None:
    record = run("Sound", "ptq-int8", variant="top")
    assert record.passed, record.failure
    assert [s.name for s in record.stages] == ["build", "export", "run", "parity"]
    assert record.metrics["int8_macs"] == 1
    assert record.metrics["sqnr_float_db"] == record.metrics["sqnr_simulation_db"] > 25
    share = record.metrics["top1_agreement"]
    assert record.metrics["top1_samples"] == 50
    assert share * 50 == pytest.approx(round(share * 50)), "in steps of 0.02"
    assert record.metrics["latency_load"] >= 0


@pytest.mark.parametrize(
    "technique",
    ["prune-tfmot", "prune", "prune-2x4", "cluster-tfmot", "cluster", "pqat", "cqat", "pcqat"],
)
def test_what_is_promised_of_the_kernels_is_in_the_file(run: Run, technique: str) -> None:
    control, record = run("Wide", "float"), run("Wide", technique)
    assert record.passed, record.failure
    figures, promise = record.metrics, techniques.registry()[technique].promise
    if promise.sparsity:
        assert figures["sparsity"] == pytest.approx(promise.sparsity, abs=0.05)  # depthwise
    if promise.m_by_n:
        assert figures["pattern"] == 1
    if promise.clusters:
        assert 2 <= figures["unique_weights"] <= promise.clusters
    assert figures["deflated_bytes"] < figures["file_bytes"]
    assert figures["deflated_ratio"] == figures["deflated_bytes"] / control.metrics["file_bytes"]


@pytest.mark.parametrize(
    ("application", "technique", "stage", "label", "told"),
    [
        ("NoSuchOperation", "ptq-dynamic", "export", "conversion", "MatrixDeterminant"),
        ("StaysFloat", "qat", "run", "float-island", "threshold"),
        ("Chaotic", "ptq-dynamic", "parity", "numeric-mismatch", "of 20 dB wanted"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(
    run: Run, application: str, technique: str, stage: str, label: str, told: str
) -> None:
    record = run(application, technique)
    assert (record.status, record.stage, record.label) == ("fail", stage, label), record.failure
    assert record.failure is not None
    assert told in record.failure.message


def test_top_is_built_with_the_constructors_own_shape(run: Run) -> None:
    record = run("Sound", variant="top")
    assert record.passed
    assert record.metrics["parameters"] == 3 * 3 * 3 * 4 + 4 + 4 * 5 + 5
    assert "input_size" not in record.metrics


@pytest.mark.parametrize("technique", ["float", "qat", "prune"])
def test_a_default_size_that_does_not_fit_is_reduced_and_the_record_says_so(
    run: Run, technique: str
) -> None:
    record = run("LargeImages", technique, variant="top")
    assert record.passed, record.failure
    # 151 x 256 + 3 numbers per pixel, 320 million of them at most: 91 pixels
    assert record.metrics["input_size"] == 64
    assert record.metrics["reduced_from"] == "96x96"
    assert record.metrics["kernels_changed"] == 2
    # Only training needs the memory: the file is of the default size.
    assert float(record.metrics["sqnr_simulation_db"]) > 20


@pytest.mark.parametrize(
    ("application", "size"), [("NeedsMultipleOf32", 96), ("WantsOddSizes", 97)]
)
def test_a_graph_without_a_size_is_fed_one_it_takes(run: Run, application: str, size: int) -> None:
    record = run(application)
    assert record.passed, record.failure
    assert record.metrics["input_size"] == size
    assert "built_for" not in record.metrics


def test_a_graph_that_no_size_fits_is_built_for_one_and_says_so(run: Run) -> None:
    record = run("SoundOnlyWithASize")
    assert record.passed, record.failure
    assert record.metrics["built_for"] == "96x96"


@pytest.mark.parametrize(
    ("application", "stage", "label"),
    [
        ("NotFinite", "train", "not-finite"),
        ("Frozen", "train", "nothing-trained"),
        ("ForgetsWhenSaved", "save", "save-load"),
    ],
)
def test_what_is_wrong_fails_in_its_stage(
    run: Run, application: str, stage: str, label: str
) -> None:
    record = run(application)
    assert (record.status, record.stage, record.label) == ("fail", stage, label), record.failure


@pytest.mark.parametrize("application", ["TwoInputsTwoOutputs", "NamedOutputs"])
def test_several_inputs_and_outputs_are_fed_and_compared(run: Run, application: str) -> None:
    record = run(application, "prune")
    assert record.passed, record.failure
    assert record.metrics["kernels"] == 2


def test_a_stock_failure_names_the_layer_that_blocks(run: Run) -> None:
    record = run("OwnLayer", "qat-tfmot")
    assert (record.stage, record.label) == ("transform", "custom-layer")
    assert (record.blocker_kind, record.blocker) == ("layer", "Halve")


def test_a_failed_control_blocks_the_row(run: Run) -> None:
    run("NotFinite")
    record = run("NotFinite", "prune")
    assert (record.status, record.stage) == ("blocked", "train")


def test_nothing_of_a_case_reaches_this_process(run: Run) -> None:
    before = dict(os.environ)
    run("Sound")
    assert dict(os.environ) == before


def test_weights_come_from_a_folder_where_one_is_given(run: Run, tmp_path: Path) -> None:
    import toy_applications

    model = toy_applications.Sound(include_top=False, input_shape=(None, None, 3))
    for weight in model.weights:
        weight.assign(weight * 0 + 0.5)
    model.save_weights(tmp_path / "Sound_notop.weights.h5")
    found = run("Sound", "float", weights=str(tmp_path))
    assert found.passed, found.failure
    assert found.metrics["weights"] == "Sound_notop.weights.h5"
    assert found.metrics["loss"] != run("Sound", "float").metrics["loss"]
    missing = run("WantsOddSizes", "float", weights=str(tmp_path))
    assert (missing.stage, missing.label) == ("build", "weights-unavailable")
    assert missing.failure is not None
    assert "expected one of WantsOddSizes_notop.weights.h5, " in missing.failure.message
