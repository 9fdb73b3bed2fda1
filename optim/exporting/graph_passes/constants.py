"""Constants in a frozen graph: what they are, and how to make one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from optim._keras import tf

__all__ = ["producer", "set_constant", "value"]


def producer(edge: str) -> str:
    """Return the name of the node that an input of another comes from."""
    return edge.lstrip("^").partition(":")[0]


def value(nodes: Mapping[str, Any], name: str) -> np.ndarray | None:
    """Return what a constant, or a sum of constants, is; None of anything else.

    Args:
        nodes: of a graph, by name.
        name: of one of them.
    """
    node = nodes[name]
    if node.op == "Const":
        return np.asarray(tf.make_ndarray(node.attr["value"].tensor))
    if node.op == "AddV2":  # a range per channel: one number and as many zeros
        first, second = (value(nodes, producer(edge)) for edge in node.input[:2])
        return None if first is None or second is None else first + second
    return None


def set_constant(node: Any, content: np.ndarray) -> None:
    """Make a node a constant, whatever it was."""
    del node.input[:]
    node.attr.clear()
    node.op = "Const"
    dtype = tf.as_dtype(content.dtype).as_datatype_enum
    node.attr["dtype"].type = dtype
    tensor = node.attr["value"].tensor
    tensor.dtype = dtype
    tensor.tensor_shape.CopyFrom(tf.TensorShape(content.shape).as_proto())
    tensor.tensor_content = np.ascontiguousarray(content).tobytes()
