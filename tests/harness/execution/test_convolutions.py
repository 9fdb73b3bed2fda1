"""Grouped convolutions that share what is compiled compute what each computed by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("tensorflow")

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras.src.layers.convolutional import base_conv

from harness.execution import convolutions

K = keras.layers
LAYERS: dict[str, Callable[[], Any]] = {
    "plain": lambda: K.Conv2D(8, 3, groups=4),
    "strided": lambda: K.Conv2D(8, 3, strides=2, padding="same", groups=2, use_bias=False),
    "dilated": lambda: K.Conv2D(8, 3, dilation_rate=2, groups=8),
    "causal": lambda: K.Conv1D(8, 3, padding="causal", groups=4),
}


@pytest.fixture
def shared() -> Iterator[Callable[[], None]]:
    original = base_conv.Conv._jit_compiled_convolution_op
    yield convolutions.share_compiled
    base_conv.Conv._jit_compiled_convolution_op = original


def results(layer: Any, x: Any) -> list[Any]:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(y * y)
    return [y.numpy(), *(g.numpy() for g in tape.gradient(loss, [x, *layer.trainable_weights]))]


@pytest.mark.parametrize("kind", LAYERS)
def test_results_and_gradients_are_equal(kind: str, shared: Callable[[], None]) -> None:
    layer, rank = LAYERS[kind](), 1 if kind == "causal" else 2
    x = tf.constant(np.random.default_rng(0).normal(size=(2, *[9] * rank, 8)), tf.float32)
    before = results(layer, x)
    shared()
    for one, other in zip(before, results(layer, x), strict=True):
        np.testing.assert_array_equal(one, other)


class Doubled(K.Conv2D):  # type: ignore[misc, name-defined]
    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return 2 * super().convolution_op(inputs, kernel)


def test_a_layer_with_an_operation_of_its_own_keeps_it(shared: Callable[[], None]) -> None:
    x = tf.ones((1, 5, 5, 4))
    layer = Doubled(4, 3, groups=4, kernel_initializer="ones")
    shared()
    assert layer(x).numpy().max() == 18


def test_a_shape_is_compiled_once_and_options_are_told_apart(
    shared: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    real = tf.function

    def counting(*args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return real(*args, **kwargs)

    shared()
    monkeypatch.setattr(tf, "function", counting)
    x = tf.ones((3, 7, 7, 8))
    for _ in range(4):
        K.Conv2D(16, 3, groups=8)(x)
    assert len(made) == 1
    K.Conv2D(16, 3, groups=8, padding="same")(x)
    K.Conv2D(16, 3, groups=8, strides=2)(x)
    K.Conv2D(16, 3, groups=8)(x[:1])
    assert len(made) == 4


def test_graphs_are_traced_as_ever(shared: Callable[[], None]) -> None:
    inputs = keras.Input((7, 7, 8))
    plain = [op.name for op in graph_of(inputs).get_operations()]
    shared()
    assert [op.name for op in graph_of(inputs).get_operations()] == plain


def graph_of(inputs: Any) -> Any:
    keras.backend.clear_session()
    model = keras.Model(inputs, K.Conv2D(8, 3, groups=4, name="grouped")(inputs))
    return tf.function(model).get_concrete_function(tf.TensorSpec((1, 7, 7, 8))).graph


def test_asking_twice_wraps_once(shared: Callable[[], None]) -> None:
    shared()
    once = base_conv.Conv._jit_compiled_convolution_op
    shared()
    assert base_conv.Conv._jit_compiled_convolution_op is once
