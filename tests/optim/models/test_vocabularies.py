"""Layers that look words up: what they have learnt is copied with the model."""

from __future__ import annotations

import numpy as np
import pytest

from optim import cluster_weights, prune_low_magnitude, quantize_model, uncluster, unprune

WORDS = np.array([["a b"], ["b c"], ["c c"], ["d a"]])
NUMBERS = np.array([[5], [7], [9], [7]])

LOOKUPS = {
    "StringLookup int": ("StringLookup", {"output_mode": "int"}, WORDS),
    "StringLookup multi_hot": ("StringLookup", {"output_mode": "multi_hot"}, WORDS),
    "IntegerLookup": ("IntegerLookup", {"output_mode": "multi_hot"}, NUMBERS),
    "TextVectorization int": ("TextVectorization", {"output_sequence_length": 3}, WORDS),
    "TextVectorization tf_idf": ("TextVectorization", {"output_mode": "tf_idf"}, WORDS),
}


@pytest.mark.parametrize("kind", LOOKUPS)
def test_an_adapted_vocabulary_goes_along(keras, kind):
    name, options, data = LOOKUPS[kind]
    lookup = getattr(keras.layers, name)(name="lookup", **options)
    lookup.adapt(data)
    inputs = keras.Input((1,), dtype="int64" if data is NUMBERS else "string")
    x = lookup(inputs)
    if x.dtype == "int64":
        x = keras.layers.Flatten()(keras.layers.Embedding(9, 4)(x))
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    expected = model(data)
    assert np.ptp(expected, axis=0).min() > 0  # not all of them unknown
    for copy in (
        prune_low_magnitude(model),
        unprune(prune_low_magnitude(model)),
        uncluster(cluster_weights(model, 200)),
    ):
        assert copy.get_layer("lookup") is not lookup
        np.testing.assert_allclose(copy(data), expected, atol=1e-6)
    quantized = quantize_model(model)
    assert quantized.get_layer("lookup").get_vocabulary() == lookup.get_vocabulary()
    np.testing.assert_allclose(quantized(data), expected, atol=0.1)
