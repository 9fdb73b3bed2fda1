"""Operations whose inputs have one scale with their output: a concatenation, a maximum.

Where one of the inputs has a scale of its own, such as that which LiteRT prescribes for a softmax,
the converter gives it to the others and to the output, which clips them, and goes over to the
planned scale behind the operation. All of these operations pick values, so the planned scale can as
well be that of the inputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim.exporting.recurrent.assembler import Assembler, Tensor, read_tensor
from optim.litert.writer import name_of
from optim.quantization.recurrent.written import Grid8

__all__ = ["round_again", "take_outputs"]

#: Operation -> the first of the inputs that it picks values of.
_PICKING = {
    **dict.fromkeys(("CONCATENATION", "MAXIMUM", "MINIMUM", "PACK"), 0),
    **dict.fromkeys(("SELECT", "SELECT_V2"), 1),
}

#: LiteRT prescribes the scale of their outputs.
_PRESCRIBED = {"L2_NORMALIZATION", "LOGISTIC", "LOG_SOFTMAX", "SOFTMAX", "TANH"}

#: The values of their output are those of their first input, and so is the scale.
_MOVING = {
    "BATCH_TO_SPACE_ND", "BROADCAST_TO", "DEPTH_TO_SPACE", "EXPAND_DIMS", "MAX_POOL_2D",
    "MIRROR_PAD", "PAD", "REDUCE_MAX", "REDUCE_MIN", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR",
    "REVERSE_V2", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SQUEEZE", "STRIDED_SLICE",
    "TILE", "TRANSPOSE",
}  # fmt: skip

#: Their output has the scale of inputs that it does not have all the values of, or several outputs
#: have one.
_BOUND = {
    *_PICKING, "AVERAGE_POOL_2D", "GATHER", "GATHER_ND", "IF", "PADV2", "RESIZE_BILINEAR", "SPLIT",
    "SPLIT_V", "UNPACK", "WHILE",
}  # fmt: skip


def round_again(file: Any) -> int:
    """Go from one scale to another in one step, where it was by way of floats.

    Args:
        file: from `writer.unpack`. Modified in place.

    Returns:
        How many operations were changed.
    """
    count = 0
    for graph in file.subgraphs:
        floated = {
            int(op.outputs[0]): int(op.inputs[0])
            for op in graph.operators
            if name_of(file, op) == "DEQUANTIZE"
        }
        for op in graph.operators:
            if name_of(file, op) == "QUANTIZE" and int(op.inputs[0]) in floated:
                op.inputs = [floated[int(op.inputs[0])]]
                count += 1
        taken = {number for op in graph.operators for number in _numbers(op.inputs)}
        taken.update(_numbers(graph.outputs))
        graph.operators = [
            op
            for op in graph.operators
            if name_of(file, op) != "DEQUANTIZE" or int(op.outputs[0]) in taken
        ]
    return count


def take_outputs(file: Any) -> int:
    """Give inputs the scale of the output, where the converter did it the other way round.

    Args:
        file: from `writer.unpack`. Modified in place.

    Returns:
        How many operations were changed.
    """
    return sum(_Graph(file, graph).run() for graph in file.subgraphs)


class _Graph:
    """A subgraph, with what makes and what takes each tensor."""

    def __init__(self, file: Any, graph: Any) -> None:
        self.file = file
        self.graph = graph
        self.made_by: dict[int, Any] = {}
        self.taken_by: dict[int, list[Any]] = {}
        for op in graph.operators:
            self._note(op)
        self.ends = set(_numbers(graph.outputs))

    def _note(self, op: Any) -> None:
        self.made_by.update((number, op) for number in _numbers(op.outputs))
        for number in set(_numbers(op.inputs)):
            self.taken_by.setdefault(number, []).append(op)

    def run(self) -> int:
        count = 0
        for op in reversed(list(self.graph.operators)):  # of several in a row the last one first
            rounding = self._rounding(op) if name_of(self.file, op) in _PICKING else None
            if rounding is None:
                continue
            wanted = read_tensor(self.graph, int(rounding.outputs[0]))
            self.graph.operators = [one for one in self.graph.operators if one is not rounding]
            op.outputs = [wanted.number]
            self.made_by[wanted.number] = op
            assert wanted.grid is not None
            first = _PICKING[name_of(self.file, op)]
            moved: dict[int, int] = {}
            for number in map(int, op.inputs[first:]):
                if number not in moved:
                    moved[number] = self._on_grid(number, wanted.grid, op)
            op.inputs = [*map(int, op.inputs[:first]), *(moved[int(n)] for n in op.inputs[first:])]
            count += 1
        return count

    def _rounding(self, op: Any) -> Any:
        """What goes over to another scale behind an operation, if that is all that takes it."""
        number = int(op.outputs[0])
        takers = self.taken_by.get(number, [])
        if len(takers) != 1 or number in self.ends or name_of(self.file, takers[0]) != "QUANTIZE":
            return None
        ends = (number, int(takers[0].outputs[0]))
        grids = [read_tensor(self.graph, one).grid for one in ends]
        if any(grid is None or grid.bits != 8 for grid in grids):
            return None
        return takers[0]

    def _on_grid(self, number: int, grid: Grid8, taker: Any) -> int:
        """The tensor, or another in its place, with the same values on a grid."""
        tensor = read_tensor(self.graph, number)
        if tensor.grid is None or tensor.grid == grid:
            return number
        data = self.file.buffers[self.graph.tensors[number].buffer].data
        if data is not None and len(data):
            return self._constant(tensor, data, grid)
        chain = self._free(number, taker)
        if chain is None:
            assembler = Assembler(self.file, self.graph, self._place(taker))
            made = assembler.quantize(tensor, grid)
            self._note(self.graph.operators[assembler.at - 1])
            return made.number
        for one in chain:
            quantization = self.graph.tensors[one].quantization
            quantization.scale = np.asarray([grid.scale], np.float32)
            quantization.zeroPoint = np.asarray([grid.zero], np.int64)
        return number

    def _free(self, number: int, taker: Any) -> list[int] | None:
        """The tensors from what makes the values to what takes them, if they may have any scale.

        None if one of them is taken elsewhere, too, or has a scale for another reason.
        """
        chain: list[int] = []
        while True:
            if number in self.ends or self.taken_by.get(number) != [taker]:
                return None
            taker = self.made_by.get(number)
            name = "" if taker is None else name_of(self.file, taker)
            if not name or name in _PRESCRIBED or name in _BOUND:
                return None
            if read_tensor(self.graph, number).grid is None:
                return None
            chain.append(number)
            if name not in _MOVING:
                return chain
            number = int(taker.inputs[0])

    def _constant(self, tensor: Tensor, data: Any, grid: Grid8) -> int:
        assert tensor.grid is not None
        stored = np.asarray(data, np.uint8).view(np.int8).astype(np.float64).reshape(tensor.shape)
        values = (stored - tensor.grid.zero) * tensor.grid.scale
        numbers = np.clip(np.round(values / grid.scale) + grid.zero, -128, 127).astype(np.int8)
        return Assembler(self.file, self.graph).constant(numbers, grid).number

    def _place(self, op: Any) -> int:
        return next(i for i, one in enumerate(self.graph.operators) if one is op)


def _numbers(vector: Any) -> list[int]:
    return [] if vector is None else list(map(int, vector))
