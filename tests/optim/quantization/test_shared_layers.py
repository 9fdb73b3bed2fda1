"""Layers that are called several times, and taken apart: their weights stay one set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf
from optim.litert import dtype_name
from optim.litert.writer import unpack

K = keras.layers

_AROUND_ONE = keras.initializers.RandomUniform(0.5, 1.5)


def sequences(width: int = 8) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(16, 6, width)).astype("float32")


def einsum_dense(x: Any) -> Any:
    spread = K.EinsumDense("abc,cde->abde", (None, 2, 16), bias_axes="de")
    back = K.EinsumDense("abde,dec->abc", (None, 32), bias_axes="c")
    return back(spread(K.ReLU()(back(spread(x)))))


def layer_normalization(x: Any) -> Any:
    norm = K.LayerNormalization(gamma_initializer=_AROUND_ONE, beta_initializer="random_normal")
    dense = K.Dense(32)
    y = norm(dense(x))
    return norm(K.Add()([dense(y), y]))


def group_normalization(x: Any) -> Any:
    norm = K.GroupNormalization(2, gamma_initializer=_AROUND_ONE)
    y = norm(x)
    return norm(K.Add()([K.Dense(32)(y), y]))


def attention(x: Any) -> Any:
    """A block as ALBERT has it: the same for every layer of the network."""
    heads, norm = K.MultiHeadAttention(2, 16), K.LayerNormalization()
    wide, narrow = K.Dense(64, activation="gelu"), K.Dense(32)
    for _ in range(3):
        x = norm(x + heads(x, x))
        x = x + narrow(wide(x))
    return x


def scaled_behind(x: Any) -> Any:
    """The factor could be folded into the kernel of one call, which the other has as well."""
    dense = K.Dense(32)
    return dense(dense(x) * 2.0 + 1.0) * 0.5


def scaled_in_a_layer(x: Any) -> Any:
    class Scaled(K.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = K.Dense(32)

        def call(self, x: Any) -> Any:
            return tf.nn.relu(self.dense(x) * 0.7 + 0.1)

    layer = Scaled()
    return layer(layer(x))


NETWORKS: dict[str, Callable[[Any], Any]] = {
    one.__name__: one
    for one in (
        einsum_dense,
        layer_normalization,
        group_normalization,
        attention,
        scaled_behind,
        scaled_in_a_layer,
    )
}


def network(make: Callable[[Any], Any]) -> Any:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 32))
    return keras.Model(inputs, make(inputs))


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_int8_and_has_each_weight_once(name: str) -> None:
    """0 to 58 % of the operations were in int8, and what was taken apart had weights of its own."""
    model, data = network(NETWORKS[name]), sequences(32)
    quantized = optim.quantize_model(model, calibration_data=data)
    assert len(quantized.trainable_variables) == len(model.trainable_variables)
    shapes = [
        sorted(w.shape.num_elements() for w in m.trainable_weights) for m in (quantized, model)
    ]
    assert shapes[0] == shapes[1]
    content = optim.export(quantized)
    report = optim.verify(content, {"float": model, "simulation": quantized}, data)
    assert report.int8_ops == 1.0
    original, simulation = report.comparisons
    assert original.sqnr > 26
    assert simulation.sqnr > 34
    weights = sum(w.shape.num_elements() for w in model.trainable_weights)
    assert _bytes_of_kernels(content) < 1.1 * weights


def _bytes_of_kernels(content: bytes) -> int:
    """Bytes of all constants of int8, each counted once."""
    file = unpack(content)
    numbers = {
        tensor.buffer
        for graph in file.subgraphs
        for tensor in graph.tensors
        if dtype_name(tensor.type) == "int8"
    }
    data = [file.buffers[number].data for number in numbers]
    return sum(len(one) for one in data if one is not None)


@pytest.mark.parametrize("name", NETWORKS)
def test_all_calls_learn_the_same(name: str) -> None:
    model, data = network(NETWORKS[name]), sequences(32)
    quantized = optim.quantize_model(model, calibration_data=data)
    for one in (model, quantized):
        one.compile(keras.optimizers.SGD(0.01), "mse")
        one.fit(data, np.zeros_like(data), batch_size=16, epochs=3, verbose=0)
    wanted, got = (np.sort(_learnt(one)) for one in (model, quantized))
    # Fake-quants change gradients a little; a weight that is split would learn half of it.
    assert np.corrcoef(wanted, got)[0, 1] > 0.999
    assert abs(wanted - got).max() < 0.05


def _learnt(model: Any) -> np.ndarray:
    return np.concatenate([np.ravel(w) for w in model.trainable_weights])


@pytest.mark.parametrize("calls", [1, 2])
def test_regularizers_of_an_einsum_dense_are_kept(calls: int) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 8))
    layer = K.EinsumDense(
        "abc,cd->abd",
        (None, 8),
        bias_axes="d",
        kernel_regularizer="l2",
        bias_regularizer="l1",
        bias_initializer="ones",
        kernel_constraint="max_norm",
    )
    x = inputs
    for _ in range(calls):
        x = layer(x)
    model = keras.Model(inputs, x)
    quantized = optim.quantize_model(model, calibration_data=sequences())
    assert sum(map(float, quantized.losses)) == pytest.approx(sum(map(float, model.losses)))
    assert sum(w.constraint is not None for w in quantized.trainable_weights) == 1
