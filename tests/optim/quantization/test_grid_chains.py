"""Concatenations that go into each other: one grid, that of the last of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toys

import optim
from optim._keras import keras
from optim.files.api import load_model
from optim.quantization.api import quantize_model
from optim.quantization.planning import planner
from optim.quantization.planning.planner import plan
from optim.quantization.quantizers.wrappers import ChainQuantizeLayer

K = keras.layers


def dense_block(length: int, channels: int = 4) -> Any:
    """Each step adds channels to all that were there: DenseNet's block."""
    inputs = x = K.Input((8, 8, 8))
    x = K.Conv2D(8, 3, padding="same")(x)
    for i in range(length):
        y = K.ReLU()(K.BatchNormalization(epsilon=1e-3)(x))
        y = K.Conv2D(channels, 3, padding="same", name=f"grow_{i}")(y)
        x = K.Concatenate(name=f"join_{i}")([x, y])
    return keras.Model(inputs, K.GlobalAveragePooling2D()(x))


def chains(model: Any) -> list[Any]:
    return [x for x in model.layers if isinstance(x, ChainQuantizeLayer)]


def own(layer: Any) -> np.ndarray:
    """The range of each tensor as calibration or training found it."""
    return np.array([[float(v[e]) for e in ("min_var", "max_var")] for v in layer.quantizer_vars])


def used(layer: Any) -> np.ndarray:
    """The range that each tensor is quantized to."""
    return np.array([[float(x) for x in layer.quantizer.range(v)] for v in layer.quantizer_vars])


def test_a_chain_has_the_grid_of_its_last() -> None:
    model = dense_block(4)
    decided = {e.node.path: e for e in plan(model)}
    last = decided["join_3"]
    assert [decided[f"join_{i}"].grid_of for i in range(4)] == [last, last, last, None]
    assert "on the grid of join_3" in decided["join_0"].reason
    assert {r["output"] for r in plan(model).rows() if r["layer"].startswith("join")} == {"int8"}

    batch = toys.batch_for(toys.randomize(model), size=8)
    (layer,) = chains(quantize_model(model, calibration_data=[batch]))
    assert (layer.name, layer.length) == ("join_3_quantize", 4)
    for i, (low, high) in enumerate(own(layer)):
        inner = keras.Model(model.inputs, model.get_layer(f"join_{i}").output)
        values = inner(batch).numpy()
        assert [low, high] == pytest.approx([values.min(), values.max()], rel=0.1)


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_steps_are_those_of_the_whole_or_two_thirds_of_them_again_and_again(scheme: str) -> None:
    (layer,) = chains(quantize_model(dense_block(5), scheme=scheme))
    ranges = [(-1.0, 1.0), (-1.0, 3.1), (0.0, 4.0), (-7.9, 8.1), (-8.0, 10.0)]
    for variables, ends in zip(layer.quantizer_vars, ranges, strict=True):
        for name, value in zip(("min_var", "max_var"), ends, strict=True):
            variables[name].assign(value)
    low, high = used(layer).T
    spans = high - low
    levels = np.log(18 / spans) / np.log(1.5)
    assert levels == pytest.approx([5, 3, 3, 0, 0], abs=1e-5)
    if scheme == "int16x8":  # symmetric: whole ranges shrink
        assert low * 10 == pytest.approx(high * -8)
    else:
        assert list(low) == [-1, -1, 0, -8, -8]
        assert all(high >= np.array(ranges)[:, 1])


def test_each_tensor_moves_its_own_range_in_training() -> None:
    (layer,) = chains(quantize_model(dense_block(2)))
    x = np.array([[-2.0, 14.0]], "f4")
    layer(x, training=False, position=0)
    assert own(layer).tolist() == [[-6, 6], [-6, 6]]
    layer(x, training=True, position=0)
    assert own(layer) == pytest.approx(np.array([[-5.996, 6.008], [-6, 6]]), abs=1e-4)
    assert used(layer) == pytest.approx(np.array([[-6, 6], [-6, 6]]))


