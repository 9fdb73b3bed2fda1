"""Replacing a composite layer by the layers and functions its `call` is made of.

A layer that no rule knows can still be quantized if its computation can be read: it is
called once on symbolic tensors, and the calls it makes take its place. That is done only
where it provably changes nothing; otherwise the layer stays as it is, and float.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.engine.graph import Graph, Node, Value
from optim.engine.kinds import hierarchy
from optim.engine.read import Reader
from optim.engine.roles import BY_SYMBOL, FIXED_SYMBOLS
from optim.engine.trace import untouched

K = keras.layers

# Composites whose loop or lookup is no graph of layers.
_OPAQUE = tuple(
    getattr(K, name) for name in ("RNN", "Bidirectional", "TimeDistributed", "Embedding", "Masking")
)
_SHAPES = {"shape", "compat.v1.shape", "rank", "size", "cast", "compat.v1.size"}
_PURE = {*BY_SYMBOL, *FIXED_SYMBOLS, *_SHAPES}
# A variable in one of these becomes a weight of an affine layer.
_WITH_VARIABLE = {"__operators__.add", "math.add", "math.multiply", "math.subtract"}


def expand(graph: Graph, node: Node, known: set[str]) -> list[Value] | None:
    """Return the values that replace the outputs of a composite layer, or None.

    The result computes the same numbers, in training too, and has the same weights. So
    not expanded are layers that behave differently in training (but for the layers they
    are made of), use random numbers or functions without a role, derive something from
    their own weights, or have a mask, losses, or updates.

    Args:
        graph: the graph; the calls are added to it.
        node: a call of a layer that no rule has replaced.
        known: public names of the functions that some rule takes.
    """
    layer = node.layer
    if isinstance(layer, (*_OPAQUE, keras.Model)) or not _traceable(node):
        return None
    try:
        traced = _trace(node, None)
        if traced is None or not _is_faithful(graph, node, traced, known):
            return None
    except Exception:  # whatever the code of a layer raises on symbolic tensors
        return None
    return Reader(graph).inline(traced, _operands(node), node.path, None)


def _operands(node: Node) -> list[Value]:
    """The different values that a node takes."""
    return list(dict.fromkeys(node.inputs))


def _traceable(node: Node) -> bool:
    if not node.inputs or not all(v.is_float and v.rank is not None for v in node.inputs):
        return False
    layer = node.layer
    inner = list(layer._flatten_layers(include_self=False))
    if "call" in layer.__dict__ or layer.dynamic or layer.losses:
        return False
    # An ordinary Keras layer with weights of its own is atomic.
    own = layer._trainable_weights + layer._non_trainable_weights
    at_home = type(layer).__module__.startswith(keras.__name__ + ".")
    return (
        not at_home
        or (not own and bool(inner))
        or K.Activation in hierarchy(layer)
        or (isinstance(layer, K.Lambda))
    )


def _trace(node: Node, training: bool | None) -> Any:
    """A functional model of one call, or None if an output is none of its tensors."""
    layer = node.layer
    feeds = {id(v): keras.Input(batch_shape=v.shape, dtype=v.spec.dtype) for v in _operands(node)}

    def swap(x: Any) -> Any:
        return feeds[id(x)] if isinstance(x, Value) else x

    args = tf.nest.map_structure(swap, node.args)
    kwargs = tf.nest.map_structure(swap, node.kwargs)
    if layer._expects_training_arg and training is not None:
        kwargs["training"] = training
    with untouched(layer):
        outputs = layer.call(*args, **kwargs)
        return keras.Model([feeds[id(v)] for v in _operands(node)], tf.nest.flatten(outputs))


def _is_faithful(graph: Graph, node: Node, traced: Any, known: set[str]) -> bool:
    calls = _calls(traced)
    if not all(_allowed(call, known) for call in calls):
        return False
    if len(traced.outputs) != len(node.outputs) or not _keeps_weights(graph, node, traced, calls):
        return False
    again = _trace(node, True)
    return _same(calls, _calls(again)) and _equal_numbers(node, traced)


def _calls(model: Any) -> list[Any]:
    by_depth = model._nodes_by_depth
    nodes = [n for depth in sorted(by_depth, reverse=True) for n in by_depth[depth]]
    return [n for n in nodes if not n.is_input]


def _allowed(call: Any, known: set[str]) -> bool:
    symbol = getattr(call.layer, "symbol", None)
    return symbol is None or symbol in _PURE or symbol in known


def _keeps_weights(graph: Graph, node: Node, traced: Any, calls: list[Any]) -> bool:
    """Whether every weight is one of an inner layer, or becomes one of an affine layer."""
    found = {id(w) for w in traced.weights}
    for call in calls:
        for x in tf.nest.flatten((call.call_args, call.call_kwargs)):
            if isinstance(x, tf.Variable):
                vector = x.shape.rank == 0 or x.shape.num_elements() == x.shape[-1]
                if call.layer.symbol not in _WITH_VARIABLE or not vector:
                    return False
                if graph.is_shared(node):
                    return False
                found.add(id(x))
    return all(id(w) in found for w in node.layer.weights)


def _same(first: list[Any], second: list[Any]) -> bool:
    """Whether two traces made the same calls with the same constants."""
    if len(first) != len(second):
        return False
    for a, b in zip(first, second, strict=True):
        symbols = [getattr(x.layer, "symbol", None) for x in (a, b)]
        if symbols[0] != symbols[1] or (symbols[0] is None and a.layer is not b.layer):
            return False
        if symbols[0] is None:
            continue  # a layer may be told that it is training
        for x, y in zip(
            tf.nest.flatten((a.call_args, a.call_kwargs)),
            tf.nest.flatten((b.call_args, b.call_kwargs)),
            strict=True,
        ):
            constants = not keras.backend.is_keras_tensor(x) if _is_tensor(x) else True
            if constants and not np.array_equal(_plain(x), _plain(y)):
                return False
    return True


def _is_tensor(x: Any) -> bool:
    return tf.is_tensor(x) or isinstance(x, keras.__internal__.KerasTensor)


def _plain(x: Any) -> Any:
    return x.numpy() if hasattr(x, "numpy") else str(x)


def _equal_numbers(node: Node, traced: Any) -> bool:
    rng = np.random.default_rng(0)
    feeds = {}
    for value in _operands(node):
        shape = [2, *(size or 8 for size in (value.shape or ())[1:])]
        feeds[id(value)] = tf.constant(rng.normal(size=shape), value.spec.dtype)

    def swap(x: Any) -> Any:
        return feeds[id(x)] if isinstance(x, Value) else x

    args = tf.nest.map_structure(swap, node.args)
    kwargs = tf.nest.map_structure(swap, node.kwargs)
    if node.layer._expects_training_arg:
        kwargs["training"] = False
    wanted = tf.nest.flatten(node.layer.call(*args, **kwargs))
    got = tf.nest.flatten(traced([feeds[id(v)] for v in _operands(node)], training=False))
    return all(
        np.allclose(a, b, rtol=1e-4, atol=1e-5 * float(np.abs(a).max() + 1e-6))
        for a, b in zip(wanted, got, strict=True)
    )
