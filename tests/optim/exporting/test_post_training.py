"""Post-training int8 of networks with normalizations and attention: as good as calibrated QAT."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf
from optim.errors import ConfigError, ExportError
from optim.exporting.post_training import is_simulated

K = keras.layers


class ClassToken(K.Layer):  # type: ignore[misc, name-defined]
    """A learnt vector in front of a sequence."""

    def build(self, shape: Any) -> None:
        self.token = self.add_weight("token", (1, 1, shape[-1]), initializer="random_normal")

    def call(self, x: Any) -> Any:
        token = tf.broadcast_to(self.token, [tf.shape(x)[0], 1, x.shape[-1]])
        return tf.concat([token, x], axis=1)


def transformer(token: float = 5.0) -> Any:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3), name="image")
    x = K.Reshape((16, 24))(K.Conv2D(24, 4, strides=4)(inputs))
    front = ClassToken(name="front")
    x = front(x)
    for _ in range(2):
        y = K.LayerNormalization()(x)
        x = K.Add()([x, K.MultiHeadAttention(2, 12)(y, y)])
        y = K.Dense(48, activation="gelu")(K.LayerNormalization()(x))
        x = K.Add()([x, K.Dense(24)(y)])
    x = K.Lambda(lambda v: v[:, 0])(K.LayerNormalization()(x))
    model = keras.Model(inputs, K.Dense(5, name="head")(x), name="transformer")
    front.token.assign(front.token * token)
    return model


def images(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(32, 16, 16, 3)).astype("float32")


def decibels(content: bytes, model: Any) -> float:
    (report,) = optim.verify(content, {"float": model}, images(1)).comparisons
    return float(report.sqnr)


@pytest.mark.parametrize("token", [0.5, 20.0])
def test_a_transformer_is_as_good_as_with_quantization_aware_ranges(token: float) -> None:
    model = transformer(token)
    assert is_simulated(model)
    content = optim.export(model, optimize="int8", representative_data=images(0))
    aware = optim.export(optim.quantize_model(model, calibration_data=images(0)))
    assert decibels(content, model) >= decibels(aware, model) - 0.5
    assert decibels(content, model) > 15
    report = optim.verify(content)
    assert report.metadata["techniques"] == ["ptq-int8"]
    assert report.metadata["scheme"] == "int8"
    assert report.int8_macs == 1.0


def test_the_model_is_left_as_it_was() -> None:
    model = transformer()
    before = [w.numpy() for w in model.weights]
    optim.export(model, optimize="int8", representative_data=images(0))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.weights, strict=True))


def test_samples_can_come_once_and_one_by_one() -> None:
    model = transformer()
    whole = optim.export(model, optimize="int8", representative_data=images(0))
    single = ({"image": x[None]} for x in images(0))
    other = optim.export(model, optimize="int8", representative_data=single)
    first, second = (optim.litert.Runtime(c).run(images(1))[0] for c in (whole, other))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_integers_at_both_ends(io: str) -> None:
    content = optim.export(
        transformer(), optimize="int8", representative_data=images(0), io_dtype=io
    )
    report = optim.verify(content)
    assert {one.dtype for one in (*report.inputs, *report.outputs)} == {io}


def test_a_pruned_one() -> None:
    model = transformer()
    pruned = optim.prune_low_magnitude(model)
    content = optim.export(pruned, optimize="int8", representative_data=images(0))
    assert optim.verify(content).metadata["techniques"] == ["prune", "ptq-int8"]


def test_networks_without_go_the_short_way() -> None:
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, K.Dense(2)(K.Conv2D(4, 3, activation="relu")(inputs)))
    assert not is_simulated(model)


def test_loops_go_by_the_plan_too() -> None:
    inputs = keras.Input((16, 12))
    assert is_simulated(keras.Model(inputs, K.LSTM(3)(K.LayerNormalization()(inputs))))


def test_no_data_is_refused_as_ever() -> None:
    with pytest.raises(ConfigError, match="representative_data"):
        optim.export(transformer(), optimize="int8")


def test_a_file_that_does_not_run_is_made_the_other_way() -> None:
    """Of a layer that is zero for all data the calibrator takes a range that no kernel takes."""
    inputs = K.Input((8,))
    dense = K.Dense(6, "relu", bias_initializer=keras.initializers.Constant(-50.0))
    outputs = [K.Dense(2, "softmax")(dense(inputs)), dense(inputs * 2.0)]
    model = keras.Model(inputs, outputs)
    data = np.random.default_rng(0).normal(size=(8, 8)).astype("float32")
    content = optim.export(model, optimize="int8", representative_data=data)
    report = optim.verify(content, {"float": model}, data)
    assert report.metadata["techniques"] == ["ptq-int8"]
    assert report.int8_ops == 1
    assert min(row.sqnr for row in report.comparisons) > 30
    with pytest.raises(ExportError):
        optim.export(model, optimize="int8", representative_data=iter([data]))


CHOICES = {
    "larger": lambda x: tf.where(x > 0, x, x * 0.5),
    "largest": lambda x: tf.where(tf.argmax(x, -1)[..., None] == [0, 1, 2, 3], x, 0.0),
    "one-hot": lambda x: x * tf.one_hot(tf.argmax(x, -1), 4),
    "rounded": lambda x: x * tf.one_hot(tf.cast(tf.round(x[..., 0]), tf.int32), 4),
}


@pytest.mark.parametrize("name", CHOICES)
def test_what_chooses_is_as_good_as_with_quantization_aware_ranges(name: str) -> None:
    inputs = keras.Input((16, 16, 3))
    x = CHOICES[name](K.Conv2D(4, 1)(inputs))
    model = keras.Model(inputs, K.Conv2D(3, 1)(x))
    ranges = images(0)
    quantized = optim.quantize_model(model, calibration_data=ranges)
    simulated = decibels(optim.export(quantized), model)
    content = optim.export(model, optimize="int8", representative_data=ranges)
    assert simulated > (15 if name == "rounded" else 25)  # what is close to a half may go elsewhere
    assert decibels(content, model) == pytest.approx(simulated, abs=1)