def test_it_trains_and_survives_saving(tmp_path: Path, outputs: Any) -> None:
    model = toys.randomize(dense_block(3))
    batch = toys.batch_for(model, size=8)
    quantized = quantize_model(model, calibration_data=[batch])
    expected = outputs(quantized, batch)
    for suffix in ("h5", "keras"):
        quantized.save(tmp_path / f"m.{suffix}")
        again = load_model(tmp_path / f"m.{suffix}")
        np.testing.assert_array_equal(expected[0], outputs(again, batch)[0])
        fresh = quantize_model(model, calibration_data=[batch])
        for one in (again, fresh):
            one(batch, training=True)
        assert own(chains(again)[0]) == pytest.approx(own(chains(fresh)[0]), rel=1e-5)


def conditioned(model: Any, batch: Any) -> Any:
    """Give every convolution an output of deviation 1: as in trained networks, no layer dwarfs
    another."""
    for layer in model.layers:
        if isinstance(layer, K.Conv2D):
            y = keras.Model(model.inputs, layer.output)(batch).numpy()
            layer.kernel.assign(layer.kernel / y.std())
            layer.bias.assign(0 * layer.bias)
    return model


def test_the_file_does_not_round_at_every_link(monkeypatch: Any) -> None:
    """A chain of 16 in the file, with one grid and with a range for each concatenation."""
    model = toys.randomize(dense_block(16), seed=1)
    batch = toys.batch_for(model, size=8)
    conditioned(model, batch)

    def measure() -> tuple[int, float]:
        file = optim.export(quantize_model(model, calibration_data=[batch]))
        report = optim.verify(file, {"float": model}, batch)
        return sum(report.histogram["QUANTIZE"].values()), report.comparisons[0].sqnr

    roundings, sqnr = measure()
    monkeypatch.setattr(planner, "chain", lambda *_: None)
    roundings_apart, sqnr_apart = measure()
    assert roundings < roundings_apart
    assert sqnr > sqnr_apart + 2
    posttraining = optim.export(model, optimize="int8", representative_data=[batch])
    assert sqnr > optim.verify(posttraining, {"float": model}, batch).comparisons[0].sqnr - 1


# -- where there is no chain -------------------------------------------------------------------


def twice(x: Any) -> Any:
    return K.Conv2D(4, 1)(x)


def leaders(outputs: Any, inputs: Any) -> dict[str, str]:
    decided = plan(keras.Model(inputs, outputs))
    return {e.node.path: e.grid_of.node.path for e in decided if e.grid_of is not None}


def test_through_a_concatenation_that_only_another_takes() -> None:
    x = K.Input((4, 4, 2))
    first = K.Concatenate(name="first")([twice(x), twice(x)])
    second = K.Concatenate(name="second")([first, twice(first)])
    third = K.Concatenate(name="third")([second, twice(x)])
    assert leaders(twice(third), x) == {"first": "third"}


@pytest.mark.parametrize("between", [K.Dropout(0.5), K.Activation("linear")])
def test_through_what_hands_values_on(between: Any) -> None:
    x = K.Input((4, 4, 2))
    first = K.Concatenate(name="first")([twice(x), twice(x)])
    second = K.Concatenate(name="second")([between(first), twice(first)])
    assert leaders(twice(second), x) == {"first": "second"}


@pytest.mark.parametrize("between", [K.MaxPooling2D(2), K.Cropping2D(1), K.ReLU()])
def test_not_where_values_are_lost_on_the_way(between: Any) -> None:
    x = K.Input((4, 4, 2))
    first = K.Concatenate(name="first")([twice(x), twice(x)])
    second = K.Concatenate(name="second")([between(first), between(twice(first))])
    assert leaders(twice(second), x) == {}


def test_not_where_two_take_it_or_one_is_an_output() -> None:
    x = K.Input((4, 4, 2))
    first = K.Concatenate(name="first")([twice(x), twice(x)])
    one = K.Concatenate(name="one")([first, twice(first)])
    two = K.Concatenate(name="two")([first, twice(x)])
    assert leaders([twice(one), twice(two)], x) == {}
    assert leaders([first, twice(one)], x) == {}
    assert leaders([one], x) == {}
    assert leaders([twice(one)], x) == {"first": "one"}
