"""Concatenations of what recurrent layers return.

In the place of a recurrent layer the converter sees a float operation. So it leaves a concatenation
of several of them float, and quantizes its result. Here its parts are put on the grid of that.
"""

from __future__ import annotations

from typing import Any

from optim.exporting.recurrent.assembler import Assembler, read_tensor
from optim.litert.writer import name_of

__all__ = ["quantize_joins"]


def quantize_joins(file: Any, graph: Any) -> int:
    """Let float concatenations whose result is quantized work on that grid; return how many.

    Args:
        file: from `writer.unpack`.
        graph: one of its subgraphs. Modified in place.
    """
    count = 0
    for join in list(graph.operators):
        if name_of(file, join) != "CONCATENATION":
            continue
        rounding = _rounded(file, graph, int(join.outputs[0]))
        if rounding is None:
            continue
        grid = read_tensor(graph, int(rounding.outputs[0])).grid
        if grid is None:
            continue
        graph.operators[:] = [op for op in graph.operators if op is not rounding]
        place = next(i for i, op in enumerate(graph.operators) if op is join)
        assembler = Assembler(file, graph, place)
        parts = [assembler.quantize(read_tensor(graph, int(n)), grid) for n in join.inputs]
        join.inputs = [part.number for part in parts]
        join.outputs = [int(rounding.outputs[0])]
        count += 1
    return count


def _rounded(file: Any, graph: Any, number: int) -> Any:
    """What quantizes a float tensor, if that is all that takes it."""
    users = [op for op in graph.operators if number in map(int, op.inputs)]
    if len(users) != 1 or number in map(int, graph.outputs):
        return None
    is_float = read_tensor(graph, number).dtype == "float32"
    return users[0] if is_float and name_of(file, users[0]) == "QUANTIZE" else None
