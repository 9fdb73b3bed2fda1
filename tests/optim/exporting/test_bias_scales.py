"""Biases count in steps of the operation's own input and kernel, whoever else has the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim import litert
from optim._keras import keras
from optim.exporting.file_passes.linear import linear
from optim.litert.writer import unpack

K = keras.layers


def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=scale, size=shape).astype("float32")


def one_layer_twice() -> tuple[Any, list[np.ndarray]]:
    a, b = keras.Input((8,)), keras.Input((8,))
    layer = K.Dense(8, activation="relu", bias_initializer="random_normal")
    return keras.Model([a, b], [layer(a), layer(b)]), [normal(16, 8), normal(16, 8, scale=20)]


def equal_layers() -> tuple[Any, list[np.ndarray]]:
    inputs = keras.Input((12, 12, 3))
    x = K.Conv2D(8, 3, bias_initializer="ones", activation="relu")(inputs)
    x = K.Conv2D(8, 3, bias_initializer="ones", activation="relu")(x)
    return keras.Model(inputs, K.Dense(8, bias_initializer="ones")(x)), [normal(16, 12, 12, 3)]


def equal_normalizations() -> tuple[Any, list[np.ndarray]]:
    inputs = x = keras.Input((12, 12, 3))
    for _ in range(2):
        x = K.Conv2D(8, 3, use_bias=False)(x)
        x = K.ReLU()(K.BatchNormalization(beta_initializer="ones")(x))
    return keras.Model(inputs, x), [normal(16, 12, 12, 3)]


Made = Callable[[], tuple[Any, list[np.ndarray]]]


@pytest.mark.parametrize("make", [one_layer_twice, equal_layers, equal_normalizations])
@pytest.mark.parametrize(("scheme", "least"), [("int8", 25), ("int16x8", 45)])
def test_equal_biases_are_each_in_steps_of_their_own(make: Made, scheme: str, least: float) -> None:
    """The converter's int16x8 quantizer gives all of them one: 2 to 26 dB here."""
    model, data = make()
    content = optim.export(model, optimize=scheme, representative_data=[data])
    report = optim.verify(content, model, data if len(data) > 1 else data[0])
    assert min(one.sqnr for one in report.comparisons) > least
    check_steps(content)


def test_equal_biases_in_equal_steps_stay_one() -> None:
    a, b = keras.Input((8,)), keras.Input((8,))
    layer = K.Dense(8, bias_initializer="random_normal")
    model = keras.Model([a, b], [layer(a), layer(b)])
    data = normal(16, 8)
    content = optim.export(model, optimize="int16x8", representative_data=[[data, data]])
    file = unpack(content)
    (graph,) = file.subgraphs
    assert len({one.bias for one in linear(file, graph)}) == 1


LAYERS: dict[str, Callable[[], Any]] = {
    "convolution": lambda: K.Conv2D(8, 3),
    "groups": lambda: K.Conv2D(8, 3, groups=2),
    "depthwise": lambda: K.DepthwiseConv2D(3, depth_multiplier=2),
    "transposed": lambda: K.Conv2DTranspose(8, 3),
    "transposed, rectified": lambda: K.Conv2DTranspose(8, 3, activation="relu"),
    "dense": lambda: K.Dense(8),
}


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_biases_follow_a_kernel_that_keeps_its_steps(make: Callable[[], Any], scheme: str) -> None:
    """In those of the converter's kernel, they leave 2 to 10 dB."""
    inputs = keras.Input((8, 8, 6))
    layer = make()
    model = keras.Model(inputs, K.Conv2D(4, 1)(layer(inputs)))
    bias, kernel = layer.bias, layer.weights[0]
    bias.assign(normal(*bias.shape))
    # Channels of different reach, which the converter's steps follow.
    across = np.linspace(0.2, 1, kernel.shape[-2])[:, None] * np.linspace(0.2, 1, kernel.shape[-1])
    kernel.assign(kernel * across)
    data = normal(32, 8, 8, 6)
    few = optim.uncluster(optim.cluster_weights(model, 8, depthwise=True))
    quantized = optim.quantize_model(
        few, scheme=scheme, preserve="clusters", calibration_data=[data]
    )
    content = optim.export(quantized, representative_data=data if scheme == "int16x8" else None)
    (compared,) = optim.verify(content, quantized, data).comparisons
    assert compared.sqnr > 45
    assert all((kernel.unique or 0) <= 8 for kernel in optim.sparsity_report(content).kernels)
    check_steps(content)


def check_steps(content: bytes) -> None:
    """All biases of a file are in steps of the input's scale times the kernel's."""
    file = unpack(content)
    count = 0
    for graph in file.subgraphs:
        for one in linear(file, graph):
            given, kernel, bias = (
                graph.tensors[number].quantization.scale
                for number in (one.input, one.kernel, one.bias)
            )
            np.testing.assert_allclose(bias, given * kernel, rtol=1e-4)
            count += litert.dtype_name(graph.tensors[one.bias].type) in ("int32", "int64")
    assert count >= 2
