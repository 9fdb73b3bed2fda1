"""Scheme int16x8: what LiteRT can run, layer by layer, and what is refused, with a remedy.

The models here are the experiment that the lists of the schemes come from (`planning.schemes`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import toys

import optim
from optim import litert
from optim._keras import keras, tf
from optim.errors import ExportError, UnsupportedModelError
from optim.files.api import load_model
from optim.quantization.planning.schemes import SCHEMES
from optim.quantization.quantizers.quantizers import FixedRangeQuantizer

K = keras.layers
INT16 = SCHEMES["int16x8"]
ANYTHING = dataclasses.replace(INT16, missing=(), wrong=())  # refuses nothing

Shape = tuple[int, ...]
IMAGE: Shape = (8, 8, 4)
SEQUENCE: Shape = (6, 4)
VECTOR: Shape = (10,)


def make(function: Callable[..., Any], shape: Shape = IMAGE, inputs: int = 1) -> Any:
    xs = [keras.Input(shape) for _ in range(inputs)]
    return toys.randomize(keras.Model(xs if inputs > 1 else xs[0], function(*xs)))


def exported(model: Any, scheme: Any = "int16x8", **options: Any) -> Any:
    """The report on the file of a model, compared with its simulation."""
    batch = toys.batch_for(model, size=8)
    quantized = optim.quantize_model(model, scheme=scheme, calibration_data=[batch], **options)
    content = optim.export(quantized, representative_data=[batch])
    return optim.verify(content, {"simulation": quantized}, batch)


# operation -> function that needs it, shape of its inputs, number of them
SUPPORTED: dict[str, tuple[Any, ...]] = {
    "ABS": (tf.math.abs,),
    "ADD": (lambda a, b: K.Add()([a, b]), IMAGE, 2),
    "AVERAGE_POOL_2D": (lambda x: K.AveragePooling2D()(x),),
    "BATCH_MATMUL": (lambda a, b: tf.matmul(a, b, transpose_b=True), SEQUENCE, 2),
    "CONCATENATION": (lambda a, b: K.Concatenate()([a, b]), IMAGE, 2),
    "CONV_2D": (lambda x: K.Conv2D(6, 3, groups=2, activation="relu")(x),),
    "DEPTHWISE_CONV_2D": (lambda x: K.BatchNormalization()(x),),
    "EXP": (tf.math.exp,),
    "FULLY_CONNECTED": (lambda x: K.Dense(5)(x), VECTOR),
    "GATHER": (lambda x: tf.gather(x, [2, 0], axis=-1),),
    "GELU": (lambda x: K.Activation("gelu")(x),),
    "LEAKY_RELU": (lambda x: K.LeakyReLU(0.2)(x),),
    "LOG": (lambda x: tf.math.log(tf.nn.sigmoid(x) + 1.0),),
    "LOGISTIC": (lambda x: K.Activation("swish")(x),),
    "MAXIMUM": (lambda a, b: K.Maximum()([a, b]), IMAGE, 2),
    "MAX_POOL_2D": (lambda x: K.MaxPooling2D()(x),),
    "MEAN": (lambda x: K.GlobalAveragePooling2D()(x),),
    "MINIMUM": (lambda x: K.ReLU(0.5)(x),),
    "MIRROR_PAD": (lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="REFLECT"),),
    "MUL": (lambda a, b: K.Multiply()([a, b]), IMAGE, 2),
    "PACK": (lambda a, b: tf.stack([a, b], axis=1), IMAGE, 2),
    "PAD": (lambda x: K.ZeroPadding2D()(x),),
    "REDUCE_MAX": (lambda x: K.GlobalMaxPooling2D()(x),),
    "RELU": (lambda x: K.ReLU()(x),),
    "RELU6": (lambda x: K.ReLU(6.0)(x),),
    "RESHAPE": (lambda x: K.Flatten()(x),),
    "RESIZE_BILINEAR": (lambda x: K.UpSampling2D(2, interpolation="bilinear")(x),),
    "RESIZE_NEAREST_NEIGHBOR": (lambda x: K.UpSampling2D(2)(x),),
    "RSQRT": (lambda x: tf.math.rsqrt(tf.nn.sigmoid(x) + 1.0),),
    "SOFTMAX": (lambda x: K.Softmax()(x), VECTOR),
    "SPLIT": (lambda x: tf.concat(tf.split(x, 2, axis=-1)[::-1], -1),),
    "STRIDED_SLICE": (lambda x: x[:, 1:, ::2, :],),
    "SUB": (lambda a, b: K.Subtract()([a, b]), IMAGE, 2),
    "TANH": (lambda x: K.Activation("tanh")(x),),
    "TILE": (lambda x: tf.tile(x, [1, 2, 1, 1]),),
    "TRANSPOSE": (lambda x: K.Permute((3, 1, 2))(x),),
    "TRANSPOSE_CONV": (lambda x: K.Conv2DTranspose(6, 3, strides=2)(x),),
}


@pytest.mark.parametrize("operation", SUPPORTED)
def test_it_runs_in_16_bits_and_as_simulated(operation: str) -> None:
    report = exported(make(*SUPPORTED[operation]))
    assert operation in report.histogram
    assert report.int8_ops == 1.0  # all quantized
    assert {op.kind for op in report.operations} <= {"int16x8", "conversion", "other"}
    assert min(c.sqnr for c in report.comparisons) > 60


# operation -> function that needs it, shape of its inputs, number of them
MISSING: dict[str, tuple[Any, ...]] = {
    "HARD_SWISH": (lambda x: x * tf.nn.relu6(x + 3.0) / 6.0,),
    "PRELU": (lambda x: K.PReLU(shared_axes=[1, 2])(x),),
    "L2_NORMALIZATION": (lambda x: K.UnitNormalization()(x),),
    "SQRT": (lambda x: tf.math.sqrt(tf.math.abs(x)),),
    "DEPTH_TO_SPACE": (lambda x: tf.nn.depth_to_space(x, 2),),
    "SPACE_TO_DEPTH": (lambda x: tf.nn.space_to_depth(x, 2),),
}
WRONG: dict[str, tuple[Any, ...]] = {
    "SQUARED_DIFFERENCE": (lambda x: K.LayerNormalization(epsilon=0.01)(x),),
    "SUM": (lambda x: tf.reduce_sum(x, axis=-1),),
    "SELECT": (lambda a, b: tf.where(a > b, a, b), IMAGE, 2),
    "recurrent": (lambda x: K.Dense(2)(K.LSTM(3)(x)), SEQUENCE),
}


@pytest.mark.parametrize("operation", [*MISSING, *WRONG])
def test_what_litert_lacks_is_refused(operation: str) -> None:
    model = make(*{**MISSING, **WRONG}[operation])
    with pytest.raises(UnsupportedModelError, match=f"int16 {operation}") as caught:
        optim.plan(model, "int16x8")
    (problem,) = caught.value.problems
    assert "scheme='int8'" in problem.remedy
    assert ("does not help" in problem.remedy) == (operation in WRONG)
    optim.plan(model, "int8")


@pytest.mark.parametrize("operation", MISSING)
def test_litert_does_lack_it(operation: str) -> None:
    """Kept to notice when that ends, and the scheme need not refuse it any more."""
    assert exported(make(*MISSING[operation]), ANYTHING).histogram[operation] == {"float": 1}


@pytest.mark.parametrize("how", ["after training", "float model"])
@pytest.mark.parametrize("operation", WRONG)
def test_what_would_be_wrong_is_not_exported_either(operation: str, how: str) -> None:
    model = make(*WRONG[operation])
    named = "UNIDIRECTIONAL_SEQUENCE_LSTM" if operation == "recurrent" else operation
    batch, options = toys.batch_for(model, size=8), {"optimize": "int16x8"}
    if how == "after training":
        model = optim.quantize_model(model, scheme=ANYTHING, calibration_data=[batch])
        options = {}
    with pytest.raises(ExportError, match=f"operation {named}") as caught:
        optim.export(model, representative_data=[batch], **options)
    assert all(p.remedy for p in caught.value.problems)


def test_padding_with_a_number_is_not_exported() -> None:
    model = make(lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 0], [0, 0]], constant_values=1.0))
    with pytest.raises(ExportError, match="operation PADV2"):
        exported(model)


def test_all_of_it_is_named_at_once() -> None:
    x = toys.image()
    y = K.LayerNormalization(name="first")(x * tf.nn.relu6(x + 3.0) / 6.0)
    y = K.PReLU(name="rectifier")(K.Conv2D(4, 1)(y))
    model = keras.Model(x, K.LayerNormalization(name="second")(y))
    with pytest.raises(UnsupportedModelError) as caught:
        optim.quantize_model(model, scheme="int16x8")
    reasons = {p.layer: p.reason for p in caught.value.problems}
    assert len(caught.value.problems) == 4
    assert set(reasons) >= {"first", "second", "rectifier"}
    assert sum("HARD_SWISH" in r for r in reasons.values()) == 1
    assert sum("SQUARED_DIFFERENCE" in r for r in reasons.values()) == 2
    for problem in caught.value.problems:
        assert problem.layer in str(caught.value)


def test_a_layer_without_a_kernel_can_be_skipped() -> None:
    model = make(lambda x: K.Conv2D(3, 1)(K.PReLU(shared_axes=[1, 2])(K.Conv2D(4, 3)(x))))
    report = exported(model, skip=[K.PReLU])
    assert report.histogram["PRELU"] == {"float": 1}
    assert report.histogram["CONV_2D"] == {"int16x8": 2}
    assert report.comparisons[0].sqnr > 60


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softmax"])
def test_prescribed_ranges_have_16_bits(name: str, tmp_path: Any) -> None:
    model = make(lambda x: K.Activation(name)(x), VECTOR)
    batch = toys.batch_for(model, size=64)
    quantized = optim.quantize_model(model, scheme="int16x8", calibration_data=[batch])
    values = quantized(batch, training=False).numpy()
    steps = values * 32768
    np.testing.assert_array_equal(steps, np.round(steps))
    assert len(np.unique(steps)) > 512  # 8 bits have 256
    assert np.abs(values - model(batch, training=False).numpy()).max() < 1e-4

    content = optim.export(quantized, representative_data=[batch], io_dtype="int16")
    (end,) = litert.Runtime(content).interpreter.get_output_details()
    assert end["quantization"] == (1 / 32768, 0)

    wrapper = next(x for x in quantized.layers if hasattr(x, "quantize_config"))
    assert isinstance(wrapper.quantize_config.output, FixedRangeQuantizer)
    for suffix in ("h5", "keras"):
        quantized.save(tmp_path / f"model.{suffix}")
        loaded = load_model(tmp_path / f"model.{suffix}")
        np.testing.assert_array_equal(loaded(batch, training=False).numpy(), values)


@pytest.mark.parametrize("after", ["dense", "image", "transposed"])
def test_float_layers_over_volumes_are_calibrated(after: str) -> None:
    """What keeps them float in the file runs in the calibrator, which once ended the process."""

    def volume(x: Any) -> Any:
        if after == "transposed":
            return K.Conv3DTranspose(3, 2)(x)
        y = K.Conv3D(4, 2)(x)
        return K.Dense(3)(y) if after == "dense" else K.Conv2D(3, 1)(K.Reshape((3, 9, 4))(y))

    report = exported(make(lambda x: K.Dense(2)(K.Flatten()(volume(x))), (4, 4, 4, 2)))
    assert report.comparisons[0].sqnr > 30
    assert "BITWISE_XOR" not in report.histogram
