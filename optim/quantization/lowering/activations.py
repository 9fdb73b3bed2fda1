"""Rules for activations: op layers to layers, composites to parts, splits from kernels."""

from __future__ import annotations

import math
from typing import Any

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.models.kernels import LINEAR
from optim.quantization.activation_facts import FIXED, FUSED, activation_name
from optim.quantization.layers import CappedRelu
from optim.quantization.lowering.affine import add_affine
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import (
    config_of,
    has_plain_call,
    is_fusable_relu,
    sources_of,
    weights_of,
)

K = keras.layers


def _same(graph: Graph, layer: Any, x: Value) -> Value:
    return graph.add(layer, x, specs=x.spec).output


# function -> layer that computes it
_OP_LAYERS: dict[str, Any] = {
    "nn.relu": lambda name: K.ReLU(name=name),
    "nn.relu6": lambda name: K.ReLU(6.0, name=name),
    "math.sigmoid": lambda name: K.Activation("sigmoid", name=name),
    "math.tanh": lambda name: K.Activation("tanh", name=name),
    "nn.silu": lambda name: K.Activation("swish", name=name),
}


def _only_argument(node: Node) -> Value | None:
    """The tensor a unary op is called on, unless other arguments are given, too."""
    values = node.inputs
    others = [x for x in (*node.args, *node.kwargs.values()) if not isinstance(x, Value)]
    # tf.nn.silu passes its `beta`; only the default is a swish.
    return values[0] if len(values) == 1 and all(x in (None, 1.0) for x in others) else None


@rule(*_OP_LAYERS)
def op_to_layer(graph: Graph, node: Node) -> Result:
    x = _only_argument(node)
    return None if x is None else _same(graph, _OP_LAYERS[node.symbol](node.name), x)


@rule("nn.gelu")
def gelu_op(graph: Graph, node: Node) -> Result:
    approximate = node.kwargs.get("approximate", node.args[1] if len(node.args) > 1 else False)
    if approximate or len(node.inputs) != 1:
        return None
    return _same(graph, K.Activation("gelu", name=node.name), node.inputs[0])


@rule("nn.softmax")
def softmax_op(graph: Graph, node: Node) -> Result:
    axis = node.kwargs.get("axis", node.args[1] if len(node.args) > 1 else None)
    if axis not in (None, -1) or len(node.inputs) != 1 or (node.output.rank or 0) < 2:
        return None
    return _same(graph, K.Softmax(name=node.name), node.inputs[0])


@rule(K.Softmax)
def softmax_over_several_axes(graph: Graph, node: Node) -> Result:
    """Over the last axes of several: one softmax between reshapes."""
    axis, x = node.layer.axis, node.inputs[0]
    if isinstance(axis, int) or len(axis) < 2 or x.rank is None:
        return None
    if any(v is not None for v in (*node.args[1:], *node.kwargs.values())):
        return None  # a mask
    axes, shape = sorted(a % x.rank for a in axis), x.shape or ()
    kept = x.rank - len(axes)
    if axes != list(range(kept, x.rank)) or kept < 1 or None in shape[1:]:
        return None
    flat = (*shape[1:kept], math.prod(n or 1 for n in shape[kept:]))
    spec = tf.TensorSpec((shape[0], *flat), x.spec.dtype)
    reshape = K.Reshape(flat, name=graph.unique_name(f"{node.name}_flat"))
    y = graph.add(reshape, x, specs=spec).output
    y = _same(graph, K.Softmax(name=graph.unique_name(f"{node.name}_softmax")), y)
    return graph.add(K.Reshape(shape[1:], name=node.name), y, specs=x.spec).output


@rule("nn.leaky_relu")
def leaky_relu_op(graph: Graph, node: Node) -> Result:
    alpha = node.kwargs.get("alpha", node.args[1] if len(node.args) > 1 else 0.2)
    if len(node.inputs) != 1 or not isinstance(alpha, float):
        return None
    return _same(graph, K.LeakyReLU(alpha, name=node.name), node.inputs[0])


@rule(K.Activation)
def activation_layer(graph: Graph, node: Node) -> Result:
    """Expand what LiteRT runs as several operations, each with a range of its own."""
    expand = {"swish": _swish, "hard_sigmoid": _hard_sigmoid}.get(
        activation_name(node.layer.activation)
    )
    return expand(graph, node) if expand and has_plain_call(node) else None


def _swish(graph: Graph, node: Node) -> Value:
    """`x * sigmoid(x)`: LOGISTIC and MUL."""
    x = node.inputs[0]
    gate = K.Activation("sigmoid", name=graph.unique_name(f"{node.name}_sigmoid"))
    product = K.Multiply(name=node.name)
    return graph.add(product, [x, _same(graph, gate, x)], specs=x.spec).output


def _hard_sigmoid(graph: Graph, node: Node) -> Result:
    """`clip(x / 5 + 1 / 2, 0, 1)` as `relu6(1.2 x + 3) / 6`."""
    x = node.inputs[0]
    ramp = add_affine(graph, x, 1.2, 3.0, graph.unique_name(f"{node.name}_ramp"))
    if ramp is None:
        return None
    clipped = _same(graph, K.ReLU(6.0, name=graph.unique_name(f"{node.name}_relu6")), ramp)
    return add_affine(graph, clipped, 1 / 6, 0.0, node.name)


