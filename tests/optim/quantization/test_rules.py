"""What each rule leaves behind: which layers, and whether weights stay shared."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import toys

from optim._keras import keras, tf
from optim.graph.reader import read
from optim.quantization.building.builder import build
from optim.quantization.layers import Affine, HardSwish, LoneBatchNormalization
from optim.quantization.lowering import registry
from optim.quantization.lowering.driver import lower
from optim.quantization.lowering.registry import rule
from optim.quantization.planning.planner import plan
from optim.quantization.planning.roles import Role

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
        ("layer_normalization", {"Rsqrt": 3, "SquaredDifference": 3}, ["LayerNormalization"]),
        ("lone_normalization", {"LoneBatchNormalization": 3}, ["BatchNormalization"]),
        ("conv_bn_relu", {"BatchNormalization": 1}, ["LoneBatchNormalization"]),
        ("joins", {"Add": 10, "Multiply": 2, "Concatenate": 2}, ["Average"]),
        ("attention", {"Conv1D": 4, "Einsum": 2}, ["MultiHeadAttention", "Attention"]),
        ("composite_layers", {"Drop": 1, "HardSwish": 1}, ["Composite", "Standardized"]),
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


class Owner(K.Layer):  # type: ignore[misc, name-defined]
    """Owns one weight, and computes with it and its input what it is told to."""

    def __init__(self, shape: Any, compute: Any) -> None:
        super().__init__()
        self.w = self.add_weight("w", shape, initializer="random_normal")
        self.compute = compute

    def call(self, x: Any) -> Any:
        return self.compute(x, self.w)


FUNCTIONS: list[tuple[str, Any, dict[str, int], list[str]]] = [
    ("square", lambda x: tf.square(x), {"Multiply": 1}, ["math.square"]),
    ("power", lambda x: x**2.0, {"Multiply": 1}, ["math.pow"]),
    ("root", lambda x: tf.pow(tf.abs(x), 0.5), {"math.sqrt": 1}, ["math.pow"]),
    ("norm", lambda x: tf.norm(x, axis=-1), {"math.sqrt": 1, "Multiply": 1}, ["compat.v1.norm"]),
    ("sum_of_a_list", lambda x: tf.reduce_sum([x, x * 2, x], 0), {"Add": 2}, ["math.reduce_sum"]),
    ("sum_of_many", lambda x: tf.add_n([x, x * 2, x]), {"Add": 2}, ["math.add_n"]),
    ("by_a_root", lambda x: x / tf.sqrt(tf.square(x) + 1), {"Rsqrt": 1}, ["math.truediv"]),
    ("by_a_known_size", lambda x: x / tf.sqrt(tf.cast(tf.shape(x)[-1], "float32")),
     {"Affine": 1}, ["math.truediv"]),
    ("erf", lambda x: 0.5 * x * (1.0 + tf.math.erf(x / np.sqrt(2.0))), {"Activation": 1},
     ["math.erf", "Affine", "Multiply"]),
    ("erf_in_another_order", lambda x: x * (0.5 * (1.0 + tf.math.erf(x / np.sqrt(2.0)))),
     {"Activation": 1}, ["math.erf"]),
    ("one_channel", lambda x: tf.reduce_mean(x, -1, True) + 1.5, {"AddConstant": 1}, ["Affine"]),
    ("deviation", lambda x: tf.math.reduce_std(x, 1), {"Mean": 2, "math.sqrt": 1},
     ["math.reduce_std"]),
    ("variance", lambda x: tf.math.reduce_variance(x, [1, 2], True), {"Mean": 2},
     ["math.reduce_variance"]),
    ("convolution", lambda x: tf.nn.conv2d(x, np.ones((3, 3, 4, 2), "f"), 2, "SAME"),
     {"Conv2D": 1}, ["nn.conv2d"]),
    ("depthwise", lambda x: tf.nn.depthwise_conv2d(
        x, np.ones((2, 2, 4, 1), "f"), (1, 1, 1, 1), "VALID") + 1.0,
     {"DepthwiseConv2D": 1}, ["Affine", "nn.depthwise_conv2d"]),
    ("patches", lambda x: tf.image.extract_patches(
        x, [1, 3, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"),
     {"Conv2D": 1}, ["image.extract_patches"]),
    ("softmax_over_two_axes", lambda x: K.Softmax(axis=(-2, -1))(x), {"Reshape": 2}, []),
    ("unit", lambda x: K.UnitNormalization()(x), {"math.l2_normalize": 1}, ["UnitNormalization"]),
    ("groups", lambda x: K.GroupNormalization(2)(x), {"Reshape": 2}, ["GroupNormalization"]),
    ("one_group", lambda x: K.GroupNormalization(1)(x), {"Rsqrt": 1}, ["GroupNormalization"]),
    ("instances", lambda x: K.GroupNormalization(-1)(x), {"Rsqrt": 1}, ["GroupNormalization"]),
    ("activation_layer_inside", lambda x: K.Conv2D(3, 1, activation=K.LeakyReLU(0.1))(x),
     {"Conv2D": 1, "LeakyReLU": 1}, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("compute", "present", "absent"),
    [row[1:] for row in FUNCTIONS],
    ids=[row[0] for row in FUNCTIONS],
)
def test_functions_become_what_runs_in_int8(
    compute: Any, present: dict[str, int], absent: list[str], outputs: Any
) -> None:
    x = toys.image()
    model = toys.randomize(keras.Model(x, compute(x)))
    found = classes(model)
    assert {k: found[k] for k in present} == present
    assert not [k for k in absent if found[k]]
    check_exact(model, outputs)
    assert not plan(model).floats


@pytest.mark.parametrize(
    ("shape", "compute", "present"),
    [
        ((4,), lambda x, w: x * w, {"Affine": 1}),
        ((1, 8, 8, 4), lambda x, w: x + tf.cast(w, "float32"), {"Parameter": 1}),
        ((4, 3), lambda x, w: tf.nn.relu(tf.matmul(x, w)), {"Conv2D": 1, "Parameter": 0}),
        ((4, 3), lambda x, w: x @ tf.nn.l2_normalize(w, 0), {"Parameter": 1}),
        ((3, 3, 4, 2), lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), {"Conv2D": 1}),
        ((3, 3, 4, 2), lambda x, w: tf.nn.conv2d(x, w - tf.reduce_mean(w), 1, "SAME"),
         {"Convolve": 1, "Parameter": 1}),
        ((2,), lambda x, w: x * tf.nn.softmax(w)[0] + w[1], {"Parameter": 1}),
    ],
    ids=["scale", "table", "dense", "normalized", "kernel", "centred kernel", "mixture"],
)  # fmt: skip
def test_a_weight_used_in_arithmetic_stays_a_weight(
    shape: Any, compute: Any, present: dict[str, int], outputs: Any
) -> None:
    x = toys.image()
    model = toys.randomize(keras.Model(x, Owner(shape, compute)(x)))
    found = classes(model)
    assert {k: found[k] for k in present} == present
    check_exact(model, outputs)
    lowered = build(lower(read(model)))
    batch = toys.batch_for(model)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(lowered(batch) ** 2)
    assert lowered.trainable_weights
    assert all(g is not None for g in tape.gradient(loss, lowered.trainable_weights))


def check_exact(model: Any, outputs: Any) -> None:
    batch = toys.batch_for(model)
    lowered = build(lower(read(model)))
    for a, b in zip(outputs(model, batch), outputs(lowered, batch), strict=True):
        assert np.abs(a - b).max() <= 1e-5 * max(np.abs(a).max(), 1e-3)


def test_a_shared_composite_layer_keeps_one_weight(outputs: Any) -> None:
    x = toys.image()
    shared = Owner((1, 8, 8, 4), lambda t, w: t + tf.nn.relu(w))
    model = toys.randomize(keras.Model(x, shared(shared(x))))
    assert len(build(lower(read(model))).weights) == 1
    check_exact(model, outputs)


def test_layers_inside_a_composite_one_learn_of_training_from_the_model() -> None:
    class Block(K.Layer):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm = K.BatchNormalization(momentum=0.0)

        def call(self, x: Any, training: bool = False) -> Any:
            return tf.nn.relu(self.norm(x, training=training))

    x = toys.image()
    model = keras.Model(x, Block()(x))
    lowered = build(lower(read(model)))
    batch = toys.batch_for(model) + 5.0
    for each in (model, lowered):
        each(batch, training=True)
        mean = next(w for w in each.weights if "moving_mean" in w.name)
        np.testing.assert_allclose(mean, batch.mean((0, 1, 2)), rtol=1e-4)


def test_a_layer_that_drops_in_training_does_nothing_in_inference() -> None:
    (drop,) = [e for e in plan(toys.TOYS["composite_layers"]()) if e.node.name == "drop"]
    assert drop.role is Role.SAME
    assert not drop.node.note.startswith("no rule")


def test_layers_made_on_the_spot_do_not_look_like_training(outputs: Any) -> None:
    class Spot(K.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return K.add([x, K.concatenate([x, x])[..., :4]])

    x = toys.image()
    model = keras.Model(x, Spot()(x))
    assert not plan(model).floats
    check_exact(model, outputs)


def test_why_a_composite_layer_stays_float() -> None:
    class Noise(K.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x + tf.random.normal(tf.shape(x))

    class Numpy(K.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return tf.numpy_function(np.sin, [x], tf.float32)

    x = toys.image()
    decided = plan(keras.Model(x, [Noise()(x), Numpy()(x)]))
    reasons = [e.reason for e in decided.floats]
    assert reasons[0] == "float: its call uses random.normal"
    assert "numpy_function" in reasons[1]


def test_hard_swish_at_known_points() -> None:
    x = np.array([[-4.0, -3.0, 0.0, 1.0, 3.0, 5.0]], "float32")
    np.testing.assert_allclose(HardSwish()(x), [[0, 0, 0, 4 / 6, 3, 5]], rtol=1e-6)
