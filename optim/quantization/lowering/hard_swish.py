"""Rules that know hard-swish and GELU by what they are written as."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras
from optim.graph.graph import Graph, Node, Value
from optim.quantization.layers import Affine, HardSwish
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import relu_limit, weights_of

K = keras.layers


def _is_constant(node: Node, scale: float, offset: float) -> bool:
    if not isinstance(node.layer, Affine):
        return False
    have_scale, have_offset = weights_of(node)
    return np.allclose(have_scale, scale, rtol=1e-5) and np.allclose(have_offset, offset, 1e-6)


def _relu6_of_x_plus_3(value: Value) -> Value | None:
    """The `x` of `relu6(x + 3)`, or None."""
    if relu_limit(value.node) != 6.0:
        return None
    inner = value.node.inputs[0].node
    return inner.inputs[0] if _is_constant(inner, 1.0, 3.0) else None


def add_hard_swish(graph: Graph, x: Value, name: str) -> Value:
    return graph.add(HardSwish(name=name), x, specs=x.spec).output


def hard_swish_divided_last(graph: Graph, node: Node, scale: Any, offset: Any) -> Result:
    """`(x * relu6(x + 3)) / 6`"""
    product = node.inputs[0].node
    if not (isinstance(product.layer, K.Multiply) and _is_constant(node, 1 / 6, 0.0)):
        return None
    if len(product.inputs) != 2 or graph.sole_use(node.inputs[0]) is not node:
        return None
    a, b = product.inputs
    for x, gate in ((a, b), (b, a)):
        if _relu6_of_x_plus_3(gate) is x:
            return add_hard_swish(graph, x, node.name)
    return None


@rule(K.Multiply)
def gelu_by_the_error_function(graph: Graph, node: Node) -> Result:
    """`0.5 * x * (1 + erf(x / sqrt(2)))`: LiteRT has no ERF, but GELU."""
    if len(node.inputs) != 2:
        return None
    a, b = node.inputs
    for left, right in ((a, b), (b, a)):
        for half, one in ((0.5, 1.0), (1.0, 0.5)):
            if not _is_constant(right.node, one, one):
                continue
            erf = right.node.inputs[0].node
            x = left.node.inputs[0] if half == 0.5 and _is_constant(left.node, 0.5, 0.0) else left
            if erf.symbol != "math.erf" or (half == 0.5 and x is left):
                continue
            inner = erf.inputs[0].node
            if _is_constant(inner, 0.5**0.5, 0.0) and inner.inputs[0] is x:
                return graph.add(K.Activation("gelu", name=node.name), x, specs=x.spec).output
    return None


@rule(K.Multiply)
def hard_swish(graph: Graph, node: Node) -> Result:
    """`x * (relu6(x + 3) / 6)`"""
    if len(node.inputs) != 2:
        return None
    a, b = node.inputs
    for x, gate in ((a, b), (b, a)):
        if _is_constant(gate.node, 1 / 6, 0.0) and _relu6_of_x_plus_3(gate.node.inputs[0]) is x:
            return add_hard_swish(graph, x, node.name)
    return None
