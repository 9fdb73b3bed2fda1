"""Every format is told by its content, and gives the model that was written."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

import optim
from optim.files import formats
from optim.files.detection import detect
from optim.files.readers import READERS

WRITTEN = {
    "two.keras": formats.KERAS2_ARCHIVE,
    "three.keras": formats.KERAS3_ARCHIVE,
    "two.h5": formats.KERAS2_HDF5,
    "three.h5": formats.KERAS3_HDF5,
    "two_saved": formats.KERAS_SAVED_MODEL,
    "two_export": formats.SAVED_MODEL,
    "plain": formats.SAVED_MODEL,
}

#: Which Keras wrote a file cannot be told of what is left of it.
DAMAGED = {
    "two.keras": formats.DAMAGED_ARCHIVE,
    "three.keras": formats.DAMAGED_ARCHIVE,
    "two.h5": formats.DAMAGED_HDF5,
    "three.h5": formats.DAMAGED_HDF5,
}

GRAPHS = [name for name, found in WRITTEN.items() if found is formats.SAVED_MODEL]


def test_every_format_with_a_model_has_a_reader_and_is_tried_here():
    assert set(READERS) == {*WRITTEN.values(), *DAMAGED.values()}
    assert all(found.is_model for found in READERS)
    assert not any(found.is_model for found in (formats.LITERT, *formats.OTHERS))


@pytest.mark.parametrize("name", WRITTEN)
def test_the_content_tells_the_format(files, tmp_path, name):
    source, other = files / name, tmp_path / "model.bin"
    (shutil.copytree if source.is_dir() else shutil.copyfile)(source, other)
    assert detect(source) is detect(other) is WRITTEN[name]


@pytest.mark.parametrize("name", DAMAGED)
def test_half_a_file_is_called_damaged(files, tmp_path, name):
    half = tmp_path / name
    content = (files / name).read_bytes()
    half.write_bytes(content[: len(content) // 2])
    assert detect(half) is DAMAGED[name]


@pytest.mark.parametrize("name", WRITTEN)
def test_the_model_computes_what_was_written(files, images, tmp_path, name):
    source, other = files / name, tmp_path / "model.bin"
    (shutil.copytree if source.is_dir() else shutil.copyfile)(source, other)
    model = optim.load_model(other)
    np.testing.assert_allclose(
        model(images).numpy(), np.load(files / "expected.npy"), rtol=0, atol=1e-5
    )


def test_a_plain_graph_is_exported_with_the_names_of_its_signature(files, images):
    model = optim.load_model(files / "plain")
    content = optim.export(model, optimize="int8", representative_data=images)
    report = optim.verify(content, {"file": files / "two.keras"}, images)
    assert [t.name for t in (*report.inputs, *report.outputs)] == ["image", "scores"]
    assert report.int8_ops == 1.0
    assert report.comparisons[0].sqnr > 30


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize(
    "use",
    [
        optim.quantize_model,
        optim.prune_low_magnitude,
        optim.cluster_weights,
        optim.sparsify,
        optim.plan,
        optim.sparsity_report,
        lambda model: optim.debug(model, np.zeros((2, 6, 6, 3), "float32")),
    ],
)
def test_a_plain_graph_is_for_quantization_after_training_only(files, name, use):
    with pytest.raises(optim.UnsupportedModelError, match=r"after training only.*optimize='int8'"):
        use(optim.load_model(files / name))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_reference_of_verify_is_a_file_of_any_format(files, images, name):
    report = optim.verify(files / "two.tflite", files / name, images)
    assert report.comparisons[0].sqnr > 80


@pytest.mark.parametrize("name", ["two.keras", "two.h5", "two_saved", "three.keras", "two.tflite"])
def test_sparsity_is_measured_of_files(files, name):
    report = optim.sparsity_report(files / name)
    assert sum(k.size for k in report.kernels) == 3 * 3 * 3 * 4 + 4 * 4


@pytest.mark.parametrize(
    "use",
    [
        optim.quantize_model,
        optim.prune_low_magnitude,
        optim.cluster_weights,
        optim.sparsify,
        optim.plan,
        optim.export,
        lambda path: optim.debug(path, np.zeros((2, 6, 6, 3), "float32")),
    ],
)
def test_a_path_stands_for_the_model_in_the_file(files, use):
    assert use(str(files / "two.keras")) is not None
    with pytest.raises(optim.errors.ModelFileError, match="it is a LiteRT file"):
        use(files / "two.tflite")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.keras", b"", "it is empty"),
        ("m.pkl", b"\x80\x04\x95\x00", "a pickle"),
        ("m.keras", b"nonsense " * 100, "no model file"),
        ("m.json", b'{"class_name": "Functional"}', "without weights"),
        ("saved_model.pb", b"\x08\x01\x12\x00", "give the folder"),
        ("m.tar.gz", b"\x1f\x8b\x08" + bytes(60), "unpack it"),
        ("m.npy", b"\x93NUMPY\x01\x00", "weights without a model"),
    ],
)
def test_what_is_no_model_is_named_with_what_to_do(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(optim.errors.ModelFileError, match=told) as found:
        optim.load_model(tmp_path / name)
    assert "\n" not in str(found.value)


def test_litert_and_weights_and_folders_are_no_models(files, tmp_path):
    for path, told in (
        (files / "two.tflite", r"LiteRT.*optim\.verify"),
        (files / "only.weights.h5", "weights without a model"),
        (tmp_path, "a folder without a model"),
        (tmp_path / "absent.keras", "no model file at"),
    ):
        with pytest.raises(optim.errors.ModelFileError, match=told):
            optim.load_model(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "model.keras")
    with pytest.raises(optim.errors.ModelFileError, match="neither a file nor a folder"):
        optim.load_model(tmp_path / "model.keras")


def test_detection_needs_no_tensorflow(files, in_python):
    in_python(
        "import sys, pathlib, optim; from optim.files.detection import detect\n"
        f"for one in sorted(pathlib.Path({str(files)!r}).iterdir()): print(detect(one).name)\n"
        "assert 'tensorflow' not in sys.modules"
    )
