"""Normalizations behind a concatenation of branches of unequal size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras
from optim.graph.reader import read
from optim.quantization.building.builder import build
from optim.quantization.lowering.driver import lower

K = keras.layers


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)


def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(32, 8, 8, 4)).astype("float32")


def network(tail: Callable[[Any], Any], *, ratio: float = 1000.0, twice: bool = False) -> Any:
    """Two branches, one `ratio` times the other; the small one alone reaches the first output."""
    inputs = keras.Input((8, 8, 4))
    large = K.Conv2D(6, 3, padding="same", name="large")(inputs)
    small = K.Conv2D(6, 3, padding="same", name="small")(inputs)
    x = tail(K.Concatenate(name="join")([large, small]))
    outputs: Any = K.Conv2D(5, 1, name="head")(x)
    if twice:
        outputs = [outputs, K.Conv2D(2, 1, name="other")(small)]
    model = keras.Model(inputs, outputs, name="branches")
    layer = model.get_layer("small")
    layer.kernel.assign(layer.kernel / ratio)
    for norm in model.layers:
        if isinstance(norm, K.BatchNormalization):
            seen = keras.Model(inputs, norm.input)(images()).numpy().reshape(-1, 12)
            norm.moving_mean.assign(seen.mean(0))
            norm.moving_variance.assign(seen.var(0) - norm.epsilon * 0)
            norm.epsilon = 1e-12
    head = model.get_layer("head").kernel
    head.assign(np.where(np.arange(12)[:, None] < 6, head.numpy() * 0.1, head.numpy()))
    return model


def normalized(x: Any) -> Any:
    return K.BatchNormalization(name="norm")(x)


def rectified(x: Any) -> Any:
    return K.ReLU(name="relu")(K.BatchNormalization(name="norm")(x))


def scaled(x: Any) -> Any:
    return x * np.repeat([1.0, 1000.0], 6).astype("float32")


TAILS = (normalized, rectified, scaled)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("twice", [False, True])
def test_it_computes_the_same(tail: Any, twice: bool) -> None:
    model = network(tail, twice=twice)
    lowered = build(lower(read(model)))
    for a, b in zip(
        keras.backend.flatten(model(images())[0] if twice else model(images()))[None],
        keras.backend.flatten(lowered(images())[0] if twice else lowered(images()))[None],
        strict=True,
    ):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("twice", [False, True])
def test_the_small_branch_is_there(tail: Any, twice: bool) -> None:
    model = network(tail, twice=twice)
    quantized = optim.quantize_model(model, calibration_data=images())
    after = optim.export(model, optimize="int8", representative_data=images())
    for content in (optim.export(quantized), after):
        report = optim.verify(content, {"float": model}, images())
        assert min(one.sqnr for one in report.comparisons) > 30
        assert not report.islands


def test_equal_branches_stay() -> None:
    assert [row["layer"] for row in optim.plan(network(normalized, ratio=2.0)).rows()][-3:] == [
        "join", "norm", "head",
    ]  # fmt: skip


def test_it_is_trained_as_before() -> None:
    model = network(rectified)
    quantized = optim.quantize_model(model, calibration_data=images())
    norms = [
        x for x in quantized.layers if isinstance(getattr(x, "layer", x), K.BatchNormalization)
    ]
    assert (
        sum(x.layer.gamma.shape[0] if hasattr(x, "layer") else x.gamma.shape[0] for x in norms)
        == 12
    )
    quantized.compile("sgd", "mse")
    quantized.fit(images(), np.zeros((32, 8, 8, 5)), verbose=0)


def test_debug_shows_the_worst_channel() -> None:
    inputs = keras.Input((8, 8, 4))
    large, small = (K.Conv2D(6, 3, padding="same", name=n)(inputs) for n in ("large", "small"))
    model = keras.Model(inputs, K.Conv2D(5, 1)(K.Concatenate(name="join")([large, small])))
    layer = model.get_layer("small")
    layer.kernel.assign(layer.kernel / 1000)
    row = optim.debug(model, images()).frame.loc["join"]
    assert row["sqnr"] > 30
    assert row["worst_channel"] < 5
