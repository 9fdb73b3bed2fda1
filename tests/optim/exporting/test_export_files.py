"""Files, metadata, and what `export` refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toys

import optim
from optim import litert
from optim._keras import keras, tf
from optim.errors import (
    ConfigError,
    ExportError,
    KerasModelError,
    ModelFileError,
    OptimError,
    UnsupportedModelError,
)
from optim.litert import flatbuffer

K = keras.layers


def test_the_file_holds_what_is_returned(small: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"what was there before")
    content = optim.export(small, path)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["model.tflite"]
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_no_part_of_a_file_when_writing_fails(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"what was there before")

    def fail(*args: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        optim.export(small, path)
    assert os.listdir(tmp_path) == ["model.tflite"]
    assert path.read_bytes() == b"what was there before"


def test_metadata_round_trip(small_qat: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    optim.export(small_qat, path, io_dtype="int8")
    metadata = optim.verify(path).metadata
    assert metadata["format"] == 1
    assert metadata["model"] == "small"
    assert (metadata["techniques"], metadata["scheme"]) == (["qat"], "int8")
    assert metadata["io_dtype"] == "int8"
    assert metadata["versions"]["tensorflow"] == tf.__version__
    assert set(metadata["versions"]) == {
        "tensorflow",
        "tf_keras",
        "tensorflow-model-optimization",
        "tfmot-matrix",
    }
    (image,), (logits,) = metadata["inputs"], metadata["outputs"]
    assert (image["name"], image["shape"], image["dtype"]) == ("image", [1, 8, 8, 4], "int8")
    assert logits["name"] == "logits"
    details = litert.Runtime(path).inputs[0]
    low, high = image["range"]
    assert low == pytest.approx(details.scale * (-128 - details.zero_point))
    assert high == pytest.approx(details.scale * (127 - details.zero_point))
    json.dumps(metadata)


def test_weights_are_aligned_and_equal_vectors_written_once(small_qat: Any) -> None:
    content = optim.export(small_qat)
    model = litert.parse(content)
    for i in range(model.BuffersLength()):
        data = model.Buffers(i).DataAsNumpy()
        if not isinstance(data, int) and data.size:
            place = data.__array_interface__["data"][0]
            start = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
            assert (place - start) % 16 == 0
    graph = model.Subgraphs(0)
    zeros = set()
    for i in range(graph.TensorsLength()):
        points = graph.Tensors(i).Quantization()
        if points is not None and points.ZeroPointLength() == 6:
            zeros.add(points.ZeroPointAsNumpy().__array_interface__["data"][0])
    assert len(zeros) == 1  # kernel and bias of the convolution


def test_open_sizes_name_the_parameter() -> None:
    x = keras.Input((None, None, 3), name="image")
    model = keras.Model(x, K.Conv2D(2, 1)(x))
    with pytest.raises(ConfigError, match=r"'image'.*input_shape=\(224, 224, 3\)"):
        optim.export(model)


def test_open_lengths_of_sequences_are_shown_as_one_could_write_them() -> None:
    ids, mask = (keras.Input((None,), name=name) for name in ("ids", "mask"))
    model = keras.Model([ids, mask], K.Add()([ids, mask]))
    with pytest.raises(ConfigError, match=r"input_shape=\{'ids': \(128,\), \.\.\.\}"):
        optim.export(model)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 8, 5), "does not fit input 'image'"),
        ((8, 8), "does not fit"),
        ([(8, 8, 4), (3,)], "2 shape.* 1 input"),
        ({"picture": (8, 8, 4)}, "'picture'; the inputs of the model are 'image'"),
        ((0, 8, 4), "not a shape"),
        ("large", "not a shape"),
    ],
)
def test_shapes_that_make_no_sense(small: Any, shape: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        optim.export(small, input_shape=shape)


BAD_DATA: dict[str, tuple[Any, str]] = {
    "none": (None, "needs representative_data"),
    "empty list": ([], "is empty"),
    "empty generator": (iter(()), "is empty"),
    "empty batch": (np.zeros((0, 8, 8, 4), "float32"), "without samples"),
    "wrong size": (np.zeros((2, 9, 8, 4), "float32"), r"expected \(batch, 8, 8, 4\)"),
    "no batch axis": (np.zeros((8, 8, 4), "float32"), "has the shape"),
    "text": (np.full((2, 8, 8, 4), "x"), "dtype"),
    "complex": (np.zeros((2, 8, 8, 4), "complex64"), "complex64"),
    "not finite": (np.full((2, 8, 8, 4), np.nan, "float32"), "not finite"),
    "two inputs": ([{"image": 1, "other": 2}], "'other'"),
    "a number": (3, "got int"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_is_refused_before_the_work(
    small: Any, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optim.exporting.api as api

    def never(*args: Any) -> None:
        raise AssertionError("the work has started")

    monkeypatch.setattr(api, "freeze", never)
    data, message = BAD_DATA[case]
    with pytest.raises(ConfigError, match=message):
        optim.export(small, optimize="int8", representative_data=data)


def test_a_later_bad_batch_is_refused_too(small: Any, images: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="has the shape"):
        optim.export(small, optimize="int8", representative_data=[images, images[:, :5]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimize": "int4"}, "'dynamic', 'int8', 'int16x8', 'float16'"),
        ({"io_dtype": "int8"}, "scheme 'float32', which takes 'float32'"),
        ({"io_dtype": "int8", "optimize": "dynamic"}, "does not go with"),
        ({"io_dtype": "float64"}, "choose one of"),
        ({"representative_data": [1]}, "leave it out"),
    ],
)
def test_options_that_make_no_sense(small: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        optim.export(small, **options)


def test_a_qat_model_has_its_scheme_already(small_qat: Any, images: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="made for 'int8'"):
        optim.export(small_qat, optimize="float16")
    with pytest.raises(ConfigError, match="representative_data"):
        optim.export(small_qat, representative_data=images)
    assert optim.export(small_qat, optimize="int8") == optim.export(small_qat)


def test_paths_that_cannot_be_written(small: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        optim.export(small, tmp_path)
    with pytest.raises(ConfigError, match="no folder"):
        optim.export(small, tmp_path / "missing" / "model.tflite")


def test_what_is_no_built_model() -> None:
    with pytest.raises(KerasModelError, match="expected a model"):
        optim.export(5)
    with pytest.raises(ModelFileError, match=r"no model file at 'model.h5'"):
        optim.export("model.h5")
    with pytest.raises(UnsupportedModelError, match="never built"):
        optim.export(keras.Sequential([K.Dense(2)]))


def test_an_operation_that_litert_lacks_is_named_with_its_layer() -> None:
    x = keras.Input((4, 4))
    y = K.Lambda(tf.linalg.inv, name="inverse")(K.Dense(4)(x))
    inner = keras.Model(x, K.Dense(4)(y), name="inner")
    model = keras.Model(x, inner(x), name="outer")
    with pytest.raises(ExportError) as caught:
        optim.export(model)
    assert isinstance(caught.value, OptimError)
    (problem,) = caught.value.problems
    assert problem.layer == "inner/inverse"
    assert "MatrixInverse" in problem.reason
    assert problem.remedy
    assert caught.value.__cause__ is not None


def test_a_float_layer_that_feeds_a_concatenation_takes_its_scale(images: np.ndarray) -> None:
    x = keras.Input((8, 8, 4))
    y = K.Concatenate(name="join")([K.ELU(name="odd_one")(x), K.Conv2D(3, 1, name="conv")(x)])
    model = toys.randomize(keras.Model(x, K.Conv2D(2, 1, name="after")(y)))
    quantized = optim.quantize_model(model, calibration_data=[images])
    report = optim.verify(optim.export(quantized), quantized, images[:1])
    assert [e.node.path for e in optim.plan(model).floats] == ["odd_one"]
    assert "ELU" in report.histogram
    assert report.int8_macs == 1.0
    assert report.comparisons[0].sqnr >= 30


def test_loops_are_not_calibrated() -> None:
    """LiteRT's calibrator would end the process."""
    x = keras.Input((5, 3))
    model = keras.Model(x, K.GRU(4, activation="elu", name="memory")(x))
    data = np.zeros((2, 5, 3), "float32")
    with pytest.raises(ExportError, match=r"memory.*loops.*unroll=True"):
        optim.export(model, optimize="int8", representative_data=data)


