"""Tables that are looked up in twice, or used in arithmetic besides: kept apart for the converter.

It makes one constant of two that are equal, and then quantizes neither for what looks up in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim.exporting.graph_passes.constants import producer, set_constant, value

__all__ = ["keep_apart"]


def keep_apart(graph_def: Any) -> None:
    """Widen the range of a table by the least that there is, so that it equals no other constant.

    Of several equal ones each is widened by one more of these steps than the one before. All
    become the same integers, which the file has once.

    Args:
        graph_def: frozen. Modified in place.
    """
    nodes = {node.name: node for node in graph_def.node}
    quantized = [node for node in graph_def.node if node.op == "FakeQuantWithMinMaxVars"]
    tables = {producer(node.input[0]) for node in graph_def.node if node.op == "GatherV2"}
    before: list[np.ndarray] = []  # tables that were widened
    for node in quantized:
        if node.name not in tables:
            continue
        taken = value(nodes, producer(node.input[0]))
        if taken is None or not any(_equal(nodes, taken, one) for one in quantized if one != node):
            continue
        before.append(taken)
        steps = sum(np.array_equal(one, taken) for one in before)
        for place, way in ((1, -np.inf), (2, np.inf)):
            end = value(nodes, producer(node.input[place]))
            if end is None:
                continue
            for _ in range(steps):
                end = np.nextafter(end, np.float32(way))
            own = graph_def.node.add()  # equal tables may share their ends
            own.name = f"{node.name}/end_{place}"
            set_constant(own, end)
            node.input[place] = own.name


def _equal(nodes: Any, taken: np.ndarray, other: Any) -> bool:
    content = value(nodes, producer(other.input[0]))
    return content is not None and np.array_equal(content, taken)
