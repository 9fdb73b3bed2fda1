"""Random graphs: lowering is exact, quantizing never raises, and keeps the interface.

A graph is a list of instructions, each naming an operation and which of the tensors so
far it takes; so hypothesis can shrink a failing graph to its few relevant layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import toys
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optim._keras import keras, tf
from optim.graph.reader import read
from optim.quantization.api import quantize_model
from optim.quantization.building.builder import build
from optim.quantization.lowering.driver import lower

K = keras.layers
SIZE, CHANNELS = 4, 4  # every operation keeps the shape, so that any two tensors combine


def _nested() -> Any:
    x = toys.image(SIZE, CHANNELS)
    y = K.Conv2D(CHANNELS, 1)(x)
    return keras.Model(x, K.Add()([K.ReLU()(y) * 0.5, x]))


def _halves(x: Any) -> Any:
    a, b = tf.split(x, 2, axis=-1)
    return tf.concat([b, a], -1)


UNARY: dict[str, Any] = {
    "conv": lambda: K.Conv2D(CHANNELS, 3, padding="same"),
    "conv_relu": lambda: K.Conv2D(CHANNELS, 1, activation="relu"),
    "conv_swish": lambda: K.Conv2D(CHANNELS, 1, activation="swish"),
    "depthwise": lambda: K.DepthwiseConv2D(3, padding="same"),
    "grouped": lambda: K.Conv2D(CHANNELS, 1, groups=CHANNELS),
    "separable": lambda: K.SeparableConv2D(CHANNELS, 3, padding="same"),
    "dense": lambda: K.Dense(CHANNELS),
    "batch_norm": lambda: K.BatchNormalization(),
    "layer_norm": lambda: K.LayerNormalization(epsilon=0.01),
    "relu": lambda: K.ReLU(),
    "sigmoid": lambda: K.Activation("sigmoid"),
    "gelu": lambda: K.Activation("gelu"),
    "pool": lambda: K.MaxPooling2D(2, 1, padding="same"),
    "dropout": lambda: K.Dropout(0.1),
    "nested": _nested,
    "rescale": lambda: K.Rescaling(0.5, 0.1),
    "hard_swish": lambda: lambda x: x * tf.nn.relu6(x + 3.0) / 6.0,
    "scale": lambda: lambda x: 0.5 * x,
    "shift": lambda: lambda x: 1.0 - x,
    "silu": lambda: tf.nn.silu,
    "transpose": lambda: lambda x: tf.transpose(x, [0, 2, 1, 3]),
    "halves": lambda: _halves,
    "mean": lambda: lambda x: x - tf.reduce_mean(x, axis=[1, 2], keepdims=True),
}
BINARY: dict[str, Any] = {
    "add": lambda: lambda a, b: K.Add()([a, b]),
    "plus": lambda: lambda a, b: a + b,
    "times": lambda: lambda a, b: a * tf.nn.sigmoid(b),
    "join": lambda: lambda a, b: K.Conv2D(CHANNELS, 1)(K.Concatenate()([a, b])),
    "average": lambda: lambda a, b: K.Average()([a, b, a]),
}

index = st.integers(0, 30)
instruction = st.one_of(
    st.tuples(st.sampled_from(sorted(UNARY)), index, st.booleans()),
    st.tuples(st.sampled_from(sorted(BINARY)), index, index),
)
programs = st.lists(instruction, min_size=1, max_size=9)


def make_model(program: list[Any], inputs: int, outputs: int) -> Any:
    """Run a program; an instruction flagged `shared` uses the layer of its like again."""
    tensors = [toys.image(SIZE, CHANNELS) for _ in range(inputs)]
    given_tensors = list(tensors)
    layers: dict[str, Any] = {}
    for name, first, second in program:
        a = tensors[first % len(tensors)]
        if name in UNARY:
            operation = layers[name] if second and name in layers else UNARY[name]()
            layers[name] = operation
            tensors.append(operation(a))
        else:
            tensors.append(BINARY[name]()(a, tensors[second % len(tensors)]))
    return keras.Model(given_tensors, tensors[-outputs:])


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(program=programs, inputs=st.integers(1, 2), outputs=st.integers(1, 3))
def test_random_graphs_lower_exactly_and_quantize(
    program: list[Any], inputs: int, outputs: int
) -> None:
    keras.backend.clear_session()
    model = toys.randomize(make_model(program, inputs, outputs))
    batch = toys.batch_for(model)
    expected = [np.asarray(y) for y in tf.nest.flatten(model(batch, training=False))]

    lowered = build(lower(read(model)))
    for a, b in zip(expected, tf.nest.flatten(lowered(batch, training=False)), strict=True):
        assert np.abs(a - np.asarray(b)).max() <= 1e-4 * max(np.abs(a).max(), 1e-2)

    quantized = quantize_model(model, calibration_data=[batch])
    assert quantized.output_shape == model.output_shape
    assert quantized.output_names == model.output_names
    assert len(quantized.inputs) == len(model.inputs)
    for y in tf.nest.flatten(quantized(batch, training=True)):
        assert np.isfinite(np.asarray(y)).all()
