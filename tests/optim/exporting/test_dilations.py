"""Several dilated convolutions of one input: each is one int8 operation in the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim import litert
from optim._keras import keras
from optim.litert.reader import read_subgraphs

K = keras.layers

SHAPES = {
    "1d": (16, 4),
    "2d": (15, 17, 4),
    "depthwise": (15, 17, 4),
    "depthwise 1d": (16, 4),
}
LAYERS: dict[str, Callable[[], list[Any]]] = {
    "1d": lambda: [
        K.Conv1D(6, 3, padding=padding, dilation_rate=2)
        for padding in ("causal", "causal", "same", "same", "valid")
    ],
    "2d": lambda: [
        K.Conv2D(6, 3, padding=padding, dilation_rate=rates)
        for padding, rates in (("same", 2), ("same", 2), ("valid", 2), ("same", (2, 1)))
    ],
    "depthwise": lambda: [
        K.DepthwiseConv2D(3, padding=padding, dilation_rate=rate)
        for padding, rate in (("same", 2), ("same", 2), ("valid", 2), ("same", 3))
    ],
    "depthwise 1d": lambda: [
        K.DepthwiseConv1D(3, padding="same", dilation_rate=2) for _ in range(2)
    ],
}


@pytest.mark.parametrize("name", LAYERS)
def test_each_is_one_int8_operation(name: str) -> None:
    keras.utils.set_random_seed(1)
    shape = SHAPES[name]
    inputs = keras.Input(shape)
    outputs = [K.ReLU()(K.BatchNormalization()(layer(inputs))) for layer in LAYERS[name]()]
    model = keras.Model(inputs, outputs)
    data = np.random.default_rng(0).normal(size=(8, *shape)).astype("float32")

    quantized = optim.quantize_model(model, calibration_data=[data])
    content = optim.export(quantized)

    names = [op.name for op in read_subgraphs(litert.parse(content), model.name, ())[0].operations]
    assert sum("CONV_2D" in one for one in names) == len(outputs)
    assert not any("BATCH" in one for one in names)
    report = optim.verify(content, {"float": model, "simulation": quantized}, data)
    assert not report.islands
    for row in report.comparisons:
        # A value between two steps may be rounded to the other one by what the converter folds.
        assert row.sqnr > (30 if row.reference == "float" else 60)
        assert row.reference == "float" or row.max_steps <= 1.001


LOOPS: dict[str, Callable[[Any], Any]] = {
    "convolutions of states": lambda x: K.ConvLSTM2D(2, 2, padding="same", dilation_rate=2)(x),
    "without padding": lambda x: K.ConvLSTM2D(2, 2, dilation_rate=2, return_sequences=True)(x),
    "one dimension": lambda x: K.ConvLSTM1D(2, 2, dilation_rate=(2,))(K.Reshape((4, 8, 24))(x)),
    "at each step": lambda x: K.ConvLSTM2D(2, 2)(
        K.TimeDistributed(K.Conv2D(2, 3, dilation_rate=2))(x)
    ),
}


@pytest.mark.parametrize("part", LOOPS)
@pytest.mark.parametrize("do", ["float", "float16", "dynamic", "prune", "cluster", "int8"])
def test_a_dilated_convolution_in_a_loop(part: str, do: str) -> None:
    inputs = keras.Input((4, 8, 8, 3))
    model = keras.Model(inputs, LOOPS[part](inputs))
    data = np.random.default_rng(0).random((8, 4, 8, 8, 3)).astype("float32")
    made, mode = model, do if do in ("float16", "dynamic") else None
    if do == "int8":
        made = optim.quantize_model(model, calibration_data=data)
    elif do in ("prune", "cluster"):
        made = (optim.prune_low_magnitude if do == "prune" else optim.cluster_weights)(model)
    report = optim.verify(optim.export(made, optimize=mode), {"made": made}, data)
    assert report.comparisons[0].sqnr > (30 if do in ("int8", "dynamic") else 60)
