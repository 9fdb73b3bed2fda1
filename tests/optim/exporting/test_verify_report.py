"""What `verify` finds in files whose content is known."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optim
from optim import litert
from optim._keras import keras, tf
from optim.errors import ConfigError, ModelFileError
from optim.verification.compare import sqnr

K = keras.layers


def test_operations_of_a_known_model(small_qat: Any) -> None:
    report = optim.verify(optim.export(small_qat))
    assert report.histogram == {
        "CONV_2D": {"int8": 1},
        "DEQUANTIZE": {"conversion": 1},
        "FULLY_CONNECTED": {"int8": 1},
        "MEAN": {"int8": 1},
        "QUANTIZE": {"conversion": 1},
    }
    assert report.macs == 6 * 6 * 6 * 3 * 3 * 4 + 6 * 3
    layers = {op.name: op.layer for op in report.operations}
    assert layers["MEAN"] == "mean"


def conv_2d() -> tuple[Any, int]:
    x = keras.Input((9, 7, 4))
    return keras.Model(x, K.Conv2D(6, (3, 2), strides=2)(x)), 4 * 3 * 6 * (3 * 2 * 4)


def grouped() -> tuple[Any, int]:
    x = keras.Input((8, 8, 4))
    return keras.Model(x, K.Conv2D(6, 3, groups=2, padding="same")(x)), 8 * 8 * 6 * (3 * 3 * 2)


def depthwise() -> tuple[Any, int]:
    x = keras.Input((8, 8, 4))
    return keras.Model(x, K.DepthwiseConv2D(3, depth_multiplier=2)(x)), 6 * 6 * 8 * 9


def transposed() -> tuple[Any, int]:
    x = keras.Input((4, 4, 3))
    return keras.Model(x, K.Conv2DTranspose(5, 3, strides=2)(x)), 4 * 4 * 3 * (3 * 3 * 5)


def dense() -> tuple[Any, int]:
    x = keras.Input((6, 10))
    return keras.Model(x, K.Dense(7)(x)), 6 * 10 * 7


def conv_3d() -> tuple[Any, int]:
    x = keras.Input((4, 5, 6, 2))
    return keras.Model(x, K.Conv3D(3, 2)(x)), (3 * 4 * 5) * 3 * (2 * 2 * 2 * 2)


def conv_3d_transposed() -> tuple[Any, int]:
    x = keras.Input((2, 3, 4, 2))
    return keras.Model(x, K.Conv3DTranspose(3, 2)(x)), (2 * 3 * 4) * 2 * (2 * 2 * 2 * 3)


def matmul() -> tuple[Any, int]:
    x, y = keras.Input((4, 5)), keras.Input((6, 5))
    return keras.Model([x, y], tf.matmul(x, y, transpose_b=True)), 4 * 6 * 5


def matmul_of_the_transposed() -> tuple[Any, int]:
    x, y = keras.Input((5, 4)), keras.Input((5, 6))
    return keras.Model([x, y], tf.matmul(x, y, transpose_a=True)), 4 * 6 * 5


@pytest.mark.parametrize(
    "make",
    [conv_2d, grouped, depthwise, transposed, dense, conv_3d, conv_3d_transposed, matmul,
     matmul_of_the_transposed],
)  # fmt: skip
def test_multiply_accumulates_by_hand(make: Any) -> None:
    model, expected = make()
    assert optim.verify(optim.export(model)).macs == expected


def test_an_island_is_named_by_its_layer(with_elu: Any, images: np.ndarray) -> None:
    qat = optim.quantize_model(with_elu, calibration_data=[images])
    report = optim.verify(optim.export(qat))
    (island,) = report.islands
    assert island.layers == ("odd_one",)
    assert island.operations == ("ELU",)
    assert (island.position, island.conversions, island.macs) == ("inside", 2, 0)
    assert report.int8_macs == 1.0
    assert report.int8_ops == 2 / 5  # two convolutions; ELU and its two conversions
    assert "odd_one: ELU (inside, 2 conversions)" in str(report)


def test_islands_at_the_ends(images: np.ndarray) -> None:
    x = keras.Input((8, 8, 4))
    y = K.Conv2D(2, 1, name="conv")(K.ELU(name="first")(x))
    qat = optim.quantize_model(
        keras.Model(x, K.ELU(name="last")(y)), skip=["first", "last"], calibration_data=[images]
    )
    islands = optim.verify(optim.export(qat)).islands
    assert [(i.layers, i.position) for i in islands] == [
        (("first",), "input"),
        (("last",), "output"),
    ]


def test_a_float_file_has_no_islands(with_elu: Any) -> None:
    report = optim.verify(optim.export(with_elu))
    assert (report.islands, report.int8_ops, report.int8_macs) == ((), 0.0, 0.0)


def test_known_noise() -> None:
    signal = np.array([3.0, 4.0])
    assert sqnr(signal, signal + np.array([0.3, 0.4])) == pytest.approx(20)
    assert sqnr(signal, signal) == math.inf
    assert sqnr(np.zeros(2), signal) == -math.inf


def test_known_differences_in_steps(small_qat: Any, images: np.ndarray) -> None:
    content = optim.export(small_qat)
    exact = litert.Runtime(content).run(images)[0]
    step = next(
        t.scale for t in optim.verify(content).subgraphs[0].tensors if t.shape == (1, 3) and t.scale
    )
    off = exact.copy()
    off[3, 1] += 3 * step
    off[:8, 2] += 1000.0
    same, top = optim.verify(content, {"same": exact, "top": off}, images).comparisons
    assert (same.sqnr, same.max_steps, same.top1) == (math.inf, 0.0, 1.0)
    agree = np.mean(exact.argmax(1) == off.argmax(1))
    assert top.top1 == agree < 1
    off[:8, 2] -= 1000.0
    (one,) = optim.verify(content, off, images).comparisons
    assert one.max_steps == pytest.approx(3, rel=1e-2)
    assert one.sqnr == pytest.approx(sqnr(off, exact), rel=1e-6)
    assert one.reference == "reference"
    assert one.samples == 16


def test_references_of_every_kind(small: Any, small_qat: Any, images: np.ndarray) -> None:
    content = optim.export(small_qat)
    references = {
        "simulation": small_qat,
        "float": small,
        "file": optim.export(small),
        "function": lambda x: small(x, training=False),
    }
    rows = {c.reference: c for c in optim.verify(content, references, images).comparisons}
    assert list(rows) == list(references)
    assert rows["simulation"].sqnr > rows["float"].sqnr > 35
    assert rows["file"].sqnr == pytest.approx(rows["float"].sqnr, abs=0.01)
    assert rows["function"].sqnr == rows["float"].sqnr
    assert rows["float"].output == "logits"


def test_comparisons_that_make_no_sense(small: Any, images: np.ndarray) -> None:
    content = optim.export(small)
    with pytest.raises(ConfigError, match="needs data"):
        optim.verify(content, small)
    with pytest.raises(ConfigError, match="give reference"):
        optim.verify(content, data=images)
    with pytest.raises(ConfigError, match="expected a model"):
        optim.verify(content, 3, images)
    with pytest.raises(ConfigError, match="outputs of shape"):
        optim.verify(content, np.zeros((16, 4)), images)
    with pytest.raises(ConfigError, match="has the shape"):
        optim.verify(content, small, images[:, :5])


def test_what_is_no_litert_model(small: Any, tmp_path: Path) -> None:
    for content in (b"", b"hello, world", b"\x89HDF\r\n\x1a\n" + bytes(64)):
        with pytest.raises(ModelFileError, match="not a LiteRT model"):
            optim.verify(content)
    with pytest.raises(ModelFileError, match="no such file"):
        optim.verify(tmp_path / "missing.tflite")
    small.save(tmp_path / "m.h5")
    with pytest.raises(ModelFileError, match="HDF5"):
        optim.verify(tmp_path / "m.h5")
    whole = optim.export(small)
    for size in (9, 40, len(whole) // 2):
        with pytest.raises(ModelFileError, match="damaged"):
            optim.verify(whole[:size])


def test_files_of_others_are_read_too(small: Any) -> None:
    content = tf.lite.TFLiteConverter.from_keras_model(small).convert()
    report = optim.verify(content)
    assert report.metadata == {}
    assert set(report.histogram) == {"CONV_2D", "MEAN", "FULLY_CONNECTED"}
    ours = optim.verify(optim.export(small))
    assert report.histogram == ours.histogram


def test_flex_operations_are_listed() -> None:
    x = keras.Input((4, 4))
    model = keras.Model(x, K.Lambda(tf.linalg.inv, name="inverse")(x), name="m")
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    report = optim.verify(converter.convert())
    assert report.flex["FlexMatrixInverse"] == ("m/inverse",)
    assert report.custom == {}


def test_the_report_as_json_and_as_text(small_qat: Any, images: np.ndarray) -> None:
    exact = litert.Runtime(optim.export(small_qat)).run(images)[0]
    report = optim.verify(optim.export(small_qat), exact, images)
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert found["comparisons"][0]["sqnr"] is None  # infinite
    assert found["int8_macs"] == 1.0
    assert len(found["tensors"]) == len(report.subgraphs[0].tensors)
    assert {"int8", "int32", "float32"} <= set(found["dtypes"])
    text = str(report)
    for part in ("CONV_2D", "float islands: none", "100.0% of 3 operations", "inf", "image"):
        assert part in text
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_verification_needs_no_tensorflow(small_qat: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    optim.export(small_qat, path)
    code = (
        "import sys, numpy, optim\n"
        "data, wanted = numpy.ones((2, 8, 8, 4), 'f'), numpy.zeros((2, 3))\n"
        f"report = optim.verify({str(path)!r}, wanted, data)\n"
        "assert report.int8_macs == 1.0\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    root = Path(optim.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
