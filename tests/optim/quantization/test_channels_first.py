"""Layers with the channels first: moved where models are lowered, named where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras

K = keras.layers
SHAPES = {1: (8, 2), 2: (8, 6, 2), 3: (5, 6, 7, 2)}

LAYERS: dict[str, tuple[int, Any, dict[str, Any]]] = {
    "Conv1D": (1, K.Conv1D, {"filters": 4, "kernel_size": 3, "activation": "relu"}),
    "Conv2D": (2, K.Conv2D, {"filters": 4, "kernel_size": 3, "activation": "tanh"}),
    "Conv3D": (3, K.Conv3D, {"filters": 4, "kernel_size": 3}),
    "Conv1DTranspose": (1, K.Conv1DTranspose, {"filters": 4, "kernel_size": 3}),
    "Conv2DTranspose": (2, K.Conv2DTranspose, {"filters": 4, "kernel_size": 3}),
    "Conv3DTranspose": (3, K.Conv3DTranspose, {"filters": 4, "kernel_size": 3}),
    "DepthwiseConv1D": (1, K.DepthwiseConv1D, {"kernel_size": 3}),
    "DepthwiseConv2D": (2, K.DepthwiseConv2D, {"kernel_size": (3, 2)}),
    "SeparableConv1D": (1, K.SeparableConv1D, {"filters": 4, "kernel_size": 3}),
    "SeparableConv2D": (2, K.SeparableConv2D, {"filters": 4, "kernel_size": 3}),
    "MaxPooling2D": (2, K.MaxPooling2D, {}),
    "AveragePooling2D": (2, K.AveragePooling2D, {"pool_size": (2, 3)}),
}
# The converter has no form of its own for these.
UNWRITTEN = [
    "Conv1D",
    "Conv3D",
    "Conv1DTranspose",
    "Conv3DTranspose",
    "DepthwiseConv1D",
    "SeparableConv1D",
    "SeparableConv2D",
]


def pair(name: str, normalized: bool = False) -> tuple[Any, Any]:
    """The same layer with the channels first and last; a CPU runs the second only."""
    rank, cls, options = LAYERS[name]
    *space, channels = SHAPES[rank]
    models = []
    for layout, shape in (
        ("channels_first", (channels, *space)),
        ("channels_last", (*space, channels)),
    ):
        first = layout == "channels_first"
        inputs = K.Input(shape)
        x = cls(**options, data_format=layout, name="moved")(inputs)
        if normalized:
            x = K.BatchNormalization(axis=1 if first else -1, name="norm")(x)
        models.append(keras.Model(inputs, x))
    models[0].set_weights(models[1].get_weights())
    return models[0], models[1]


def batch(name: str) -> tuple[Any, Any]:
    last = np.random.default_rng(0).normal(size=(8, *SHAPES[LAYERS[name][0]])).astype("float32")
    return np.moveaxis(last, -1, 1), last


@pytest.mark.parametrize("name", LAYERS)
def test_it_computes_what_it_does_with_the_channels_last(name: str) -> None:
    first, last = pair(name)
    x, moved = batch(name)
    expected = np.moveaxis(last.predict(moved, verbose=0), -1, 1)
    quantized = optim.quantize_model(first, calibration_data=x)
    assert quantized.output_names == first.output_names
    assert quantized.output_shape == first.output_shape
    for file in (
        optim.export(quantized),
        optim.export(first, optimize="int8", representative_data=x),
    ):
        assert optim.verify(file, expected, x).comparisons[0].sqnr > 30


@pytest.mark.parametrize("name", ["Conv1D", "Conv2D", "DepthwiseConv2D"])
def test_a_normalization_behind_it_still_folds(name: str) -> None:
    first, last = pair(name, normalized=True)
    x, moved = batch(name)
    expected = np.moveaxis(last.predict(moved, verbose=0), -1, 1)
    quantized = optim.quantize_model(first, calibration_data=x)
    report = optim.verify(optim.export(quantized), expected, x)
    assert report.comparisons[0].sqnr > 30
    assert report.int8_ops == 1.0
    assert report.histogram["TRANSPOSE"] == {"int8": 2}


@pytest.mark.parametrize("name", UNWRITTEN)
def test_a_float_file_that_cannot_have_it_says_why(name: str) -> None:
    with pytest.raises(optim.ExportError) as caught:
        optim.export(pair(name)[0])
    problem = caught.value.problems[0]
    assert problem.layer.split("/")[0] == "moved"
    assert "with the channels last only" in problem.reason
    assert "Permute before and after it" in problem.remedy


def test_a_softmax_goes_along_the_axis_that_it_did() -> None:
    inputs = K.Input((2, 8, 6))
    layer = K.DepthwiseConv2D(3, data_format="channels_first", activation="softmax")
    model = keras.Model(inputs, layer(inputs))
    x = np.random.default_rng(0).normal(size=(8, 2, 8, 6)).astype("float32")
    quantized = optim.quantize_model(model, calibration_data=x)
    assert not any(isinstance(one, K.Permute) for one in quantized.layers)
    report = optim.verify(optim.export(quantized), model, x)
    assert report.comparisons[0].sqnr > 25


def test_a_layer_that_is_called_twice_stays_one() -> None:
    models = []
    for layout, shape in (("channels_first", (2, 8, 6)), ("channels_last", (8, 6, 2))):
        inputs = K.Input(shape)
        layer = K.Conv2D(2, 3, padding="same", data_format=layout)
        models.append(keras.Model(inputs, layer(layer(inputs))))
    first, last = models
    first.set_weights(last.get_weights())
    moved = np.random.default_rng(0).normal(size=(8, 8, 6, 2)).astype("float32")
    x = np.moveaxis(moved, -1, 1)
    quantized = optim.quantize_model(first, calibration_data=x)
    assert len(quantized.trainable_weights) == 2
    expected = np.moveaxis(last.predict(moved, verbose=0), -1, 1)
    report = optim.verify(optim.export(quantized), expected, x)
    assert report.comparisons[0].sqnr > 30
    assert report.histogram["TRANSPOSE"] == {"int8": 2}
