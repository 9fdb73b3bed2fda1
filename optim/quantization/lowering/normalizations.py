"""Rules for normalizations that LiteRT has no operation for."""

from __future__ import annotations

import math
from typing import Any

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.quantization.activation_facts import activation_name
from optim.quantization.layers import (
    AddConstant,
    LoneBatchNormalization,
    Mean,
    Rsqrt,
    SquaredDifference,
)
from optim.quantization.lowering.affine import add_affine
from optim.quantization.lowering.calls import add_parameter, arguments, function_layer
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import (
    axes_of,
    config_of,
    has_plain_call,
    has_small_epsilon,
    is_linear,
    is_unit_kernel,
    sources_of,
    weights_of,
)

K = keras.layers


def _standardize(
    graph: Graph, x: Value, axes: list[int], epsilon: float, name: str
) -> tuple[Value, Value]:
    """Append `(x - mean) / sqrt(variance + epsilon)`, each step an int8 operation.

    Returns:
        The result, and a factor that it still has to be multiplied by. (It is the caller
        who knows what the product is called.)
    """
    sizes = [1 if a in axes else n for a, n in enumerate(x.shape or ())]
    reduced = tf.TensorSpec(sizes, x.spec.dtype)
    axis: Any = axes[0] if len(axes) == 1 else axes

    def add(new: Any, inputs: Any, spec: Any) -> Value:
        return graph.add(new, inputs, specs=spec).output

    def part(what: str) -> str:
        return graph.unique_name(f"{name}_{what}")

    mean = add(Mean(axis, name=part("mean")), x, reduced)
    squares = add(SquaredDifference(name=part("squares")), [x, mean], x.spec)
    variance = add(Mean(axis, name=part("variance")), squares, reduced)
    shifted = add(AddConstant(epsilon, name=part("epsilon")), variance, reduced)
    factor = add(Rsqrt(epsilon, name=part("rsqrt")), shifted, reduced)
    return add(K.Subtract(name=part("centred")), [x, mean], x.spec), factor


def _scaled(graph: Graph, node: Node, x: Value, gamma: Any, beta: Any) -> Value | None:
    """Append `x * gamma + beta`; one convolution if both are per channel, and of one call only."""
    name, trainable = node.name, node.layer.trainable
    if gamma is None and beta is None:
        return x
    if not graph.is_shared(node):
        scale, offset = 1.0 if gamma is None else gamma, 0.0 if beta is None else beta
        done = add_affine(graph, x, scale, offset, name, trainable=trainable)
        if done is not None:
            return done
    for what, symbol, array in (("gamma", "math.multiply", gamma), ("beta", "math.add", beta)):
        if array is None:
            continue
        weight = add_parameter(graph, array, f"{name}_{what}", trainable, of=(node, what))
        last = what == "beta" or beta is None
        own = name if last else graph.unique_name(f"{name}_scaled")
        x = graph.add(function_layer(symbol, own), x, weight, specs=x.spec).output
    return x


def _is_plain(graph: Graph, node: Node) -> bool:
    """Whether the layer can be taken apart, all of its calls alike."""
    calls = [node]
    if graph.is_shared(node):
        calls = [n for n in graph.nodes if n.layer is node.layer]
    ranks = {n.inputs[0].rank for n in calls}
    if len(ranks) == 1 and all(map(_is_plain_call, calls)):
        return True
    if len(calls) > 1:
        node.note = "it is called several times, and its parts would not share their weights"
    return False


def _is_plain_call(node: Node) -> bool:
    x = node.inputs[0]
    known = x.rank is not None and x.rank >= 2
    return known and x.spec.dtype == tf.float32 and has_plain_call(node)


@rule(K.LayerNormalization)
def layer_normalization(graph: Graph, node: Node) -> Result:
    """Mean, variance, quotient and affine part, each an int8 operation."""
    layer, x = node.layer, node.inputs[0]
    if not _is_plain(graph, node) or x.channels is None:
        return None
    rank = x.rank or 0
    given = list(layer.axis) if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    axes = sorted(a % rank for a in given)
    if 0 in axes:
        return None
    weights = iter(weights_of(node))
    shape = [n if a in axes else 1 for a, n in enumerate(x.shape or ())][1:]
    gamma = next(weights).reshape(shape) if layer.scale else None
    beta = next(weights).reshape(shape) if layer.center else None
    centred, factor = _standardize(graph, x, axes, layer.epsilon, node.name)
    name = graph.unique_name(f"{node.name}_normal")
    normal = graph.add(K.Multiply(name=name), [centred, factor], specs=x.spec).output
    return _scaled(graph, node, normal, gamma, beta)


