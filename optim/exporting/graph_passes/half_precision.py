"""Half precision made whole: LiteRT computes in float32, and lacks kernels for anything less.

Layers of a mixed policy are told to compute in float32 as they are traced. What is left are
casts, and operations behind them, that a function or a layer of the model asks for by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import tf
from optim.exporting.graph_passes.constants import producer, set_constant

__all__ = ["widen"]

_HALF = {tf.float16.as_datatype_enum, tf.bfloat16.as_datatype_enum}
_WHOLE = tf.float32.as_datatype_enum
_INPUT, _READ = "Placeholder", ("VarHandleOp", "ReadVariableOp", "AssignVariableOp", "Bitcast")


def widen(graph_def: Any) -> None:
    """Let a graph compute in float32 where it does in half precision.

    Inputs and outputs keep their types, with casts behind and before them. A graph that holds
    numbers of half precision from call to call, or looks at their bits, is left alone.

    Args:
        graph_def: frozen. Modified in place.
    """
    bodies = [graph_def.node, *(body.node_def for body in graph_def.library.function)]
    half = [node for nodes in bodies for node in nodes if _is_half(node)]
    if not half or any(node.op in _READ for node in half):
        return
    taken = {producer(edge) for node in graph_def.node for edge in node.input}
    inputs = [node for node in graph_def.node if node.op == _INPUT and _is_half(node)]
    outputs = [
        node
        for node in graph_def.node
        if node.op == "Identity" and node.name not in taken and _is_half(node)
    ]
    ends = {node.name for node in (*inputs, *outputs)}
    for place, nodes in enumerate(bodies):
        for node in nodes:
            if place or node.name not in ends:
                _widen(node)
    for node in inputs:
        _cast_behind(graph_def, node)
    for node in outputs:
        _cast_before(graph_def, node)
    for body in graph_def.library.function:
        for argument in (*body.signature.input_arg, *body.signature.output_arg):
            if argument.type in _HALF:
                argument.type = _WHOLE


def _is_half(node: Any) -> bool:
    return any(value.type in _HALF or _HALF & set(value.list.type) for value in node.attr.values())


def _cast_behind(graph_def: Any, node: Any) -> None:
    name = f"{node.name}/whole"
    for other in graph_def.node:
        for place, edge in enumerate(other.input):
            if not edge.startswith("^") and producer(edge) == node.name:
                other.input[place] = name
    _add_cast(graph_def, name, node.name, node.attr["dtype"].type, _WHOLE)


def _cast_before(graph_def: Any, node: Any) -> None:
    name = f"{node.name}/half"
    _add_cast(graph_def, name, node.input[0], _WHOLE, node.attr["T"].type)
    node.input[0] = name


def _add_cast(graph_def: Any, name: str, taken: str, before: int, after: int) -> None:
    made = graph_def.node.add(name=name, op="Cast")
    made.input.append(taken)
    made.attr["SrcT"].type = before
    made.attr["DstT"].type = after


def _widen(node: Any) -> None:
    if not _is_half(node):
        return
    if node.op == "Const":
        set_constant(node, tf.make_ndarray(node.attr["value"].tensor).astype(np.float32))
        return
    for value in node.attr.values():
        if value.type in _HALF:
            value.type = _WHOLE
        for place, one in enumerate(value.list.type):
            if one in _HALF:
                value.list.type[place] = _WHOLE
    if node.op == "Cast" and node.attr["SrcT"].type == node.attr["DstT"].type:
        node.op = "Identity"
        dtype = node.attr["DstT"].type
        node.attr.clear()
        node.attr["T"].type = dtype
