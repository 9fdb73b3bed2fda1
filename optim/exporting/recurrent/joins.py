"""Operations that only move what recurrent layers return.

In the place of a recurrent layer the converter sees a float operation. So it leaves what moves the
values of one float, a concatenation of several or a reshape, and quantizes the result. Here the
values go on the grid of that before they are moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optim.exporting.recurrent.assembler import Assembler, read_tensor, source
from optim.litert.writer import name_of

__all__ = ["dequantize_later", "quantize_joins"]

_ALL = None

#: Operators whose outputs are values of their inputs -> which inputs have the values.
_VALUES: dict[str, int | None] = {
    **dict.fromkeys(("CONCATENATION", "PACK"), _ALL),
    **dict.fromkeys(
        (
            "BROADCAST_TO",
            "DEPTH_TO_SPACE",
            "EXPAND_DIMS",
            "GATHER",
            "GATHER_ND",
            "MAX_POOL_2D",
            "REDUCE_MAX",
            "REDUCE_MIN",
            "RESHAPE",
            "RESIZE_NEAREST_NEIGHBOR",
            "REVERSE_V2",
            "SLICE",
            "SPACE_TO_DEPTH",
            "SPLIT_V",
            "SQUEEZE",
            "STRIDED_SLICE",
            "TILE",
            "TRANSPOSE",
            "UNPACK",
        ),
        0,
    ),
    "SPLIT": 1,
}


def quantize_joins(file: Any, graph: Any) -> int:
    """Let what moves the values of recurrent layers, and is quantized, work on that grid.

    Args:
        file: from `writer.unpack`.
        graph: one of its subgraphs. Modified in place.

    Returns:
        How many operations were changed.
    """
    count = 0
    for op in reversed(list(graph.operators)):  # of several in a row the last one first
        if name_of(file, op) not in _VALUES or not _moves_layers(file, graph, op):
            continue
        roundings = [_rounded(file, graph, int(number)) for number in op.outputs]
        grids = {read_tensor(graph, int(one.outputs[0])).grid for one in roundings if one}
        if None in roundings or len(grids) != 1 or (grid := grids.pop()) is None:
            continue
        graph.operators[:] = [
            one for one in graph.operators if all(one is not rounding for rounding in roundings)
        ]
        assembler = Assembler(file, graph, _place(graph, op))
        inputs = list(map(int, op.inputs))
        for place in _values(file, op):
            inputs[place] = assembler.quantize(source(file, graph, inputs[place]), grid).number
        op.inputs = inputs
        op.outputs = [int(rounding.outputs[0]) for rounding in roundings]
        count += 1
    return count


def dequantize_later(file: Any, graph: Any) -> int:
    """Let what moves quantized values on the way to a recurrent layer move them as integers.

    A table that is looked up more than once is made float for all of them.

    Args:
        file: from `writer.unpack`.
        graph: one of its subgraphs. Modified in place.

    Returns:
        How many operations were changed.
    """
    count = 0
    for op in list(graph.operators):
        place = _VALUES.get(name_of(file, op), _ALL)
        if place is _ALL or len(op.outputs) != 1 or not _leads_to_layers(file, graph, op):
            continue
        inputs = list(map(int, op.inputs))
        before = source(file, graph, inputs[place])
        after = read_tensor(graph, int(op.outputs[0]))
        if before.grid is None or before.number == inputs[place] or after.dtype != "float32":
            continue
        inputs[place] = before.number
        assembler = Assembler(file, graph, _place(graph, op) + 1)
        moved = assembler.tensor(after.shape, before.grid)
        op.inputs, op.outputs = inputs, [moved.number]
        assembler.add("DEQUANTIZE", [moved], [after], "DequantizeOptions")
        count += 1
    return count


def _leads_to_layers(file: Any, graph: Any, op: Any) -> bool:
    """Whether an operation that stands for a recurrent layer takes what this one moves."""
    open_ = [op]
    while open_:
        made = set(map(int, open_.pop().outputs))
        for user in graph.operators:
            if not made & set(map(int, user.inputs)):
                continue
            if file.operatorCodes[user.opcodeIndex].customCode:
                return True
            if name_of(file, user) in _VALUES:
                open_.append(user)
    return False


def _values(file: Any, op: Any) -> Sequence[int]:
    """The places of the inputs that an operation moves."""
    place = _VALUES[name_of(file, op)]
    return range(len(op.inputs)) if place is _ALL else [place]


def _place(graph: Any, op: Any) -> int:
    return next(i for i, one in enumerate(graph.operators) if one is op)


def _moves_layers(file: Any, graph: Any, op: Any) -> bool:
    """Whether any of the values comes from an operation that stands for a recurrent layer."""
    made_by = {int(number): one for one in graph.operators for number in one.outputs}
    open_ = [op]
    while open_:
        mover = open_.pop()
        for place in _values(file, mover):
            maker = made_by.get(int(mover.inputs[place]))
            if maker is None:
                continue
            if file.operatorCodes[maker.opcodeIndex].customCode:
                return True
            if name_of(file, maker) in _VALUES:
                open_.append(maker)
    return False


def _rounded(file: Any, graph: Any, number: int) -> Any:
    """What quantizes a float tensor, if that is all that takes it."""
    users = [op for op in graph.operators if number in map(int, op.inputs)]
    if len(users) != 1 or number in map(int, graph.outputs):
        return None
    is_float = read_tensor(graph, number).dtype == "float32"
    return users[0] if is_float and name_of(file, users[0]) == "QUANTIZE" else None
