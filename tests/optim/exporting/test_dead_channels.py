"""Channels whose kernel vanishes beside their bias: the int8 file gives that bias all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras

K = keras.layers

CHANNELS = 8
PRUNED = 2
"""The channel that vanishes."""


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(1)


def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(32, 8, 8, 8)).astype("float32")


def network(layer: Any, *, normalized: bool = False) -> Any:
    inputs = keras.Input((8, 8, 8))
    x = layer(inputs)
    x = K.BatchNormalization(name="norm")(x) if normalized else x
    x = K.GlobalAveragePooling2D()(K.ReLU()(x))
    model = keras.Model(inputs, K.Dense(6)(x))
    if normalized:
        norm = model.get_layer("norm")
        norm.gamma.assign(np.linspace(0.5, 2, CHANNELS))
        norm.beta.assign(np.linspace(1, 1.5, CHANNELS))
        norm.moving_mean.assign(np.linspace(-0.1, 0.1, CHANNELS))
    if layer.use_bias:
        layer.bias.assign(np.linspace(1, 1.5, CHANNELS))
    return model


def fade(model: Any, by: float, axis: int = -1) -> Any:
    """Multiply the kernel of one channel of the first layer."""
    kernel = model.layers[1].weights[0]
    values = np.moveaxis(kernel.numpy(), axis, 0)
    values[PRUNED] *= by
    kernel.assign(np.moveaxis(values, 0, axis))
    return model


def multiply(model: Any, by: float) -> Any:
    """Multiply one channel of the normalization."""
    gamma = model.get_layer("norm").gamma.numpy()
    gamma[PRUNED] *= by
    model.get_layer("norm").gamma.assign(gamma)
    return model


def conv(**given: Any) -> Any:
    return K.Conv2D(CHANNELS, 3, **given)


def depthwise(**given: Any) -> Any:
    return K.DepthwiseConv2D(3, **given)


def transposed(**given: Any) -> Any:
    return K.Conv2DTranspose(CHANNELS, 3, **given)


LOST = 25.0
"""dB of a file that lost a bias, at most; the others have 40 and more."""

CASES: dict[str, Callable[[], Any]] = {
    "pruned": lambda: fade(network(conv()), 0),
    "faded": lambda: fade(network(conv()), 1e-7),
    "fading": lambda: fade(network(conv()), 1e-4),
    "in groups": lambda: fade(network(conv(groups=2)), 0),
    "dense over an image": lambda: fade(network(K.Dense(CHANNELS)), 0),
    "depthwise": lambda: fade(network(depthwise()), 0, axis=-2),
    "transposed": lambda: fade(network(transposed()), 0, axis=-2),
    "pruned, normalized": lambda: fade(network(conv(use_bias=False), normalized=True), 0),
    "normalized to nothing": lambda: multiply(network(conv(use_bias=False), normalized=True), 0),
    "with a bias, to nothing": lambda: multiply(network(conv(), normalized=True), 0),
    "to next to nothing": lambda: multiply(network(conv(use_bias=False), normalized=True), 1e-8),
    "in groups, to nothing": lambda: multiply(network(conv(groups=2), normalized=True), 0),
    "depthwise, to nothing": lambda: multiply(network(depthwise(), normalized=True), 0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_bias_of_a_vanishing_channel_is_in_the_file(case: str) -> None:
    model = CASES[case]()
    quantized = optim.quantize_model(model, calibration_data=[images()])
    before = [weight.numpy() for weight in quantized.weights]
    report = optim.verify(
        optim.export(quantized), {"simulation": quantized, "float": model}, images()
    )
    assert (report.int8_ops, report.int8_macs) == (1, 1)
    simulation, floating = (c.sqnr for c in report.comparisons)
    assert simulation > 2 * LOST
    assert floating > 38
    for then, weight in zip(before, quantized.weights, strict=True):
        np.testing.assert_array_equal(then, weight.numpy())


def test_a_channel_with_room_for_its_bias_is_left_alone() -> None:
    from optim.exporting.freeze import freeze
    from optim.exporting.graph_passes import dead_channels
    from optim.models.signature import interface

    quantized = optim.quantize_model(network(conv()), calibration_data=[images()])
    assert dead_channels.give_room(freeze(quantized, interface(quantized, None)).graph_def) == 0


@pytest.mark.parametrize("how", ["int8", "int16x8", "ptq-int8", "ptq-int16x8"])
@pytest.mark.parametrize("fading", [1e-9, 1e-5])
@pytest.mark.parametrize("dense", [False, True])
def test_a_bias_behind_a_layer_that_gives_next_to_nothing(
    how: str, fading: float, dense: bool
) -> None:
    inputs = keras.Input((8,) if dense else (8, 8, 8))
    before = K.Dense(8, use_bias=False) if dense else K.Conv2D(8, 1, use_bias=False)
    after = K.Dense(6) if dense else K.Conv2D(6, 1)
    model = keras.Model(inputs, after(before(inputs)))
    after.bias.assign(np.linspace(-2, 2, 6))
    before.kernel.assign(before.kernel * fading)
    data = images()[:, 0, 0] if dense else images()
    if how.startswith("ptq"):
        content = optim.export(model, optimize=how[4:], representative_data=data)
    else:
        quantized = optim.quantize_model(model, scheme=how, calibration_data=data)
        needs = {"representative_data": data} if how == "int16x8" else {}
        content = optim.export(quantized, **needs)
    (report,) = optim.verify(content, {"float": model}, data).comparisons
    assert report.sqnr > 45