@pytest.mark.parametrize("bias", ["zeros", None, "ones"])
def test_a_transposed_convolution_and_its_rectifier_are_one_operation(bias: str | None) -> None:
    options = {"use_bias": False} if bias is None else {"bias_initializer": bias}
    model = keras.Sequential(
        [
            keras.layers.Conv2DTranspose(4, 3, input_shape=(8, 8, 3), **options),
            keras.layers.ReLU(),
        ]
    )
    batch = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 3)).astype("float32")
    quantized = optim.quantize_model(model, calibration_data=[batch])
    for one, least in ((model, 120), (quantized, 50)):
        report = optim.verify(optim.export(one), one, batch)
        assert [o.name for o in report.operations if "QUANT" not in o.name] == ["TRANSPOSE_CONV"]
        assert report.comparisons[0].sqnr > least


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize(("value", "told"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_values_that_are_no_numbers_are_told_by_layer(
    small: Any, value: float, told: str, quantized: bool
) -> None:
    """The converter ends the process on some of them."""
    model = optim.quantize_model(small) if quantized else keras.models.clone_model(small)
    layers = [layer for layer in model._flatten_layers() if layer._trainable_weights]
    for layer in layers[:2]:
        weight = layer._trainable_weights[0]
        weight.assign(np.full(weight.shape, value))
    if told == "infinite" and not quantized:
        assert optim.export(model)  # a float file may have them
        return
    with pytest.raises(ExportError, match="no numbers") as caught:
        optim.export(model)
    assert {p.layer for p in caught.value.problems} == {layer.name for layer in layers[:2]}
    assert all(told in p.reason for p in caught.value.problems)


def test_a_file_that_is_opened_serves_all_who_look_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = keras.Sequential([keras.layers.Dense(4, input_shape=(8,))])
    path = tmp_path / "model.tflite"
    content = optim.export(model, path)
    checked: list[Any] = []
    check = flatbuffer.check_tables
    monkeypatch.setattr(
        flatbuffer, "check_tables", lambda *given: (checked.append(given), check(*given))
    )
    samples = np.ones((1, 8), np.float32)
    for source in (path, content):
        file = litert.opened(source)
        assert optim.verify(file).size == len(content)
        assert optim.sparsity_report(file).total.size == 32
        assert litert.Runtime(file).run(samples)[0].shape == (1, 4)
        assert litert.opened(file) is file
    assert len(checked) == 2
