"""Twins of models as people write them go through `quantize_model` to int8 files throughout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras as keras3
import numpy as np
import pytest

import optim

L, ops = keras3.layers, keras3.ops


class DropPath(L.Layer):
    """Stochastic depth, as image models have it."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = keras3.random.SeedGenerator(0)

    def call(self, x: Any, training: Any = None) -> Any:
        if training:
            shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
            keep = 1 - self.rate
            return x / keep * ops.floor(keep + keras3.random.uniform(shape, seed=self.seed))
        return x


class Patches(L.Layer):
    """Patches, a token for the class, and positions."""

    def __init__(self, size: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.width = size, width
        self.projection = L.Dense(width)

    def build(self, shape: Any) -> None:
        count = (shape[1] // self.size) * (shape[2] // self.size)
        self.positions = self.add_weight(shape=(1, count + 1, self.width), name="positions")
        self.token = self.add_weight(shape=(1, 1, self.width), name="token")
        self.projection.build((None, count, self.size**2 * shape[3]))

    def call(self, x: Any) -> Any:
        batch = ops.shape(x)[0]
        x = ops.image.extract_patches(x, self.size)
        x = self.projection(ops.reshape(x, (batch, -1, x.shape[-1])))
        token = ops.broadcast_to(self.token, (batch, 1, self.width))
        return ops.concatenate([token, x], axis=1) + self.positions


def vision_transformer() -> Any:
    inputs = keras3.Input((16, 16, 3))
    x = Patches(4, 16)(inputs)
    for _ in range(2):
        y = L.LayerNormalization(epsilon=1e-6)(x)
        x = x + DropPath(0.1)(L.MultiHeadAttention(2, 8)(y, y))
        y = L.Dense(32, activation=keras3.activations.gelu)(L.LayerNormalization()(x))
        x = x + DropPath(0.1)(L.Dense(16)(y))
    return keras3.Model(inputs, L.Dense(5)(x[:, 0]))


def detector() -> Any:
    inputs = keras3.Input((32, 32, 3))
    x = L.Conv2D(8, 3, 2, "same", activation="silu")(inputs)
    fine = L.Conv2D(16, 3, 2, "same", activation="silu")(x)
    coarse = L.Conv2D(16, 3, 2, "same", activation="hard_silu")(fine)
    fine = L.Conv2D(16, 1)(fine) + L.UpSampling2D()(coarse)
    convolutions = [L.Conv2D(16, 3, padding="same", activation="relu"), L.Conv2D(6, 1)]
    head = keras3.Sequential([keras3.Input((None, None, 16)), *convolutions], name="head")
    outputs = {}
    for name, level in (("fine", fine), ("coarse", coarse)):
        count = level.shape[1] * level.shape[2]
        box, score = ops.split(head(level), [4], axis=-1)
        outputs[f"{name}_box"] = ops.reshape(box, (-1, count, 4))
        outputs[f"{name}_score"] = ops.sigmoid(ops.reshape(score, (-1, count, 2)))
    return keras3.Model(inputs, outputs)


def gated_decoder() -> Any:
    inputs = keras3.Input((8, 16))
    y = L.LayerNormalization()(inputs)
    x = inputs + L.GroupQueryAttention(4, 4, 2)(y, y)
    y = L.LayerNormalization()(x)
    gate, up = L.Dense(32, use_bias=False)(y), L.Dense(32, use_bias=False)(y)
    return keras3.Model(inputs, L.Dense(16, use_bias=False)(ops.silu(gate) * up))


def squeeze_excite() -> Any:
    inputs = keras3.Input((16, 16, 3))
    x = L.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    x = ops.relu(L.BatchNormalization()(x))
    gate = ops.relu(L.Conv2D(4, 1)(ops.mean(x, axis=(1, 2), keepdims=True)))
    x = x * ops.hard_sigmoid(L.Conv2D(8, 1)(gate))
    return keras3.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D()(ops.hard_swish(x))))


@pytest.mark.parametrize("make", [vision_transformer, detector, gated_decoder, squeeze_excite])
def test_int8_throughout(make: Callable[[], Any], twin: Any, rng: Any) -> None:
    made = twin(make())
    shape = [16, *made.inputs[0].shape[1:]]
    data = rng.normal(size=shape).astype("float32")
    file = optim.export(optim.quantize_model(made, calibration_data=[data]))
    report = optim.verify(file, {"float": made}, data)
    assert not report.islands
    assert min(x.sqnr for x in report.comparisons) > 20
    assert np.isfinite(report.comparisons[0].max_difference)
