"""Models that assign variables as they run: the file keeps them, looking at one does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf
from optim.litert import Runtime

K = keras.layers
STEPS = 6


class Ring(K.Layer):
    """The last frames, as streaming models keep them."""

    def build(self, shape: Any) -> None:
        self.frames = self.add_weight(
            name="frames", shape=(1, 4, shape[-1]), initializer="zeros", trainable=False
        )

    def call(self, x: Any) -> Any:
        frames = tf.concat([self.frames[:, 1:], x[:, None]], 1)
        self.frames.assign(frames)
        return frames


class Counter(K.Layer):
    """Adds to its variable, which is read before and after."""

    def build(self, shape: Any) -> None:
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", trainable=False)

    def call(self, x: Any) -> Any:
        before = x * self.count
        self.count.assign_add(1.0)
        return before + self.count


def ring() -> Any:
    x = keras.Input((8,), batch_size=1)
    y = K.Conv1D(8, 3)(Ring(name="ring")(K.Dense(8, activation="relu")(x)))
    return keras.Model(x, K.Dense(2)(K.Flatten()(y)))


def counter() -> Any:
    x = keras.Input((8,), batch_size=1)
    y = Counter(name="counter")(K.Dense(8, activation="relu")(x))
    return keras.Model(x, [K.Dense(2)(y), y])


def recurrent(layer: str, unroll: bool) -> Callable[[], Any]:
    def make() -> Any:
        x = keras.Input((5, 6), batch_size=1)
        y = getattr(K, layer)(4, stateful=True, unroll=unroll, name="states")(x)
        return keras.Model(x, K.Dense(2)(y))

    return make


STATEFUL = {
    "ring": (ring, (1, 8)),
    "counter": (counter, (1, 8)),
    "lstm-unrolled": (recurrent("LSTM", True), (1, 5, 6)),
    "lstm": (recurrent("LSTM", False), (1, 5, 6)),
    "gru-unrolled": (recurrent("GRU", True), (1, 5, 6)),
    "rnn": (recurrent("SimpleRNN", False), (1, 5, 6)),
}
LOOPS = ("lstm", "rnn")


class Case:
    """A stateful model, what it says to a sequence of steps, and the same for a file."""

    def __init__(self, name: str) -> None:
        make, shape = STATEFUL[name]
        keras.utils.set_random_seed(0)
        self.model = make()
        self.steps = [
            np.random.default_rng(i).normal(size=shape).astype("float32") for i in range(STEPS)
        ]
        start = self.values()
        self.expected = [
            [np.asarray(y) for y in tf.nest.flatten(self.model(x))] for x in self.steps
        ]
        for variable, value in zip(self.variables(), start, strict=True):
            variable.assign(value)

    def variables(self) -> list[Any]:
        states = [
            v for layer in self.model.layers for v in tf.nest.flatten(getattr(layer, "states", []))
        ]
        return [*self.model.variables, *(v for v in states if v is not None)]

    def values(self) -> list[np.ndarray]:
        return [v.numpy() for v in self.variables()]

    def error(self, file: bytes) -> float:
        """Largest difference over all steps, relative to the largest output."""
        got = Runtime(file).run(np.concatenate(self.steps))
        wanted = [np.concatenate(y) for y in zip(*self.expected, strict=True)]
        scale = max(np.abs(y).max() for y in wanted)
        return float(max(np.abs(a - b).max() for a, b in zip(wanted, got, strict=True)) / scale)


@pytest.mark.parametrize("name", STATEFUL)
@pytest.mark.parametrize("mode", [None, "dynamic", "float16"])
def test_the_file_goes_on_from_call_to_call(name: str, mode: str | None) -> None:
    case = Case(name)
    file = optim.export(case.model, optimize=mode)
    assert case.error(file) < (2e-3 if mode == "float16" else 1e-6 if mode is None else 0.03)


@pytest.mark.parametrize("name", sorted(set(STATEFUL) - set(LOOPS)))
@pytest.mark.parametrize("mode", ["int8", "int16x8", "qat"])
def test_it_does_so_in_integers(name: str, mode: str) -> None:
    case = Case(name)
    before = case.values()
    if mode == "qat":
        quantized = optim.quantize_model(case.model, calibration_data=case.steps)
        file = optim.export(quantized)
    else:
        file = optim.export(case.model, optimize=mode, representative_data=case.steps)
    assert case.error(file) < 0.05
    for was, variable in zip(before, case.variables(), strict=True):
        np.testing.assert_array_equal(variable.numpy(), was)


def test_calibration_and_debugging_leave_states_as_they_were() -> None:
    case = Case("ring")
    quantized = optim.quantize_model(case.model, calibration_data=case.steps)
    optim.debug(quantized, case.steps)
    assert not any(np.any(v) for v in quantized.get_layer("ring").get_weights())


def test_verify_begins_anew_each_time_and_compares_step_by_step() -> None:
    case = Case("ring")
    file = optim.export(case.model)
    data = np.concatenate(case.steps)
    for _ in range(2):
        (row,) = optim.verify(file, {"model": case.model}, data).comparisons
        assert row.sqnr > 100
    assert not case.model.get_layer("ring").frames.numpy().any()


def test_a_file_begins_with_the_values_of_now() -> None:
    case = Case("counter")
    case.model.get_layer("counter").count.assign(7.0)
    later = Runtime(optim.export(case.model)).run(case.steps[0])[1]
    plain = keras.Model(case.model.input, case.model.layers[1].output)(case.steps[0]).numpy()
    np.testing.assert_allclose(later, 7 * plain + 8, rtol=1e-5)


def test_the_operations_of_a_variable_are_named_by_their_layer() -> None:
    file = optim.export(Case("ring").model)
    assigns = [op for op in optim.verify(file).operations if op.name == "ASSIGN_VARIABLE"]
    assert "ring" in {op.layer for op in assigns}
