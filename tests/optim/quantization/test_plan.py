"""Which tensor gets a quantizer: groups, fixed ranges, joins, schemes, skipping."""

from __future__ import annotations

from typing import Any

import pytest
import toys

from optim._keras import keras, tf
from optim.errors import ConfigError, UnsupportedModelError
from optim.quantization.planning.planner import plan
from optim.quantization.planning.roles import Role

K = keras.layers


def entry(decided: Any, name: str) -> Any:
    return next(e for e in decided if e.node.name == name)


def chain(*layers: Any) -> Any:
    y = x = toys.image()
    for layer in layers:
        y = layer(y)
    return keras.Model(x, y)


def test_a_fused_group_is_quantized_at_its_end_only() -> None:
    decided = plan(
        chain(K.Conv2D(4, 1, name="c"), K.BatchNormalization(name="b"), K.ReLU(name="r"))
    )
    assert len({entry(decided, n).group for n in "cbr"}) == 1
    assert [entry(decided, n).output is not None for n in "cbr"] == [False, False, True]
    assert list(entry(decided, "c").weights) == ["kernel"]
    assert entry(decided, "c").weights["kernel"].axes == (3,)


def test_a_rectifier_fuses_with_an_addition_but_not_with_a_pooling() -> None:
    x = toys.image()
    y = K.ReLU(name="r1")(K.Add(name="a")([x, K.Conv2D(4, 1)(x)]))
    decided = plan(keras.Model(x, K.ReLU(name="r2")(K.MaxPooling2D(name="m")(y))))
    assert entry(decided, "a").output is None
    assert entry(decided, "r1").output is not None
    assert entry(decided, "m").output is None
    assert entry(decided, "r2").output is not None


@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [("sigmoid", 0.0, 255 / 256), ("softmax", 0.0, 255 / 256), ("tanh", -1.0, 127 / 128)],
)
@pytest.mark.parametrize("inside", [True, False])
def test_ranges_that_litert_prescribes(
    activation: str, low: float, high: float, inside: bool
) -> None:
    if inside:
        model = chain(K.Conv2D(4, 1, activation=activation, name="x"))
    else:
        model = chain(K.Activation(activation, name="x"))
    found = entry(plan(model), "x")
    assert (found.output.init_min, found.output.init_max) == (low, high)
    assert (found.activation is not None) is inside


def test_what_feeds_a_concatenation_alone_takes_its_scale() -> None:
    x = toys.image()
    a = K.Conv2D(2, 1, name="alone")(x)
    b = K.Conv2D(2, 1, name="seen")(x)
    c = K.Activation("sigmoid", name="fixed")(x)
    y = K.Concatenate(name="join")([a, b, c, K.MaxPooling2D(1, name="pool")(K.ReLU(name="r")(x))])
    decided = plan(keras.Model(x, [y, K.Conv2D(1, 1)(b)]))
    quantized = {
        n: entry(decided, n).output is not None for n in ["alone", "seen", "fixed", "join", "r"]
    }
    assert quantized == {"alone": False, "seen": True, "fixed": True, "join": True, "r": False}


def test_integers_and_layers_without_a_rule() -> None:
    x = keras.Input((5,), dtype="int32", name="ids")
    y = K.LSTM(3, name="lstm")(K.Embedding(4, 2, name="table")(x))
    decided = plan(keras.Model(x, K.Dense(2)(y)))
    assert entry(decided, "ids").output is None
    found = entry(decided, "lstm")
    assert found.role is Role.RECURRENT
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in found.reason
    assert found.output is None  # its state is quantized inside it
    assert not decided.floats
    table = entry(decided, "table")
    assert table.weights["embeddings"].num_bits == 8
    assert table.output is None
    embedded = K.Flatten()(K.Embedding(4, 2, name="table")(x))
    wide = plan(keras.Model(x, K.Dense(2)(embedded)), "int16x8")
    assert entry(wide, "table").output.num_bits == 16


def test_what_a_float_division_divides_by_stays_float_as_well() -> None:
    x = toys.image()
    decided = plan(keras.Model(x, tf.nn.relu(x) / (tf.exp(x) + 1.0)))
    assert [e.reason.split(":")[1].split()[0] for e in decided.floats] == ["a", "divides"]


def test_weights_are_quantized_where_they_meet_data() -> None:
    class Owner(K.Layer):  # type: ignore[misc, name-defined]
        def build(self, shape: Any) -> None:
            self.table = self.add_weight("table", (8, 8, 4))
            self.kernel = self.add_weight("kernel", (1, 1, 4, 6))

        def call(self, inputs: Any) -> Any:
            kernel = self.kernel / tf.reduce_max(tf.abs(self.kernel))
            return tf.nn.conv2d(inputs + self.table[None], kernel, 1, "SAME")

    x = toys.image()
    decided = plan(keras.Model(x, Owner()(x)))
    weights = [e for e in decided if e.role is Role.WEIGHT]
    assert sum(e.output is not None for e in weights) == 2
    (kernel,) = [e for e in weights if getattr(e.output, "axes", None)]
    assert kernel.output.axes == (3,)
    assert not decided.floats


@pytest.mark.parametrize(
    "skip",
    ["c", "c*", [K.Conv2D], lambda layer: layer.name == "c"],
    ids=["name", "pattern", "class", "predicate"],
)
def test_skipping_by_name_pattern_class_and_predicate(skip: Any) -> None:
    decided = plan(chain(K.Conv2D(4, 1, name="c"), K.DepthwiseConv2D(1, name="d")), skip=skip)
    assert entry(decided, "c").role is Role.FLOAT
    assert not entry(decided, "c").weights
    assert entry(decided, "d").weights


def test_a_skipped_layer_is_not_lowered() -> None:
    decided = plan(chain(K.SeparableConv2D(4, 1, name="s")), skip="s")
    assert isinstance(entry(decided, "s").node.layer, K.SeparableConv2D)


def test_schemes() -> None:
    model = chain(K.Conv2D(4, 1, name="c"))
    assert entry(plan(model, "int8-per-tensor"), "c").weights["kernel"].per_axis is False
    wide = entry(plan(model, "int16x8"), "c")
    assert (wide.output.num_bits, wide.output.symmetric) == (16, True)
    assert wide.weights["kernel"].num_bits == 8
    with pytest.raises(ConfigError, match="int8-per-tensor"):
        plan(model, "int9")


def test_kernels_that_a_scheme_lacks_are_all_named_at_once() -> None:
    x = toys.image()
    y = K.LayerNormalization(name="n")(x * tf.nn.relu6(x + 3.0) / 6.0)
    with pytest.raises(UnsupportedModelError) as caught:
        plan(keras.Model(x, y), "int16x8")
    assert len(caught.value.problems) == 2
    assert all(p.remedy for p in caught.value.problems)


def test_printed_it_is_a_table_with_a_line_per_layer() -> None:
    decided = plan(toys.TOYS["conv_bn_relu"]())
    lines = str(decided).splitlines()
    assert lines[0].split() == ["layer", "class", "group", "weights", "output", "reason"]
    assert len(lines) == len(decided) + 2
    assert any("int8 per channel" in line for line in lines)
    assert all(line == line.rstrip() for line in lines)
