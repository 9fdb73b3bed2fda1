"""Replacing a composite layer by the layers and functions its `call` is made of.

A layer that no rule knows can still be quantized if its computation can be read: it is
called once on symbolic tensors, and the calls it makes take its place. That is done only
where it provably changes nothing; otherwise the layer stays as it is, and float.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.graph.masks import CarryMask
from optim.graph.reader import Reader, operands, traced_call
from optim.graph.tracer import Untraceable, lost_weights, with_training
from optim.models.shared_weights import Tied, called_with
from optim.quantization.activation_facts import FIXED_SYMBOLS
from optim.quantization.node_facts import hierarchy
from optim.quantization.planning.roles import BY_SYMBOL, HARMLESS

K = keras.layers

# Composites whose loop, lookup or mask is no graph of layers.
_OPAQUE = (
    CarryMask,
    *(
        getattr(K, name)
        for name in ("RNN", "Bidirectional", "TimeDistributed", "Embedding", "Masking", "Wrapper")
    ),
)
# Keras' own layers with weights that are made of functions.
_OPEN = tuple(getattr(K, name) for name in ("Attention", "AdditiveAttention") if hasattr(K, name))
_PURE = {*BY_SYMBOL, *FIXED_SYMBOLS, *HARMLESS}


def expand(graph: Graph, node: Node, known: set[str]) -> list[Value] | None:
    """Return the values that replace the outputs of a composite layer, or None.

    The result computes the same numbers, in training too, and has the same weights. So
    not expanded are layers that behave differently in training (but for the layers they
    are made of), use random numbers or unknown functions, or have a mask, losses, or
    updates. Why it was not goes into `node.note`.

    Args:
        graph: the graph; the calls are added to it.
        node: a call of a layer that no rule has replaced.
        known: public names of the functions that some rule takes.
    """
    layer = node.layer
    if isinstance(layer, (*_OPAQUE, keras.Model)) or not _traceable(node):
        return None
    try:
        traced = traced_call(graph.tracer, layer, node.args, node.kwargs)
        _check(graph, node, traced, known)
    except Untraceable as error:
        node.note = str(error)
        return None
    if graph.is_shared(node):
        for inner in (layer, *layer._flatten_layers(include_self=False)):
            graph.share(inner)
    reader = Reader(graph)
    reader.owned = _of_other_layers(graph, traced)
    return reader.inline(traced, operands(node.args, node.kwargs), node.path, None)


def _of_other_layers(graph: Graph, traced: Any) -> dict[int, Tied]:
    """The weights of other layers of the model that the functions in a trace are called with."""
    used = [v for call in _calls(traced) for v in called_with((call.call_args, call.call_kwargs))]
    if not used:
        return {}
    owners = {
        id(weight): layer
        for layer in graph.source._flatten_layers()
        for weight in (*layer._trainable_weights, *layer._non_trainable_weights)
    }
    return {id(v): Tied(v, [owners[id(v)]]) for v in used if id(v) in owners}


def _traceable(node: Node) -> bool:
    layer = node.layer
    if not node.inputs or any(v.rank is None for v in node.inputs):
        return False
    if "call" in layer.__dict__ or layer.dynamic or layer.losses:
        return False
    if not any(v.is_float for v in node.outputs):
        return False
    # An ordinary Keras layer with weights of its own is atomic.
    own = layer._trainable_weights + layer._non_trainable_weights
    inner = list(layer._flatten_layers(include_self=False))
    at_home = type(layer).__module__.startswith(keras.__name__ + ".")
    return (
        not at_home
        or (not own and bool(inner))
        or K.Activation in hierarchy(layer)
        or isinstance(layer, (K.Lambda, *_OPEN))
    )


def _check(graph: Graph, node: Node, traced: Any, known: set[str]) -> None:
    """Raise `Untraceable` if the traced calls are not exactly what the layer does."""
    calls = _calls(traced)
    try:
        again = _calls(traced_call(graph.tracer, node.layer, node.args, node.kwargs, True))
    except Untraceable:
        again = []
    if not _same(calls, again):
        node.inert = traced.outputs[0] is traced.inputs[0] and len(traced.outputs) == 1
        raise Untraceable("it does something else in training than in inference")
    unknown = {_symbol(c) for c in calls} - {"", *_PURE, *known}
    if unknown:
        raise Untraceable(f"its call uses {', '.join(sorted(unknown))}")
    lost = lost_weights(traced, node.layer)
    if lost:
        raise Untraceable(f"its call does not show how it uses {', '.join(lost)}")
    if len(traced.outputs) != len(node.outputs) or not _equal_numbers(node, traced):
        raise Untraceable("what its call shows computes other numbers")


def _symbol(call: Any) -> str:
    return getattr(call.layer, "symbol", None) or ""


def _calls(model: Any) -> list[Any]:
    by_depth = model._nodes_by_depth
    nodes = [n for depth in sorted(by_depth, reverse=True) for n in by_depth[depth]]
    return [n for n in nodes if not n.is_input]


def _same(first: list[Any], second: list[Any]) -> bool:
    """Whether two traces made the same calls with the same constants."""
    if len(first) != len(second):
        return False
    for a, b in zip(first, second, strict=True):
        if _symbol(a) != _symbol(b) or (not _symbol(a) and not _alike(a.layer, b.layer)):
            return False
        if not _symbol(a):
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


def _alike(a: Any, b: Any) -> bool:
    """Whether two layers are one, or made alike on the spot (`keras.layers.add([x, y])`)."""
    if a is b:
        return True
    if type(a) is not type(b) or a.weights or b.weights:
        return False
    return {**a.get_config(), "name": ""} == {**b.get_config(), "name": ""}


def _is_tensor(x: Any) -> bool:
    return tf.is_tensor(x) or isinstance(x, keras.__internal__.KerasTensor)


def _plain(x: Any) -> Any:
    return x.numpy() if hasattr(x, "numpy") else str(x)


# Sizes to compare numbers at, of the batch and of other unknown axes. Layers that cut windows
# take multiples only; an axis of one goes with any table.
_SIZES = ((2, 8), (12, 16), (64, 1))


def _equal_numbers(node: Node, traced: Any) -> bool:
    """Whether the layer and the traced model agree on random numbers."""
    for batch, size in _SIZES:
        feeds = _random_feeds(node, batch, size)
        try:
            wanted = _call(node, feeds)
        except Exception:  # it may refuse this size
            if batch == _SIZES[-1][0]:
                raise Untraceable("it cannot be called on random numbers") from None
            continue
        got = tf.nest.flatten(traced(list(feeds.values()), training=False))
        return all(map(_close, map(np.asarray, wanted), map(np.asarray, got)))
    return False


def _random_feeds(node: Node, batch: int, size: int) -> dict[int, Any]:
    rng = np.random.default_rng(0)
    feeds = {}
    for value in operands(node.args, node.kwargs):
        known = value.shape or ()
        shape = [(size if i else batch) if n is None else n for i, n in enumerate(known)]
        numbers = rng.normal(size=shape) if value.is_float else rng.integers(0, 2, shape)
        feeds[id(value)] = tf.cast(numbers, value.spec.dtype)
    return feeds


def _call(node: Node, feeds: dict[int, Any]) -> list[Any]:
    def swap(x: Any) -> Any:
        return feeds[id(x)] if isinstance(x, Value) else x

    args, kwargs = with_training(
        node.layer,
        tf.nest.map_structure(swap, node.args),
        tf.nest.map_structure(swap, node.kwargs),
        False,
    )
    return list(tf.nest.flatten(node.layer(*args, **kwargs)))


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape:
        return False
    tolerance = 1e-5 if a.dtype != np.float16 else 1e-2
    largest = float(np.abs(a).max(initial=1e-6)) if a.dtype.kind in "fi" else 1.0
    return np.allclose(a, b, rtol=10 * tolerance, atol=tolerance * largest, equal_nan=True)
