"""Rectifiers with a cap, a slope, a threshold: exact, fused where possible, int8 in the file."""

from __future__ import annotations

from typing import Any

import litefile
import numpy as np
import pytest
import toys

import optim
from optim._keras import keras
from optim.graph.reader import read
from optim.quantization.building.builder import build
from optim.quantization.layers import CappedRelu
from optim.quantization.lowering.driver import lower

K = keras.layers

BEFORE: dict[str, Any] = {
    "input": lambda x: x,
    "convolution": lambda x: K.Conv2D(6, 3)(x),
    "normalized": lambda x: K.BatchNormalization()(K.Conv2D(6, 3, use_bias=False)(x)),
    "depthwise": lambda x: K.DepthwiseConv2D(3)(x),
    "sum": lambda x: K.Add()([x, K.Conv2D(4, 3, padding="same")(x)]),
    "mean": lambda x: K.GlobalAveragePooling2D()(x),
    "lone_normalization": lambda x: K.BatchNormalization()(K.MaxPooling2D()(x)),
}


def network(rectifier: Any, before: str = "convolution") -> tuple[Any, Any]:
    x = toys.image()
    y = K.Dense(3)(rectifier(BEFORE[before](x)))
    model = toys.randomize(keras.Model(x, y))
    return model, toys.batch_for(model, size=8)


def report(model: Any, batch: Any, scheme: str = "int8") -> Any:
    quantized = optim.quantize_model(model, scheme=scheme, calibration_data=[batch])
    data = {"representative_data": [batch]} if scheme == "int16x8" else {}
    content = optim.export(quantized, **data)
    return optim.verify(content, {"simulation": quantized, "float": model}, batch)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("cap", [0.3, 4.0])
def test_a_cap_is_one_more_int8_operation(cap: float, before: str) -> None:
    model, batch = network(K.ReLU(cap, name="capped"), before)
    found = report(model, batch)
    assert optim.plan(model).floats == []
    assert found.histogram["MINIMUM"] == {"int8": 1}
    assert (found.int8_ops, found.islands) == (1.0, ())
    simulation, floating = found.comparisons
    assert simulation.sqnr > 45
    assert floating.sqnr > 30
    rectified = found.histogram.get("RELU", {})
    assert rectified == ({"int8": 1} if before in ("input", "mean") else {})  # else it is fused


def test_a_cap_ends_the_group_of_its_convolution() -> None:
    model, _ = network(K.ReLU(4.0, name="capped"), "normalized")
    entries = {e.node.name: e for e in optim.plan(model)}
    capped = entries["capped"]
    assert isinstance(capped.node.layer, CappedRelu)
    assert capped.reason == "fused with batch_normalization"
    assert entries["conv2d"].group == entries["batch_normalization"].group == capped.group
    assert entries["conv2d"].output is entries["batch_normalization"].output is None
    assert capped.output.num_bits == 8


def test_the_range_ends_at_the_cap() -> None:
    model, batch = network(K.ReLU(0.3, name="capped"))
    quantized = optim.quantize_model(model, calibration_data=[batch])
    low, high = (float(w) for w in quantized.get_layer("capped").weights[-2:])
    assert (low, high) == (0.0, pytest.approx(0.3))


@pytest.mark.parametrize(
    "rectifier",
    [
        lambda: K.ReLU(0.3),
        lambda: K.ReLU(0.0),
        lambda: K.ReLU(0.5, negative_slope=0.1),
        lambda: K.ReLU(6.0, negative_slope=0.1),
        lambda: K.ReLU(negative_slope=0.2),
        lambda: K.ReLU(0.5, negative_slope=0.1, threshold=0.2),
        lambda: K.ReLU(threshold=0.2),
        lambda: K.Activation(lambda x: keras.activations.relu(x, max_value=0.4)),
    ],
)
def test_lowered_it_computes_the_same(rectifier: Any, outputs: Any) -> None:
    model, batch = network(rectifier())
    (a,), (b,) = outputs(model, batch), outputs(build(lower(read(model))), batch)
    assert np.abs(a - b).max() <= 1e-6 * max(np.abs(a).max(), 1e-3)


def test_a_slope_and_a_cap() -> None:
    model, batch = network(K.ReLU(0.5, negative_slope=0.1))
    found = report(model, batch)
    assert optim.plan(model).floats == []
    assert found.histogram["LEAKY_RELU"] == found.histogram["MINIMUM"] == {"int8": 1}
    assert found.int8_ops == 1.0
    assert found.comparisons[0].sqnr > 45


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_16_bits(slope: float) -> None:
    model, batch = network(K.ReLU(0.5, negative_slope=slope))
    found = report(model, batch, "int16x8")
    assert found.histogram["MINIMUM"] == {"int16x8": 1}
    assert found.int8_ops == 1.0
    assert found.comparisons[0].sqnr > 70


@pytest.mark.parametrize("cap", [None, 0.5])
def test_a_threshold_stays_float_and_the_plan_says_so(cap: float | None) -> None:
    model, batch = network(K.ReLU(cap, threshold=0.2, name="odd_one"))
    (entry,) = optim.plan(model).floats
    assert entry.node.name == "odd_one"
    assert "threshold" in entry.reason
    found = report(model, batch)
    assert found.int8_ops < 1.0
    layers = {layer for island in found.islands for layer in island.layers}
    assert {layer.partition("/")[0] for layer in layers} == {"odd_one"}
    assert found.comparisons[0].sqnr > 45


def test_a_subclass_keeps_its_own_computation() -> None:
    class Odd(K.ReLU):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return super().call(inputs) + 1.0

    model, batch = network(Odd(0.5))
    lowered = build(lower(read(model)))
    floating = model(batch, training=False).numpy()
    assert litefile.decibels(floating, lowered(batch, training=False).numpy()) > 100


@pytest.mark.parametrize("beside", ["nothing", "relu", "capped"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_several_rectifiers_of_one_tensor(count: int, beside: str, outputs: Any) -> None:
    """The converter shares what they have in common, and fuses what is not shared only."""
    x = toys.image()
    y = K.Conv2D(4, 3)(x)
    branches = [K.PReLU(shared_axes=[1, 2], name=f"prelu_{i}")(y) for i in range(count)]
    branches.append(K.Activation("gelu")(y))  # has a negation as well
    if beside != "nothing":
        branches.append(K.ReLU()(y) if beside == "relu" else K.ReLU(0.5)(y))
    model = toys.randomize(keras.Model(x, K.Concatenate()(branches)))
    batch = toys.batch_for(model, size=8)
    (a,), (b,) = outputs(model, batch), outputs(build(lower(read(model))), batch)
    assert np.abs(a - b).max() <= 1e-6 * np.abs(a).max()
    found = report(model, batch)
    assert (found.int8_ops, found.islands) == (1.0, ())
    assert found.histogram["GELU"] == {"int8": 1}
    assert found.histogram.get("PRELU", {}) == ({"int8": 1} if beside == "nothing" else {})
    assert found.comparisons[0].sqnr > 45
    assert found.comparisons[1].sqnr > 30
