"""Transposed convolutions that keep the rectifier behind them.

The converter fuses a rectifier into a transposed convolution through its bias: without one, or
with one of zeros only, which it leaves out first, the rectifier stays an operation of its own,
and in a quantized file both are float, as nothing says what range is between them. A bias that
is too small to change any number makes them one operation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import tf

__all__ = ["TINY", "give_biases"]

TINY = 1e-30
"""A normal float32 that vanishes beside any number a network computes, and is 0 in int32."""

_RECTIFIERS = ("Relu", "Relu6")
_ADDITIONS = ("BiasAdd", "Add", "AddV2")


def give_biases(graph: Any, graph_def: Any) -> int:
    """Give a bias that is not zero to each transposed convolution before a rectifier.

    Args:
        graph: the graph it was traced in, for the shapes.
        graph_def: the same without variables. Modified in place.

    Returns:
        How many lacked one.
    """
    nodes = {node.name: node for node in graph_def.node}
    count = 0
    for node in list(graph_def.node):
        if node.op not in _RECTIFIERS:
            continue
        before = nodes[node.input[0].partition(":")[0]]
        bias = nodes[before.input[1].partition(":")[0]] if before.op in _ADDITIONS else None
        if bias is not None:
            source = nodes[before.input[0].partition(":")[0]]
            if bias.op == "Const" and source.op == "Conv2DBackpropInput":
                count += _fill(bias)
        elif before.op == "Conv2DBackpropInput":
            channels = graph.get_tensor_by_name(f"{before.name}:0").shape[-1]
            _insert(graph_def, node, np.full(channels, TINY, np.float32))
            count += 1
    return count


def _fill(constant: Any) -> int:
    value = tf.make_ndarray(constant.attr["value"].tensor)
    if value.any() or value.dtype != np.float32:
        return 0
    constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.full_like(value, TINY)))
    return 1


def _insert(graph_def: Any, node: Any, value: np.ndarray) -> None:
    """Put the addition of a constant before a node."""
    name = f"{node.name}/bias"
    constant = graph_def.node.add(name=f"{name}/value", op="Const")
    constant.attr["dtype"].type = tf.float32.as_datatype_enum
    constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    addition = graph_def.node.add(name=name, op="BiasAdd", input=[node.input[0], constant.name])
    addition.attr["T"].type = tf.float32.as_datatype_enum
    node.input[0] = name
