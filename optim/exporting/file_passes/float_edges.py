"""The detours that kept layers float through the converter (`KeepFloat`), taken out again."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim import litert
from optim.litert.writer import name_of

__all__ = ["close"]

_ENDS, _MIDDLE = "BITCAST", "BITWISE_XOR"


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
    steps: list[Any] = []
    for last in graph.operators:
        detour = _detour(file, graph, last, made_by)
        steps += detour
        if detour and int(last.outputs[0]) not in map(int, graph.outputs):  # these keep their names
            begin = int(detour[0].inputs[0])
            instead[int(last.outputs[0])] = instead.get(begin, begin)
    if not instead:
        return 0
    for op in graph.operators:
        op.inputs = [instead.get(int(number), int(number)) for number in op.inputs]
    _drop_unused(graph, steps)
    return len(instead)


def _drop_unused(graph: Any, steps: list[Any]) -> None:
    """Take out steps of detours that nothing takes; several detours can have some in common."""
    while True:
        used = {int(number) for op in graph.operators for number in op.inputs}
        used.update(map(int, graph.outputs))
        remaining = [
            op
            for op in graph.operators
            if any(int(number) in used for number in op.outputs)
            or not any(op is step for step in steps)
        ]
        if len(remaining) == len(graph.operators):
            return
        graph.operators = remaining


def _detour(file: Any, graph: Any, last: Any, made_by: dict[int, Any]) -> list[Any]:
    """The operations of a detour that ends with the given one; empty if it ends none.

    Of two, one behind the other, the converter makes one of two steps in the middle.
    """
    if name_of(file, last) != _ENDS:
        return []
    steps = [last]
    while (op := made_by.get(int(steps[0].inputs[0]))) is not None:
        steps.insert(0, op)
        if name_of(file, op) != _MIDDLE or not _is_zero(file, graph.tensors[int(op.inputs[1])]):
            break
    if len(steps) < 3 or name_of(file, steps[0]) != _ENDS:
        return []
    ends = (steps[0].inputs[0], last.outputs[0])
    same = all(litert.dtype_name(graph.tensors[int(one)].type) == "float32" for one in ends)
    return steps if same else []


def _is_zero(file: Any, tensor: Any) -> bool:
    data = file.buffers[tensor.buffer].data
    return data is not None and len(data) > 0 and not np.any(data)
