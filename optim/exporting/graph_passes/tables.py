"""Tables that are looked up in, and used in arithmetic besides: kept apart for the converter.

It makes one constant of two that are equal, and then quantizes neither for what looks up in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim.exporting.graph_passes.constants import producer, set_constant, value

__all__ = ["keep_apart"]


def keep_apart(graph_def: Any) -> None:
    """Widen the range of a table by the least that there is, so that it equals no other constant.

    Both become the same integers, which the file has once.

    Args:
        graph_def: frozen. Modified in place.
    """
    nodes = {node.name: node for node in graph_def.node}
    quantized = [node for node in graph_def.node if node.op == "FakeQuantWithMinMaxVars"]
    tables = {producer(node.input[0]) for node in graph_def.node if node.op == "GatherV2"}
    for node in quantized:
        if node.name not in tables:
            continue
        taken = value(nodes, producer(node.input[0]))
        ends = [producer(edge) for edge in node.input[1:3]]
        if taken is None or not any(_equal(nodes, taken, one) for one in quantized if one != node):
            continue
        for name, way in zip(ends, (-np.inf, np.inf), strict=True):
            end = value(nodes, name)
            if end is not None:
                set_constant(nodes[name], np.nextafter(end, np.float32(way)))


def _equal(nodes: Any, taken: np.ndarray, other: Any) -> bool:
    content = value(nodes, producer(other.input[0]))
    return content is not None and np.array_equal(content, taken)
