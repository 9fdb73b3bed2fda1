"""What each rule leaves behind: which layers, and whether weights stay shared."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import toys

from optim._keras import keras, tf
from optim.engine import build, lower, read, rule
from optim.engine.layers import Affine, HardSwish, LoneBatchNormalization
from optim.engine.lower import registry

K = keras.layers


def classes(model: Any) -> Counter[str]:
    return Counter(n.symbol or type(n.layer).__name__ for n in lower(read(model)).nodes)


@pytest.mark.parametrize(
    ("name", "present", "absent"),
    [
        ("rescaling_chain", {"Affine": 1}, ["Rescaling", "Normalization"]),
        ("hard_swish_forms", {"HardSwish": 3}, ["ReLU", "Affine", "Multiply", "math.multiply"]),
        ("scale_after_convolution", {"Conv2D": 2, "BatchNormalization": 1}, ["Affine"]),
        ("convolutions", {"DepthwiseConv2D": 3}, ["SeparableConv2D"]),
        ("layer_normalization", {"Rsqrt": 2, "SquaredDifference": 2}, []),
        ("lone_normalization", {"LoneBatchNormalization": 3}, ["BatchNormalization"]),
        ("conv_bn_relu", {"BatchNormalization": 1}, ["LoneBatchNormalization"]),
        ("joins", {"Add": 10, "Multiply": 2, "Concatenate": 2}, ["Average"]),
        ("attention", {"Conv1D": 4, "Einsum": 2}, ["MultiHeadAttention", "EinsumDense"]),
        ("composite_layers", {"Drop": 1, "Standardized": 1, "HardSwish": 1}, ["Composite"]),
        ("lambdas", {"Conv2D": 1}, ["Lambda"]),
        ("mixer_block", {"Conv1D": 3}, ["Dense", "LayerNormalization"]),
        ("one_and_three_dimensions", {"DepthwiseConv1D": 2}, ["SeparableConv1D"]),
    ],
)
def test_layers_after_lowering(name: str, present: dict[str, int], absent: list[str]) -> None:
    found = classes(toys.TOYS[name]())
    assert {k: found[k] for k in present} == present
    assert not [k for k in absent if found[k]]


def test_a_shared_layer_stays_one_layer_after_a_rule() -> None:
    x = keras.Input((6, 5))
    shared = K.Dense(5)
    lowered = build(lower(read(keras.Model(x, shared(shared(x))))))
    (conv,) = [y for y in lowered.layers if isinstance(y, K.Conv1D)]
    assert conv.name == shared.name
    assert len(lowered.weights) == 2


def test_a_scale_does_not_fold_into_a_layer_that_others_see() -> None:
    x = toys.image()
    y = K.Conv2D(4, 1)(x)
    found = classes(keras.Model(x, [y * 2.0, y]))
    assert found["Affine"] == 1


def test_a_scale_does_not_fold_into_a_regularized_kernel() -> None:
    x = toys.image()
    y = K.Conv2D(4, 1, kernel_regularizer="l2")(x)
    assert classes(keras.Model(x, y * 2.0))["Affine"] == 1


def test_a_class_that_computes_otherwise_gets_no_rule_of_its_base_class(outputs: Any) -> None:
    class Standardized(K.Conv2D):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            kernel = self.kernel / (tf.norm(self.kernel) + 1.0)
            return tf.nn.conv2d(inputs, kernel, 1, "VALID") + self.bias

    x = toys.image()
    model = toys.randomize(keras.Model(x, Standardized(4, 1)(x) * 3.0))
    assert classes(model)["Affine"] == 1
    lowered = build(lower(read(model)))
    batch = toys.batch_for(model)
    np.testing.assert_allclose(outputs(model, batch)[0], outputs(lowered, batch)[0], rtol=1e-5)


def test_a_rule_of_the_user_is_found_along_the_class_hierarchy(outputs: Any) -> None:
    class Gain(K.Layer):  # type: ignore[misc, name-defined]
        def build(self, shape: Any) -> None:
            self.gain = self.add_weight("gain", (int(shape[-1]),), initializer="ones")

        def call(self, inputs: Any) -> Any:
            return inputs * self.gain

    class LoudGain(Gain):
        pass

    @rule(Gain)
    def gain_to_affine(graph: Any, node: Any) -> Any:
        gain = np.asarray(node.layer.gain)
        affine = Affine(name=node.name)
        (x,) = node.inputs
        return graph.add(affine, x, specs=x.spec, weights=[gain, 0 * gain]).output

    try:
        x = toys.image()
        model = toys.randomize(keras.Model(x, LoudGain()(x)))
        assert classes(model)["Affine"] == 1
        batch = toys.batch_for(model)
        lowered = build(lower(read(model)))
        np.testing.assert_allclose(outputs(model, batch)[0], outputs(lowered, batch)[0], rtol=1e-6)
    finally:
        registry._RULES.pop(Gain)


def test_a_rule_target_that_is_neither_class_nor_function_is_refused() -> None:
    with pytest.raises(TypeError, match="public TensorFlow function"):
        rule(lambda x: x)


def test_lone_normalization_trains_like_batch_normalization() -> None:
    batch = np.random.default_rng(0).normal(2, 3, (8, 4, 4, 5)).astype("float32")
    ours, theirs = LoneBatchNormalization(), K.BatchNormalization()
    for _ in range(3):
        np.testing.assert_allclose(ours(batch, training=True), theirs(batch, training=True), 1e-5)
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(
        ours(batch, training=False), theirs(batch, training=False), rtol=1e-4, atol=1e-5
    )


def test_hard_swish_at_known_points() -> None:
    x = np.array([[-4.0, -3.0, 0.0, 1.0, 3.0, 5.0]], "float32")
    np.testing.assert_allclose(HardSwish()(x), [[0, 0, 0, 4 / 6, 3, 5]], rtol=1e-6)
