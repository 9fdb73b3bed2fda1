"""Reading, lowering and building compute what the model computes, for every toy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import toys

from optim.graph.reader import read
from optim.quantization.building.builder import build
from optim.quantization.lowering.driver import lower


@pytest.mark.parametrize("name", toys.TOYS)
def test_a_model_read_and_built_again_is_equal_to_the_bit(name: str, outputs: Any) -> None:
    model = toys.randomize(toys.TOYS[name]())
    batch = toys.batch_for(model)
    for a, b in zip(outputs(model, batch), outputs(build(read(model)), batch), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", toys.TOYS)
def test_lowering_is_exact_and_leaves_the_model_as_it_was(name: str, outputs: Any) -> None:
    model = toys.randomize(toys.TOYS[name]())
    batch = toys.batch_for(model)
    expected = outputs(model, batch)
    layers = list(model._flatten_layers())
    before = [(len(x._inbound_nodes), len(x._outbound_nodes)) for x in layers]
    weights = [w.numpy() for w in model.weights]

    lowered = build(lower(read(model)))
    for a, b in zip(expected, outputs(lowered, batch), strict=True):
        assert np.abs(a - b).max() <= 2e-6 * max(np.abs(a).max(), 1e-3)
    assert [(len(x._inbound_nodes), len(x._outbound_nodes)) for x in layers] == before
    assert list(model._flatten_layers()) == layers
    for a, b in zip(weights, model.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_permuting_the_inputs_of_one_join_permutes_nothing_else(outputs: Any) -> None:
    from optim._keras import keras

    def make(order: int) -> Any:
        keras.utils.set_random_seed(3)
        x = toys.image()
        a, b = keras.layers.Conv2D(2, 1)(x), keras.layers.Conv2D(2, 1)(x)
        first = keras.layers.Concatenate()([a, b][::order])
        return keras.Model(x, [first, keras.layers.Concatenate()([b, first, a])])

    for order in (1, -1):
        model = make(order)
        batch = toys.batch_for(model)
        lowered = build(lower(read(model)))
        for a, b in zip(outputs(model, batch), outputs(lowered, batch), strict=True):
            np.testing.assert_array_equal(a, b)