@rule(K.GroupNormalization)
def group_normalization(graph: Graph, node: Node) -> Result:
    """Standardized per group, in a shape of four axes, then scaled per channel."""
    layer, x = node.layer, node.inputs[0]
    if not _is_plain(graph, node) or layer.axis not in (-1, (x.rank or 0) - 1):
        return None
    channels, space = x.channels, list(range(1, (x.rank or 0) - 1))
    if channels is None:
        return None
    groups = channels if layer.groups == -1 else layer.groups
    if groups == 1:
        inner, axes = x, [*space, len(space) + 1]
    elif groups == channels:
        inner, axes = x, space
    elif None in (x.shape or ())[1:]:
        return None
    else:
        size = math.prod(n or 1 for n in (x.shape or ())[1:-1])
        split = (size, groups, channels // groups)
        flat = K.Reshape(split, name=graph.unique_name(f"{node.name}_groups"))
        spec = tf.TensorSpec(((x.shape or (None,))[0], *split), x.spec.dtype)
        inner, axes = graph.add(flat, x, specs=spec).output, [1, 3]
    if not axes:
        return None
    centred, factor = _standardize(graph, inner, axes, layer.epsilon, node.name)
    name = graph.unique_name(f"{node.name}_normal")
    y = graph.add(K.Multiply(name=name), [centred, factor], specs=inner.spec).output
    if inner is not x:
        back = K.Reshape((x.shape or ())[1:], name=graph.unique_name(f"{node.name}_ungrouped"))
        y = graph.add(back, y, specs=x.spec).output
    weights = iter(weights_of(node))
    gamma = next(weights) if layer.scale else None
    beta = next(weights) if layer.center else None
    return _scaled(graph, node, y, gamma, beta)


def _positive(axis: Any, x: Value) -> list[int]:
    return [a % (x.rank or 1) for a in (axis if isinstance(axis, list) else [axis])]


@rule("math.reduce_variance", "math.reduce_std")
def deviation(graph: Graph, node: Node) -> Result:
    call = arguments(node, "input_tensor", "axis", "keepdims")
    x, axes = call["input_tensor"], call["axis"]
    if not isinstance(x, Value) or not x.is_float or axes is None:
        return None
    axis = [int(a) for a in axes] if isinstance(axes, (list, tuple)) else int(axes)
    sizes = [1 if a in _positive(axis, x) else n for a, n in enumerate(x.shape or ())]
    spec = tf.TensorSpec(sizes, x.spec.dtype)
    root = node.symbol.endswith("std")

    def name(part: str) -> str:
        return graph.unique_name(f"{node.name}_{part}")

    mean = graph.add(Mean(axis, name=name("mean")), x, specs=spec).output
    squares = SquaredDifference(name=name("squares"))
    squared = graph.add(squares, [x, mean], specs=x.spec).output
    last = Mean(axis, bool(call["keepdims"]), name=name("variance") if root else node.name)
    variance = graph.add(last, squared, specs=node.output.spec).output
    if not root:
        return variance
    sqrt = function_layer("math.sqrt", node.name)
    return graph.add(sqrt, variance, specs=node.output.spec).output


@rule(K.UnitNormalization)
def unit_normalization(graph: Graph, node: Node) -> Result:
    given = node.layer.axis
    if not has_plain_call(node):
        return None
    axis = given if isinstance(given, int) else [int(a) for a in given]
    layer = function_layer("math.l2_normalize", node.name)
    return graph.add(layer, node.inputs[0], specs=node.output.spec, kwargs={"axis": axis}).output


@rule("math.l2_normalize")
def unit_over_other_axes(graph: Graph, node: Node) -> Result:
    """LiteRT has it over the last axis: the others are moved there and back, byte by byte."""
    if is_unit_kernel(node) or not has_small_epsilon(node):
        return None
    x, axes = node.inputs[0], axes_of(node)
    shape = x.shape or ()
    if not axes or 0 in axes or shape[1:].count(None) > 1:
        return None
    kept = [a for a in range(1, len(shape)) if a not in axes]
    order = [*kept, *axes]
    lead = [shape[a] for a in kept]
    flat = [*lead, _product([shape[a] for a in axes])]
    moved = [*lead, *(shape[a] for a in axes)]

    def add(layer: Any, y: Value, sizes: Any, **kwargs: Any) -> Value:
        spec = tf.TensorSpec((shape[0], *sizes), x.spec.dtype)
        return graph.add(layer, y, specs=spec, kwargs=kwargs).output

    def name(part: str) -> str:
        return graph.unique_name(f"{node.name}_{part}")

    steps = sorted(order) != order, len(axes) > 1
    y = x
    if steps[0]:
        y = add(K.Permute(order, name=name("moved")), y, moved)
    if steps[1]:
        y = add(K.Reshape(_free(flat), name=name("flat")), y, flat)
    unit = function_layer("math.l2_normalize", name("unit"))
    y = add(unit, y, flat, axis=-1)
    if steps[1]:
        own = name("split") if steps[0] else node.name
        y = add(K.Reshape(_free(moved), name=own), y, moved)
    if steps[0]:
        back = [order.index(a) + 1 for a in range(1, len(shape))]
        y = add(K.Permute(back, name=node.name), y, shape[1:])
    return y


def _product(sizes: list[int | None]) -> int | None:
    return None if None in sizes else math.prod(n or 0 for n in sizes)


def _free(sizes: list[int | None]) -> list[int]:
    return [-1 if n is None else n for n in sizes]


@rule(K.BatchNormalization)
def lone_batch_normalization(graph: Graph, node: Node) -> Result:
    """One that follows no linear layer, or one whose output others see as well."""
    layer, x = node.layer, node.inputs[0]
    if type(layer) is not K.BatchNormalization or follows_linear(graph, node):
        return None
    axis = list(layer.axis) if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if x.rank is None or x.rank < 2 or [a % x.rank for a in axis] != [x.rank - 1]:
        return None
    if x.channels is None or layer.variable_dtype != "float32":
        return None
    config = {**config_of(layer), "name": node.name}
    new = graph.derive(node, "lone", lambda: LoneBatchNormalization.from_config(config))
    return graph.add(
        new, *node.args, kwargs=node.kwargs, specs=node.output.spec, weights=sources_of(node)
    ).output


def follows_linear(graph: Graph, node: Node) -> bool:
    """Whether LiteRT will fold the batch normalization into the layer before it."""
    producer = node.inputs[0].node
    return (
        is_linear(producer)
        and activation_name(producer.layer.activation) == "linear"
        and graph.sole_use(node.inputs[0]) is node
    )
