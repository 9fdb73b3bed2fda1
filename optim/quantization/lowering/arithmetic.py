"""Rules for arithmetic between tensors, and for layers that do nothing in inference."""

from __future__ import annotations

from typing import Any

from optim._keras import keras
from optim.graph.graph import Graph, Node, Value
from optim.quantization.layers import Einsum
from optim.quantization.lowering.affine import add_affine, operands
from optim.quantization.lowering.registry import Result, rule

K = keras.layers

_BINARY: dict[str, type] = {
    "__operators__.add": K.Add,
    "math.add": K.Add,
    "math.subtract": K.Subtract,
    "math.multiply": K.Multiply,
    "math.maximum": K.Maximum,
    "math.minimum": K.Minimum,
}


@rule(*_BINARY)
def arithmetic_of_tensors(graph: Graph, node: Node) -> Result:
    x, y = operands(node)
    if not (isinstance(x, Value) and isinstance(y, Value)) or not _mergeable(x, y):
        return None
    layer = _BINARY[node.symbol](name=node.name)
    return graph.add(layer, [x, y], specs=node.output.spec).output


def _mergeable(x: Value, y: Value) -> bool:
    """Whether Keras' merge layers broadcast these as TensorFlow does."""
    if not (x.is_float and y.is_float) or x.spec.dtype != y.spec.dtype:
        return False
    if x.rank != y.rank or not x.shape or not y.shape or x.shape[0] != y.shape[0]:
        return False
    return all(a == b or 1 in (a, b) for a, b in zip(x.shape, y.shape, strict=True))


@rule(K.Add, K.Multiply)
def many_to_binary(graph: Graph, node: Node) -> Result:
    """Three or more terms, two at a time: each partial result has a range of its own."""
    terms = node.inputs
    if type(node.layer) not in (K.Add, K.Multiply) or len(terms) < 3:
        return None
    if any(v.shape != terms[0].shape for v in terms):
        return None
    return _chain(graph, type(node.layer), terms, node.name)


@rule(K.Average)
def average(graph: Graph, node: Node) -> Result:
    terms = node.inputs
    if type(node.layer) is not K.Average or any(v.shape != terms[0].shape for v in terms):
        return None
    if terms[0].channels is None or (terms[0].rank or 0) < 2:
        return None
    total = _chain(graph, K.Add, terms, graph.unique_name(f"{node.name}_sum"))
    return add_affine(graph, total, 1 / len(terms), 0.0, node.name)


def _chain(graph: Graph, cls: Any, terms: list[Value], name: str) -> Value:
    total = terms[0]
    for i, term in enumerate(terms[1:], 2):
        own = name if i == len(terms) else graph.unique_name(f"{name}_part")
        total = graph.add(cls(name=own), [total, term], specs=terms[0].spec).output
    return total


@rule("__operators__.getitem")
def slice_without_ellipsis(graph: Graph, node: Node) -> Result:
    """`x[..., i]` as `x[:, :, i]`: Keras cannot write an ellipsis to a `.keras` file."""
    if len(node.args) != 2 or not isinstance(node.args[0], Value) or node.kwargs:
        return None
    x, index = node.args
    parts = list(index) if isinstance(index, (tuple, list)) else [index]
    if not any(p is Ellipsis for p in parts) or x.rank is None:
        return None
    place = next(i for i, p in enumerate(parts) if p is Ellipsis)
    taken = sum(p is not None and p is not Ellipsis for p in parts)
    # The form in which Keras itself keeps a slice among call arguments.
    everything = {"start": None, "stop": None, "step": None}
    parts[place : place + 1] = [dict(everything) for _ in range(x.rank - taken)]
    new = graph.add(node.layer, x, tuple(parts), specs=node.output.spec, name=node.name)
    return new.output


@rule("einsum")
def einsum(graph: Graph, node: Node) -> Result:
    equation, *terms = node.args
    if node.kwargs or not isinstance(equation, str):
        return None
    if not all(isinstance(x, Value) for x in terms):
        return None
    layer = Einsum(equation, name=node.name)
    return graph.add(layer, list(terms), specs=node.output.spec).output


@rule("layer:StochasticDepth")
def stochastic_depth(graph: Graph, node: Node) -> Result:
    """Dropping whole samples is dropout with one random number per sample."""
    x = node.inputs[0]
    if x.rank is None:
        return None
    shape = (None, *[1] * (x.rank - 1))
    layer = K.Dropout(node.layer.drop_path_rate, noise_shape=shape, name=node.name)
    return graph.add(layer, x, specs=x.spec, kwargs=node.kwargs).output
