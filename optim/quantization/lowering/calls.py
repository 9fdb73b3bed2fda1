"""Reading the arguments of op layers, and appending op layers and weights."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from optim._keras import tf
from optim.graph.graph import Graph, Node, Value
from optim.graph.parameter import Parameter

# Functions that rules append, by public name.
_FUNCTIONS: dict[str, Any] = {
    "math.add": tf.math.add,
    "math.subtract": tf.math.subtract,
    "math.multiply": tf.math.multiply,
    "__operators__.add": tf.math.add,
    "where": tf.where,
    "cast": tf.cast,
    "strided_slice": tf.strided_slice,
    "math.sqrt": tf.math.sqrt,
    "math.reduce_sum": tf.math.reduce_sum,
    "math.l2_normalize": tf.math.l2_normalize,
    "reshape": tf.reshape,
}


def function_layer(symbol: str, name: str) -> Any:
    """A new op layer for a function."""
    # The class has no public name.
    op_layer = importlib.import_module("tf_keras.src.layers.core.tf_op_layer").TFOpLambda
    return op_layer(_FUNCTIONS[symbol], name=name)


def add_parameter(
    graph: Graph, array: Any, name: str, learnt: bool, of: tuple[Node, str] | None = None
) -> Value:
    """Append a weight.

    Args:
        of: the call of the layer that it is a weight of, and which: one for all calls of a layer.
    """
    array = np.asarray(array)

    def make() -> Parameter:
        own = graph.unique_name(name)
        return Parameter(array.shape, array.dtype.name, learnt, name=own, trainable=learnt)

    layer = make() if of is None else graph.derive(*of, make)
    spec = tf.TensorSpec(array.shape, tf.as_dtype(array.dtype))
    return graph.add(layer, graph.flat_inputs[0], specs=spec, weights=[array]).output


def arguments(node: Node, *names: str) -> dict[str, Any]:
    """What an op layer is called with, by parameter name; None for what is not given."""
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    return {name: given.get(name) for name in names}
