"""Text networks of Keras 3, with sequences of several lengths: int8 throughout, as of tf_keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optim

NETWORKS: dict[str, Any] = {
    "lstm": lambda L, x: L.LSTM(8)(x),
    "gru": lambda L, x: L.GRU(8)(x),
    "both ways": lambda L, x: L.Bidirectional(L.LSTM(8))(x),
    "two": lambda L, x: L.LSTM(8)(L.LSTM(8, return_sequences=True)(x)),
    "each step": lambda L, x: L.LSTM(8)(L.TimeDistributed(L.Dense(5))(x)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_its_mask_is_that_of_the_table(name: str, keras3: Any) -> None:
    layers, rng = keras3.layers, np.random.default_rng(0)
    inputs = keras3.Input((12,), dtype="int32")
    x = NETWORKS[name](layers, layers.Embedding(100, 16, mask_zero=True)(inputs))
    model = keras3.Model(inputs, layers.Dense(3)(x))
    twin = optim.from_keras3(model)
    ids = rng.integers(1, 100, (32, 12)).astype(np.int32)
    ids *= np.arange(12)[None] < rng.integers(1, 13, (32, 1))
    np.testing.assert_allclose(twin(ids), model(ids), atol=1e-6)
    assert not optim.plan(twin).floats
    content = optim.export(optim.quantize_model(twin, calibration_data=ids))
    report = optim.verify(content, {"float": model}, ids)
    assert not report.islands
    assert report.comparisons[0].sqnr > 20
