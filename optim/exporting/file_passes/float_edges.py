"""The detours that kept layers float through the converter (`KeepFloat`), taken out again."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim import litert
from optim.litert.writer import name_of

__all__ = ["close"]

_DETOUR = ("BITCAST", "BITWISE_XOR", "BITCAST")


def close(file: Any) -> int:
    """Let what takes the end of a detour take its beginning.

    Args:
        file: from `writer.unpack`. Modified in place.

    Returns:
        How many there were.
    """
    return sum(_close(file, graph) for graph in file.subgraphs)


def _close(file: Any, graph: Any) -> int:
    made_by = {int(number): op for op in graph.operators for number in op.outputs}
    instead: dict[int, int] = {}
    gone: list[Any] = []
    for last in graph.operators:
        steps = _detour(file, graph, last, made_by)
        if steps:
            end, begin = int(last.outputs[0]), int(steps[0].inputs[0])
            if end in map(int, graph.outputs):  # keeps its name
                continue
            instead[end] = instead.get(begin, begin)
            gone += steps
    if not instead:
        return 0
    remaining = [op for op in graph.operators if not any(op is one for one in gone)]
    for op in remaining:
        op.inputs = [instead.get(int(number), int(number)) for number in op.inputs]
    # Several detours can begin alike: what others still take stays.
    graph.operators = remaining
    return len(instead)


def _detour(file: Any, graph: Any, last: Any, made_by: dict[int, Any]) -> list[Any]:
    """The operations of a detour that ends with the given one; empty if it ends none."""
    steps = [last]
    for name in reversed(_DETOUR):
        op = steps[0]
        if op is None or name_of(file, op) != name:
            return []
        if name == "BITWISE_XOR" and not _is_zero(file, graph.tensors[int(op.inputs[1])]):
            return []
        steps.insert(0, made_by.get(int(op.inputs[0])))
    ends = (steps[1].inputs[0], last.outputs[0])
    same = all(litert.dtype_name(graph.tensors[int(one)].type) == "float32" for one in ends)
    return steps[1:] if same else []


def _is_zero(file: Any, tensor: Any) -> bool:
    data = file.buffers[tensor.buffer].data
    return data is not None and len(data) > 0 and not np.any(data)
