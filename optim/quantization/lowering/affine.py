"""Rules that make per-channel affine maps of everything that is one, and fold them.

`x * scale + offset` appears as Rescaling, Normalization, LayerScale, arithmetic with
constants. Neighbouring ones merge; one after a convolution folds into it; what is left
is a 1x1 depthwise convolution.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.graph.parameter import Parameter
from optim.quantization.activation_facts import activation_name
from optim.quantization.layers import AddConstant, Affine
from optim.quantization.lowering.calls import function_layer
from optim.quantization.lowering.hard_swish import hard_swish_divided_last
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import (
    config_of,
    constant,
    has_plain_call,
    is_linear,
    policy_for,
    weights_of,
)

K = keras.layers


def add_affine(
    graph: Graph, x: Value, scale: Any, offset: Any, name: str, trainable: bool = False
) -> Value | None:
    """Append `x * scale + offset`; None if it is not per channel or the channels unknown."""
    channels = x.channels
    if channels is None or not x.is_float or (x.rank or 0) < 2:
        return None
    vectors = [_per_channel(a, channels, x.rank or 0) for a in (scale, offset)]
    if any(v is None for v in vectors):
        return None
    layer = Affine(name=name, trainable=trainable, dtype=policy_for(x.spec.dtype))
    return graph.add(layer, x, specs=x.spec, weights=vectors).output


def _per_channel(array: Any, channels: int, rank: int) -> np.ndarray | None:
    array = np.asarray(array, np.float32)
    if array.ndim > rank or (array.size != 1 and array.shape[-1] != array.size):
        return None
    if array.size not in (1, channels):
        return None
    return np.array(np.broadcast_to(array.reshape(-1), (channels,)))


@rule(K.Rescaling)
def rescaling(graph: Graph, node: Node) -> Result:
    layer = node.layer
    return add_affine(graph, node.inputs[0], layer.scale, layer.offset, node.name)


@rule(K.Normalization)
def normalization(graph: Graph, node: Node) -> Result:
    layer, x = node.layer, node.inputs[0]
    if getattr(layer, "mean", None) is None:
        return None
    mean, variance = np.asarray(layer.mean), np.asarray(layer.variance)
    deviation = np.maximum(np.sqrt(variance), keras.backend.epsilon())
    if getattr(layer, "invert", False):
        return add_affine(graph, x, deviation, mean, node.name)
    return add_affine(graph, x, 1 / deviation, -mean / deviation, node.name)


@rule("layer:LayerScale")
def layer_scale(graph: Graph, node: Node) -> Result:
    if graph.is_shared(node):
        return None
    gamma = np.asarray(node.layer.gamma)
    return add_affine(graph, node.inputs[0], gamma, 0.0, node.name, trainable=node.layer.trainable)


@rule("layer:CustomScaleLayer")
def residual_with_scale(graph: Graph, node: Node) -> Result:
    shortcut, branch = node.inputs
    name = graph.unique_name(f"{node.name}_scale")
    scaled = add_affine(graph, branch, node.layer.scale, 0.0, name)
    if scaled is None:
        return None
    return graph.add(K.Add(name=node.name), [shortcut, scaled], specs=node.output.spec).output


# function -> (scale, offset) of `x <op> c`, and of `c <op> x`
_WITH_CONSTANT: dict[str, tuple[Any, Any]] = {
    "__operators__.add": (lambda c: (1.0, c), lambda c: (1.0, c)),
    "math.add": (lambda c: (1.0, c), lambda c: (1.0, c)),
    "math.subtract": (lambda c: (1.0, -c), lambda c: (-1.0, c)),
    "math.multiply": (lambda c: (c, 0.0), lambda c: (c, 0.0)),
    "math.divide": (lambda c: (1 / c, 0.0), None),
    "math.truediv": (lambda c: (1 / c, 0.0), None),
    "compat.v1.div": (lambda c: (1 / c, 0.0), None),
}


@rule(*_WITH_CONSTANT)
def arithmetic_with_a_constant(graph: Graph, node: Node) -> Result:
    x, y = operands(node)
    direct, reflected = _WITH_CONSTANT[node.symbol]
    for value, form, other in ((x, direct, y), (y, reflected, x)):
        if form is None or not isinstance(value, Value) or not value.is_float:
            continue
        if parameter(graph, value) is not None:
            continue
        found = _constant_of(graph, other)
        # Not where the constant broadcasts the tensor.
        if found is not None and value.shape == node.output.shape:
            scale, offset = form(found[0].astype(np.float64))
            done = add_affine(graph, value, scale, offset, node.name, trainable=found[1])
            if done is None and isinstance(other, Value) and found[0].size == 1 and not found[1]:
                return _with_number(graph, node, value, float(scale), float(offset))
            return done
    return None


def _with_number(graph: Graph, node: Node, x: Value, scale: float, offset: float) -> Value:
    """`x * scale` or `x + offset` for a number that was computed, of unknown channels."""
    symbol, number = ("math.add", offset) if scale == 1.0 else ("math.multiply", scale)
    layer = function_layer(symbol, node.name)
    y = graph.add(layer, x, number, specs=node.output.spec).output
    if scale == 1.0 or not offset:
        return y
    layer = function_layer("math.add", graph.unique_name(f"{node.name}_offset"))
    return graph.add(layer, y, offset, specs=node.output.spec).output


def _constant_of(graph: Graph, x: Any) -> tuple[np.ndarray, bool] | None:
    """The numbers that an operand is, and whether they are learnt; None if it is data."""
    learnt = False
    if isinstance(x, Value):
        weight = parameter(graph, x)
        if weight is not None:
            learnt, x = weight.layer.trainable and weight.layer.learnt, weights_of(weight)[0]
        else:
            x = static_number(x)
    array = constant(x)
    if array is None or not np.issubdtype(array.dtype, np.number):
        return None
    return array, learnt


def static_number(x: Any) -> Any:
    """The number that a value is if it follows from known sizes alone, else None.

    `x / tf.sqrt(tf.cast(tf.shape(x)[-1], tf.float32))` divides by a constant.
    """
    if not isinstance(x, Value):
        return x
    node = x.node
    if not node.symbol or x.rank != 0:
        return None
    if node.symbol == "__operators__.getitem" and len(node.args) == 2:
        source, index = node.args
        if isinstance(source, Value) and source.node.symbol in ("shape", "compat.v1.shape"):
            shape = source.node.inputs[0].shape
            known = shape is not None and isinstance(index, int)
            return shape[index] if known and shape is not None else None
    args = [static_number(a) for a in node.args]
    if node.inputs and any(a is None for a in args):
        return None
    if any(isinstance(v, Value) for v in tf.nest.flatten(node.kwargs)):
        return None
    try:
        return np.asarray(node.layer.function(*args, **node.kwargs))
    except (TypeError, ValueError):
        return None


def parameter(graph: Graph, x: Any) -> Node | None:
    """The `Parameter` node that an operand comes from, if it is used here only."""
    if not isinstance(x, Value) or not isinstance(x.node.layer, Parameter):
        return None
    return x.node if graph.sole_use(x) and not graph.is_shared(x.node) else None


@rule("math.negative")
def negation(graph: Graph, node: Node) -> Result:
    return add_affine(graph, node.inputs[0], -1.0, 0.0, node.name)


def operands(node: Node) -> tuple[Any, Any]:
    """The two operands of a binary op layer, wherever they were passed."""
    args = [*node.args, *(node.kwargs[k] for k in ("x", "y", "a", "b") if k in node.kwargs)]
    return (args[0], args[1]) if len(args) >= 2 else (None, None)


@rule(Affine)
def addition_on_one_channel(graph: Graph, node: Node) -> Result:
    """Of a convolution by 1 the converter leaves an addition, in float."""
    scale, offset = weights_of(node)
    if len(scale) != 1 or scale[0] != 1.0 or node.layer.trainable or graph.is_shared(node):
        return None
    add = AddConstant(float(offset[0]), name=node.name)
    return graph.add(add, node.inputs[0], specs=node.output.spec).output


@rule(Affine)
def fold_affine(graph: Graph, node: Node) -> Result:
    """Merge an affine map into what produces its input, where nothing else sees that."""
    scale, offset = weights_of(node)
    producer = node.inputs[0].node
    pattern = hard_swish_divided_last(graph, node, scale, offset)
    if pattern is not None:
        return pattern
    if graph.sole_use(node.inputs[0]) is not node or graph.is_shared(producer) or producer.skip:
        return None
    if isinstance(producer.layer, Affine):
        first_scale, first_offset = weights_of(producer)
        return add_affine(
            graph,
            producer.inputs[0],
            first_scale * scale,
            first_offset * scale + offset,
            node.name,
            trainable=node.layer.trainable or producer.layer.trainable,
        )
    if isinstance(producer.layer, K.BatchNormalization) and has_plain_call(producer):
        return _fold_into_normalization(graph, producer, scale, offset)
    if is_linear(producer) and activation_name(producer.layer.activation) == "linear":
        return _fold_into_linear(graph, producer, scale, offset)
    return None


def _fold_into_linear(graph: Graph, node: Node, scale: Any, offset: Any) -> Result:
    layer = node.layer
    config = config_of(layer)
    regularized = ("kernel_regularizer", "depthwise_regularizer", "bias_regularizer",
                   "kernel_constraint", "depthwise_constraint", "bias_constraint")  # fmt: skip
    if any(config.get(key) for key in regularized) or config.get("data_format") not in (
        None, "channels_last",
    ):  # fmt: skip
        return None
    if graph.keeps_values and np.unique(scale).size > 1:
        return None  # the few values of a clustered kernel would be others in each channel
    kernel, *rest = weights_of(node)
    if isinstance(layer, (K.DepthwiseConv2D, K.DepthwiseConv1D)):
        factor = scale.reshape(kernel.shape[-2:])
    elif isinstance(layer, (K.Conv2DTranspose, K.Conv1DTranspose)):
        factor = scale[:, None]  # its kernel has the output channels last but one
    else:
        factor = scale
    bias = rest[0] if rest else np.zeros_like(offset)
    if rest or offset.any():
        config["use_bias"] = True
        weights = [kernel * factor, bias * scale + offset]
    else:
        weights = [kernel * factor]
    new = type(layer).from_config(config)
    added = graph.add(new, *node.args, specs=node.output.spec, name=node.name, weights=weights)
    added.path = node.path
    return added.output


def _fold_into_normalization(graph: Graph, node: Node, scale: Any, offset: Any) -> Result:
    layer = node.layer
    config = config_of(layer)
    if any(
        config.get(f"{p}_{k}") for p in ("beta", "gamma") for k in ("regularizer", "constraint")
    ):
        return None
    weights = iter(weights_of(node))
    gamma = next(weights) if layer.scale else np.ones_like(scale)
    beta = next(weights) if layer.center else np.zeros_like(scale)
    config.update(scale=True, center=True)
    new = type(layer).from_config(config)
    added = graph.add(
        new,
        *node.args,
        specs=node.output.spec,
        name=node.name,
        weights=[gamma * scale, beta * scale + offset, *weights],
    )
    added.path = node.path
    return added.output
