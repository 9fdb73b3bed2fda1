"""What training consists of is kept, or a warning names it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf

K = keras.layers


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(16, 8)).astype("float32")


@keras.utils.register_keras_serializable(package="test_training")
class Largest(keras.regularizers.Regularizer):
    def __call__(self, x: Any) -> Any:
        return tf.reduce_max(x)

    def get_config(self) -> dict[str, Any]:
        return {}


def dense(**options: Any) -> Any:
    inputs = keras.Input((8,))
    return keras.Model(inputs, K.Dense(4, **options)(inputs))


@pytest.mark.parametrize("activation", [None, "relu", "sigmoid", "swish", "hard_sigmoid"])
@pytest.mark.parametrize("penalty", ["l1", "l2", "l1_l2"])
def test_activity_regularizers_go_by_what_the_layer_returns(
    activation: str | None, penalty: str, data: np.ndarray
) -> None:
    model = dense(activation=activation, activity_regularizer=penalty)
    quantized = optim.quantize_model(model, calibration_data=data)
    model(data)
    quantized(data)
    assert float(sum(quantized.losses)) == pytest.approx(float(sum(model.losses)), rel=0.05)


def test_other_regularizers_of_activities_are_kept_too(data: np.ndarray) -> None:
    model = dense(activation="relu", activity_regularizer=Largest())
    quantized = optim.quantize_model(model, calibration_data=data)
    model(data)
    quantized(data)
    assert float(sum(quantized.losses)) == pytest.approx(float(sum(model.losses)), rel=0.05)


def test_kernel_regularizers_are_kept(data: np.ndarray) -> None:
    model = dense(kernel_regularizer="l2")
    quantized = optim.quantize_model(model, calibration_data=data)
    assert float(sum(quantized.losses)) == pytest.approx(float(sum(model.losses)), rel=1e-5)


class Own(keras.Model):
    def train_step(self, data: Any) -> Any:
        return {"loss": tf.constant(42.0)}


class Fussy(keras.Model):
    def __init__(self, width: int) -> None:
        inputs = keras.Input((8,))
        super().__init__(inputs, K.Dense(width)(inputs))

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        return tf.constant(1.0)


@pytest.mark.parametrize(
    "make",
    [
        optim.quantize_model,
        optim.prune_low_magnitude,
        optim.sparsify,
        lambda model: optim.cluster_weights(model, 4),
    ],
)
def test_a_training_step_of_ones_own_is_kept(make: Callable[[Any], Any], data: np.ndarray) -> None:
    inputs = keras.Input((8,))
    model = Own(inputs, K.Dense(4)(inputs))
    model.compile("sgd", "mse")
    made = make(model)
    history = made.fit(data, np.zeros((16, 4), "float32"), verbose=0)
    assert history.history["loss"] == [42.0]


def test_a_class_that_cannot_be_made_is_named() -> None:
    with pytest.warns(UserWarning, match=r"compute_loss of Fussy is not kept"):
        optim.quantize_model(Fussy(4))


def test_losses_added_to_the_model_are_named() -> None:
    inputs = keras.Input((8,))
    outputs = K.Dense(8)(inputs)
    model = keras.Model(inputs, outputs)
    model.add_loss(tf.reduce_mean((inputs - outputs) ** 2))
    with pytest.warns(UserWarning, match=r"add_loss\(\) is not kept"):
        quantized = optim.quantize_model(model)
    assert [x.name for x in quantized.layers if "subtract" in x.name] == []


def test_metrics_added_to_the_model_are_named() -> None:
    inputs = keras.Input((8,))
    model = keras.Model(inputs, K.Dense(8)(inputs))
    model.add_metric(tf.reduce_mean(inputs), name="mean", aggregation="mean")
    with pytest.warns(UserWarning, match=r"added with add_metric\(\) is not kept"):
        optim.quantize_model(model)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", ["quantize_model", "prune_low_magnitude", "cluster_weights"])
def test_functions_added_as_losses_are_named(name: str, nested: bool) -> None:
    layer = K.Dense(8)
    model = keras.Sequential([keras.Input((8,)), layer])
    model.add_loss(lambda: tf.reduce_sum(layer.kernel**2))
    if nested:
        model = keras.Sequential([keras.Input((8,)), model, K.Dense(2)])
    with pytest.warns(UserWarning, match=r"added with add_loss\(\) is not kept"):
        getattr(optim, name)(model)


def test_losses_added_in_layers_are_kept(data: np.ndarray) -> None:
    class Penalty(K.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(tf.reduce_sum(x**2))
            return x

    inputs = keras.Input((8,))
    model = keras.Model(inputs, K.Dense(4)(Penalty()(inputs)))
    quantized = optim.quantize_model(model, calibration_data=data)
    model(data)
    quantized(data)
    assert float(sum(quantized.losses)) == pytest.approx(float(sum(model.losses)), rel=0.05)


def test_a_plain_model_is_made_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optim.quantize_model(dense())
