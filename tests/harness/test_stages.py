"""The stages on small real models: what passes, what fails, and where."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import cases
from harness.isolation import Limits
from harness.records import Record
from harness.session import Session, Settings
from harness.stages.bench import Options
from harness.words import STAGES

Run = Callable[..., Record]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs one toy application; the host is shared, so TensorFlow is imported once."""
    folder: Path = tmp_path_factory.mktemp("stages")
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(Path(__file__).with_name("fakes")))
    patch.setenv("PYTHONPATH", str(Path(__file__).with_name("fakes")))
    patch.delenv("KERAS_MODULE", raising=False)
    session = Session(
        Settings(results=folder, fresh=True, limits=Limits(300), options=Options(input_size=96))
    )

    def go(application: str, technique: str = "float", variant: str = "notop") -> Record:
        case = cases.parse(
            f"{application}-{technique}-{variant}", [f"toy_applications:{application}"]
        )
        return session.run(case)

    yield go
    session.close()
    patch.undo()


def test_a_sound_model_passes_every_stage_and_leaves_its_figures(run: Run) -> None:
    record = run("Sound", "prune")
    assert record.passed, record.failure
    assert [s.name for s in record.stages] == list(STAGES)
    assert record.metrics["parameters"] == 3 * 3 * 3 * 4 + 4
    assert record.metrics["input_size"] == 96
    assert record.metrics["kernels_changed"] == record.metrics["kernels"] == 1
    assert record.metrics["save_difference"] == 0
    assert record.metrics["loss"] > 0
    assert record.peak_rss_bytes > 100 * 2**20


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


def test_several_inputs_and_outputs_are_fed_and_compared(run: Run) -> None:
    record = run("TwoInputsTwoOutputs", "prune")
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
