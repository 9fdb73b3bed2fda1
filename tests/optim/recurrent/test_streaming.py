"""States that are given, taken, and kept: one step a call, a thousand times.

Ranges are taken from the whole stream: a value beyond them is cut off, which is no drift, but
would look like it where it happens to be late.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from recurrent_layers import FEATURES, with_weights

import optim
from optim._keras import keras, tf
from optim.verification.compare import sqnr

K = keras.layers
CALLS, UNITS = 1000, 8


def stream() -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.normal(size=(1, CALLS, FEATURES)).astype("float32")


@pytest.mark.parametrize("layer", [K.GRU, K.LSTM, K.SimpleRNN])
def test_states_that_are_inputs_and_outputs_do_not_drift(layer: Any) -> None:
    count = 2 if layer is K.LSTM else 1
    inputs = keras.Input((1, FEATURES), name="x")
    given = [keras.Input((UNITS,), name=f"state_{i}") for i in range(count)]
    y, *states = layer(UNITS, return_state=True)(inputs, initial_state=given)
    model = with_weights(keras.Model([inputs, *given], [K.Dense(2)(y), *states]), 0.4)
    x = stream()
    states = [np.zeros((1, UNITS), "float32")] * count
    seen, wanted = [], []
    call = tf.function(model)
    for t in range(CALLS):
        seen.append([x[:, t : t + 1], *states])
        out, *states = (np.asarray(one) for one in call(seen[-1]))
        wanted.append(out)
    data = [[np.concatenate(parts) for parts in zip(*seen, strict=True)]]
    runtime = optim.litert.Runtime(optim.export(optim.quantize_model(model, calibration_data=data)))
    states, got = [np.zeros((1, UNITS), "float32")] * count, []
    for t in range(CALLS):
        out, *states = runtime.run([x[:, t : t + 1], *states])
        got.append(out)
    first, last = (sqnr(np.array(wanted[part]), np.array(got[part]))
                   for part in (slice(0, 200), slice(-200, None)))  # fmt: skip
    assert first >= 20
    assert last >= max(20, first - 3)


@pytest.mark.parametrize("layer", [K.GRU, K.LSTM])
def test_states_that_are_kept_do_not_drift(layer: Any) -> None:
    inputs = keras.Input((1, FEATURES), batch_size=1)
    model = keras.Model(inputs, K.Dense(2)(layer(UNITS, stateful=True)(inputs)))
    with_weights(model, 0.4)
    x = stream()
    steps = [x[:, t : t + 1] for t in range(CALLS)]
    quantized = optim.quantize_model(model, calibration_data=steps)
    runtime = optim.litert.Runtime(optim.export(quantized))
    model.reset_states()
    quantized.reset_states()
    wanted = np.array([np.asarray(one) for one in map(tf.function(model), steps)])
    got = np.array([runtime.run(one)[0] for one in steps])
    first, last = sqnr(wanted[:200], got[:200]), sqnr(wanted[-200:], got[-200:])
    assert first >= 20
    assert last >= max(20, first - 3)
    simulated = np.array([np.asarray(one) for one in map(tf.function(quantized), steps[:200])])
    assert sqnr(simulated, got[:200]) >= 30
