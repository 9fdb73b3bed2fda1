"""Inputs of parts that one int8 scale would lose: what makes them alike stays float, by plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf
from optim.quantization.planning.model_inputs import PARTED, UNEQUAL

K = keras.layers


def table() -> np.ndarray:
    """Columns as they come: a share, an income, a year, and a small signal."""
    R = np.random.default_rng(0)
    columns = [
        R.random(256),
        R.random(256) * 1e4,
        R.normal(2000, 3, 256),
        R.normal(0, 0.01, 256),
    ]
    return np.stack(columns, 1).astype("float32")


def normalized(x: Any, data: np.ndarray) -> Any:
    layer = K.Normalization()
    layer.adapt(data)
    return layer(x)


def rescaled(x: Any, data: np.ndarray) -> Any:
    scale, offset = 1 / data.std(0), -data.mean(0) / data.std(0)
    return K.Rescaling(scale.tolist(), offset.tolist())(x)


def computed(x: Any, data: np.ndarray) -> Any:
    return (x - data.mean(0)) / data.std(0)


def batch_normalized(x: Any, data: np.ndarray) -> Any:
    layer = K.BatchNormalization()
    y = layer(x)
    layer.moving_mean.assign(data.mean(0))
    layer.moving_variance.assign(data.var(0))
    return y


def network(make: Callable[[Any, np.ndarray], Any], data: np.ndarray) -> Any:
    keras.utils.set_random_seed(0)
    inputs = keras.Input(data.shape[1:])
    x = make(inputs, data)
    return keras.Model(inputs, K.Dense(3)(K.Dense(16, activation="relu")(x)))


def files(model: Any, data: np.ndarray) -> dict[str, bytes]:
    return {
        "quantize_model": optim.export(optim.quantize_model(model, calibration_data=data)),
        "post-training": optim.export(model, optimize="int8", representative_data=data),
    }


def floats(model: Any) -> list[str]:
    return [entry.reason for entry in optim.plan(model) if entry.is_float]


@pytest.mark.parametrize("make", [normalized, rescaled, computed, batch_normalized])
def test_columns_of_any_unit_are_made_alike_in_float(make: Callable[..., Any]) -> None:
    data = table()
    model = network(make, data)
    assert floats(model) == [UNEQUAL.reason]
    for way, content in files(model, data).items():
        report = optim.verify(content, {"float": model}, data)
        assert report.comparisons[0].sqnr > 36, way  # 0 to 4 dB on one scale, or no file
        assert [op.kind for op in report.operations if op.name == "FULLY_CONNECTED"] == [
            "int8"
        ] * 2, way


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_columns_alike_go_in_as_int8(scheme: str) -> None:
    data = np.random.default_rng(0).normal(3, [1, 2, 4, 5], (256, 4)).astype("float32")
    plan = optim.plan(network(normalized, data), scheme)
    assert all(not entry.is_float for entry in plan)


def test_what_is_taken_off_says_nothing_of_sizes() -> None:
    """The means of channels, as networks of Caffe want it: the values go to 255."""
    inputs = keras.Input((8, 8, 3))
    x = inputs - np.array([103.9, 116.8, 123.7], "float32")
    model = keras.Model(inputs, K.Conv2D(4, 3)(x))
    assert floats(model) == []


def test_constant_columns_do_not_count() -> None:
    """A `Normalization` of a column of zeros divides by its epsilon."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, K.Dense(2)(K.Rescaling([1.0, 0.5, 0.0])(inputs)))
    assert floats(model) == []


def sliced(x: Any) -> tuple[Any, Any]:
    return x[:, 0], x[:, 1:]


def moved_first(x: Any) -> tuple[Any, Any]:
    x = K.Reshape((5, 1))(x)
    return x[:, 0, 0], K.Flatten()(x[:, 1:])


def split(x: Any) -> tuple[Any, Any]:
    ids, signal = tf.split(x, [1, 4], axis=1)
    return ids[:, 0], signal


@pytest.mark.parametrize("part", [sliced, moved_first, split])
def test_ids_and_a_signal_in_one_input(part: Callable[[Any], tuple[Any, Any]]) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5,))
    ids, signal = part(inputs)
    x = K.Embedding(50, 8)(tf.cast(ids, tf.int32))
    x = K.Concatenate()([x, K.Dense(8, activation="relu")(signal)])
    model = keras.Model(inputs, K.Dense(3)(x))
    R = np.random.default_rng(0)
    data = np.concatenate([R.integers(0, 50, (64, 1)), R.normal(size=(64, 4))], 1)
    data = data.astype("float32")
    assert set(floats(model)) == {PARTED.reason}
    for way, content in files(model, data).items():
        report = optim.verify(content, {"float": model}, data)
        assert report.comparisons[0].sqnr > 34, way  # 14 to 24 dB on one scale


def test_a_training_step_and_a_file_keep_the_map(tmp_path: Any) -> None:
    data = table()
    model = network(normalized, data)
    quantized = optim.quantize_model(model, calibration_data=data)
    quantized.compile("sgd", "mse")
    quantized.fit(data, np.zeros((256, 3)), verbose=0)
    quantized.save(tmp_path / "model.keras")
    loaded = optim.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(data), quantized(data))
    first = next(one for one in quantized.layers if one.name.startswith("normalization"))
    assert not first.trainable_weights


def test_an_end_that_stays_float_though_int8_was_asked_for_is_named() -> None:
    data = table()
    quantized = optim.quantize_model(network(normalized, data), calibration_data=data)
    with pytest.warns(UserWarning, match="'int8' does not reach input '") as told:
        content = optim.export(quantized, io_dtype="int8")
    assert told[-1].filename == __file__
    report = optim.verify(content)
    assert [one.dtype for one in (*report.inputs, *report.outputs)] == ["float32", "int8"]
