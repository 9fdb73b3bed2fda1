"""Dilated convolutions that TensorFlow writes as a plain one on every n-th position.

It moves the positions to the batch, convolves, and moves them back. The converter makes one
dilated convolution of the three, but not where two convolutions take one input: they share the
first move in its graph, and both of them stay float. Here each becomes one operation before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import tf
from optim.exporting.graph_passes import constants

__all__ = ["fold"]

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")


def fold(graph: Any, graph_def: Any) -> int:
    """Give convolutions between a SpaceToBatchND and a BatchToSpaceND their dilation rates.

    Where sizes are open, the moves are computed at run time, and stay.

    Args:
        graph: the graph it was traced in, for the shapes.
        graph_def: the same without variables. Modified in place.

    Returns:
        How many were folded.
    """
    nodes = {node.name: node for node in graph_def.node}
    replaced: dict[str, str] = {}
    for back in list(graph_def.node):
        if back.op == "BatchToSpaceND":
            result = _folded(graph, graph_def, nodes, back)
            if result is not None:
                replaced[back.name] = result
    if not replaced:
        return 0
    for node in graph_def.node:
        for place, edge in enumerate(node.input):
            if constants.producer(edge) in replaced and not edge.startswith("^"):
                node.input[place] = replaced[constants.producer(edge)]
    _drop(graph_def, replaced)
    return len(replaced)


def _folded(graph: Any, graph_def: Any, nodes: dict[str, Any], back: Any) -> str | None:
    """Fold the convolution before a move back; return the name of what takes its place."""
    end = convolution = nodes[constants.producer(back.input[0])]
    if end.op == "Squeeze":
        convolution = nodes[constants.producer(end.input[0])]
    if convolution.op not in _CONVOLUTIONS or not _is_plain(convolution):
        return None
    first, there = convolution, nodes[constants.producer(convolution.input[0])]
    if there.op == "ExpandDims":
        first, there = there, nodes[constants.producer(there.input[0])]
    if there.op != "SpaceToBatchND" or (first is convolution) != (end is convolution):
        return None
    edges = (*there.input[1:], *back.input[1:])
    block, padding, again, crops = (constants.value(nodes, constants.producer(x)) for x in edges)
    if block is None or padding is None or again is None or crops is None:
        return None
    padding = padding - crops
    if not np.array_equal(block, again) or crops[:, 0].any() or (padding < 0).any():
        return None
    sizes = _kernel_size(graph, convolution.input[1])
    if sizes is None:
        return None
    rates = [1] * (2 - len(block)) + block.tolist()
    reach = [(size - 1) * rate for size, rate in zip(sizes, rates, strict=True)]
    same = [[0, 0]] * (2 - len(block)) + padding.tolist() == [[n // 2, n - n // 2] for n in reach]
    first.input[0] = there.input[0]
    if padding.any() and same:
        convolution.attr["padding"].s = b"SAME"
    elif padding.any():
        first.input[0] = _padded(graph_def, f"{convolution.name}/pad", there, padding)
    convolution.attr["dilations"].list.i[:] = [1, *rates, 1]
    return str(end.name)


def _kernel_size(graph: Any, edge: str) -> list[int] | None:
    """Height and width of a kernel; None if the graph that was traced does not have it.

    Of what TensorFlow froze it does not know the constants that were computed by that.
    """
    try:
        tensor = graph.get_tensor_by_name(edge if ":" in edge else f"{edge}:0")
    except KeyError:
        return None
    sizes = tensor.shape[:2].as_list()
    return None if None in sizes else sizes


def _is_plain(convolution: Any) -> bool:
    attributes = convolution.attr
    return (
        attributes["padding"].s == b"VALID"
        and attributes["data_format"].s in (b"NHWC", b"")
        and set(attributes["strides"].list.i) == {1}
        and set(attributes["dilations"].list.i) <= {1}
    )


def _padded(graph_def: Any, name: str, there: Any, padding: np.ndarray) -> str:
    """Add the padding that a move to the batch came with."""
    amounts = graph_def.node.add(name=f"{name}/amounts")
    constants.set_constant(amounts, np.asarray([[0, 0], *padding, [0, 0]], np.int32))
    pad = graph_def.node.add(name=name, op="Pad", input=[there.input[0], amounts.name])
    pad.attr["T"].CopyFrom(there.attr["T"])
    pad.attr["Tpaddings"].type = tf.int32.as_datatype_enum
    return name


def _drop(graph_def: Any, replaced: dict[str, str]) -> None:
    """Take out the moves that nothing takes any more."""
    for moves in (replaced, {node.name for node in graph_def.node if node.op == "SpaceToBatchND"}):
        used = {constants.producer(edge) for node in graph_def.node for edge in node.input}
        for place in reversed(range(len(graph_def.node))):
            name = graph_def.node[place].name
            if name in moves and name not in used:
                del graph_def.node[place]