@rule(*LINEAR)
def split_activation(graph: Graph, node: Node) -> Result:
    """Split an activation that LiteRT cannot fuse, and has no fixed range, from its layer."""
    layer = node.layer
    name = activation_name(getattr(layer, "activation", None))
    if name in (*FUSED, *FIXED):
        return None
    penalty = layer.activity_regularizer
    if penalty is not None and not isinstance(penalty, keras.regularizers.L1L2):
        return None  # Keras has a layer for that one alone
    output = graph.is_output(node.output)
    kernel_name, act_name = (
        (graph.unique_name(f"{node.name}_linear"), node.name)
        if output
        else (node.name, graph.unique_name(f"{node.name}_activation"))
    )

    def make() -> Any:
        config = {**config_of(layer), "activation": "linear", "name": kernel_name}
        if "activity_regularizer" in config:
            config["activity_regularizer"] = None  # it is of what the activation returns
        return type(layer).from_config(config)

    linear = graph.derive(node, "linear", make)
    y = graph.add(
        linear, *node.args, kwargs=node.kwargs, specs=node.output.spec, weights=sources_of(node)
    ).output
    if isinstance(layer.activation, K.Layer):
        return graph.add(layer.activation, y, specs=y.spec, name=act_name).output
    if penalty is None:
        return _same(graph, K.Activation(layer.activation, name=act_name), y)
    inner = graph.unique_name(f"{act_name}_unregularized")
    z = _same(graph, K.Activation(layer.activation, name=inner), y)
    sums = K.ActivityRegularization(float(penalty.l1), float(penalty.l2), name=act_name)
    return _same(graph, sums, z)


@rule(K.ReLU)
def relu_with_slope_or_cap(graph: Graph, node: Node) -> Result:
    layer = node.layer
    slope = float(layer.negative_slope)
    if layer.threshold or is_fusable_relu(node):
        return None
    if layer.max_value is None:
        return _same(graph, K.LeakyReLU(slope, name=node.name), node.inputs[0])
    capped = CappedRelu(float(layer.max_value), slope, name=node.name)
    return _same(graph, capped, node.inputs[0])


@rule(K.PReLU)
def one_of_several_rectifiers(graph: Graph, node: Node) -> Result:
    """A PReLU beside another rectifier of the same tensor, as `x + (1 - alpha) * relu(-x)`.

    The converter knows a PReLU by the `relu(x)` and the `-x` in it. It merges what several
    layers have in common, and then takes none of them for a PReLU: all would be float.
    """
    x = node.inputs[0]
    (alpha,) = weights_of(node)
    if graph.is_shared(node) or alpha.size != alpha.shape[-1]:
        return None
    prelus = [n for n in x.uses if isinstance(n.layer, K.PReLU)]
    if prelus[0] is node and not any(map(_rectifies, x.uses)):
        return None

    def name(part: str) -> str:
        return graph.unique_name(f"{node.name}_{part}")

    negated = add_affine(graph, x, -1.0, 0.0, name("negated"))
    if negated is None:
        return None
    below = _same(graph, K.ReLU(name=name("below")), negated)
    slope = 1.0 - alpha.ravel()
    lift = add_affine(graph, below, slope, 0.0, name("lift"), trainable=node.layer.trainable)
    return graph.add(K.Add(name=node.name), [x, lift], specs=x.spec).output


def _rectifies(node: Node) -> bool:
    """Whether `relu(x)` of its input is part of what it computes, as in a PReLU."""
    if isinstance(node.layer, (K.ReLU, CappedRelu)) or node.symbol in ("nn.relu", "nn.crelu"):
        return True
    return activation_name(getattr(node.layer, "activation", None)) == "relu" and isinstance(
        node.layer, K.Activation
    )


@rule(K.PReLU)
def rectifier_of_volumes(graph: Graph, node: Node) -> Result:
    """LiteRT has a PReLU of four axes at most: of more, some are made one, and split after it.

    They are neighbours, and all of them shared or none, so that each weight stays the one it is.
    """
    layer, x = node.layer, node.inputs[0]
    shape: list[Any] = list(x.shape or ())
    many = len(shape) - 3  # axes that become one; the batch stays
    if many < 2 or None in shape[1:] or not has_plain_call(node):
        return None
    (alpha,) = weights_of(node)
    shared = [False, *(size == 1 for size in alpha.shape)]
    starts = (i for i in range(1, 4) if len(set(shared[i : i + many])) == 1)
    start = next(starts, None)
    if start is None:
        return None
    end = start + many
    flat = [*shape[1:start], math.prod(shape[start:end]), *shape[end:]]
    left = [*shared[1:start], shared[start], *shared[end:]]
    config = {
        **config_of(layer),
        "name": graph.unique_name(f"{node.name}_flat"),
        "shared_axes": [axis for axis, one in enumerate(left, 1) if one] or None,
    }
    new = graph.derive(node, "flat", lambda: K.PReLU.from_config(config))
    spec = tf.TensorSpec((shape[0], *flat), x.spec.dtype)
    merge = K.Reshape(flat, name=graph.unique_name(f"{node.name}_merged"))
    y = graph.add(merge, x, specs=spec).output
    sizes = [1 if one else size for size, one in zip(flat, left, strict=True)]
    y = graph.add(new, y, specs=spec, weights=[alpha.reshape(sizes)]).output
    split = K.Reshape(shape[1:], name=node.name)
    return graph.add(split, y, specs=node.output.spec).output
