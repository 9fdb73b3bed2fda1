"""What a clustered layer is penalized for: the kernel and the output that it has when called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf

K = keras.layers
L2 = keras.regularizers.L2(0.1)


class Own(K.Dense):  # type: ignore[misc, name-defined]
    """Has a penalty of its own, which no regularizer is asked for."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.add_loss(lambda: tf.reduce_sum(tf.abs(self.kernel)))


def rnn(cls: Any) -> Any:
    return lambda: cls(4, kernel_regularizer=L2, recurrent_regularizer=L2)


LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "dense": (lambda: K.Dense(6, kernel_regularizer=L2, bias_regularizer="l2"), (8,)),
    "convolution": (lambda: K.Conv2D(4, 3, kernel_regularizer=L2), (8, 8, 3)),
    "separable": (
        lambda: K.SeparableConv1D(4, 3, depthwise_regularizer=L2, pointwise_regularizer="l1"),
        (12, 4),
    ),
    "transposed": (lambda: K.Conv2DTranspose(4, 3, kernel_regularizer=L2), (8, 8, 3)),
    "recurrent": (rnn(K.LSTM), (5, 8)),
    "both ways": (lambda: K.Bidirectional(rnn(K.GRU)()), (5, 8)),
    "at each step": (lambda: K.TimeDistributed(K.Dense(4, kernel_regularizer=L2)), (5, 8)),
    "axes": (lambda: K.EinsumDense("ab,bc->ac", 4, kernel_regularizer=L2), (8,)),
    "half": (lambda: K.Dense(6, kernel_regularizer=L2, dtype="mixed_float16"), (8,)),
    "own": (lambda: Own(6), (8,)),
    "activity": (lambda: K.Dense(6, activity_regularizer=L2), (8,)),
    "activity of a convolution": (lambda: K.Conv1D(4, 3, activity_regularizer="l1"), (12, 4)),
}


def network(part: str) -> tuple[Any, np.ndarray]:
    layer, shape = LAYERS[part]
    inputs = K.Input(shape)
    model = keras.Model(inputs, layer()(inputs))
    return model, np.random.default_rng(0).random((4, *shape)).astype("float32")


def penalty(model: Any, data: np.ndarray) -> float:
    model(data)
    return float(sum(float(tf.cast(loss, "float32")) for loss in model.losses))


@pytest.mark.parametrize("part", LAYERS)
def test_the_penalty_is_that_of_the_plain_model(part: str, tmp_path: Path) -> None:
    model, data = network(part)
    clustered = optim.cluster_weights(model, 3)
    wanted = penalty(optim.uncluster(clustered), data)
    assert wanted > 0
    assert penalty(clustered, data) == pytest.approx(wanted, rel=1e-3)
    clustered.save(tmp_path / "model.keras")
    loaded = optim.load_model(tmp_path / "model.keras", custom_objects={"Own": Own})
    assert penalty(loaded, data) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("part", [name for name in LAYERS if "activity" not in name])
def test_the_penalty_trains_centroids(part: str) -> None:
    clustered = optim.cluster_weights(network(part)[0], 3)
    with tf.GradientTape() as tape:
        loss = tf.add_n([tf.cast(one, "float32") for one in clustered.losses])
    found = tape.gradient(loss, clustered.trainable_weights)
    names = [
        weight.name
        for weight, one in zip(clustered.trainable_weights, found, strict=True)
        if one is not None
    ]
    assert any("centroids" in name for name in names)


def test_fit_adds_the_penalty_of_the_clustered_kernel() -> None:
    model, data = network("dense")
    model.compile("sgd", "mse")
    clustered = optim.cluster_weights(model, 3)
    clustered.compile(keras.optimizers.SGD(0.0), "mse")
    targets = np.zeros((4, 6), "float32")
    before = clustered.evaluate(data, targets, verbose=0)
    assert clustered.fit(data, targets, verbose=0).history["loss"][0] == pytest.approx(before)
    plain = optim.uncluster(clustered)
    plain.compile("sgd", "mse")
    assert plain.evaluate(data, targets, verbose=0) == pytest.approx(before, rel=1e-4)
