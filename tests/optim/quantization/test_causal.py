"""Causal layers through every function: LiteRT pads them, as no depthwise layer of Keras does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras
from optim.graph.reader import read
from optim.quantization.building.builder import build
from optim.quantization.lowering.driver import lower

K = keras.layers


def separable(**more: Any) -> Any:
    return K.SeparableConv1D(4, 3, padding="causal", **more)


def twice(x: Any) -> Any:
    layer = separable(name="shared")
    return layer(layer(x))


CAUSAL = {
    "separable": lambda x: separable()(x),
    "separable, dilated": lambda x: separable(dilation_rate=2, activation="relu")(x),
    "separable, strides": lambda x: separable(strides=2, depth_multiplier=2)(x),
    "separable, swish": lambda x: separable(activation="swish", use_bias=False)(x),
    "separable, normalized": lambda x: K.ReLU()(K.BatchNormalization()(separable()(x))),
    "separable, shared": twice,
    "separable, nested": lambda x: keras.Sequential([separable(), separable()])(x),
    "plain, dilated": lambda x: K.Conv1D(4, 3, padding="causal", dilation_rate=2)(x),
    "plain, groups": lambda x: K.Conv1D(4, 3, padding="causal", groups=4)(x),
}


def network(part: str) -> Any:
    inputs = K.Input((12, 4))
    return keras.Model(inputs, K.Conv1D(3, 1, name="after")(CAUSAL[part](inputs)))


def series() -> np.ndarray:
    return np.random.default_rng(0).random((16, 12, 4)).astype("float32")


@pytest.mark.parametrize("part", CAUSAL)
def test_a_causal_layer_is_int8(part: str, outputs: Any) -> None:
    model = network(part)
    wanted, found = (outputs(m, series())[0] for m in (model, build(lower(read(model)))))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    quantized = optim.quantize_model(model, calibration_data=series())
    report = optim.verify(optim.export(quantized), {"float": model}, series())
    assert not report.islands
    assert report.comparisons[0].sqnr > 20


@pytest.mark.parametrize("part", CAUSAL)
@pytest.mark.parametrize("wrap", [optim.prune_low_magnitude, optim.cluster_weights])
def test_a_causal_layer_is_pruned_and_clustered(part: str, wrap: Any) -> None:
    wrapped = wrap(network(part))
    report = optim.verify(optim.export(wrapped), {"wrapped": wrapped}, series())
    assert report.comparisons[0].sqnr > 90
