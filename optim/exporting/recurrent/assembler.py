"""Tensors and operations added to a graph of a file, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim.litert.flatbuffer import dtype_name, schema
from optim.litert.writer import name_of
from optim.quantization.recurrent.written import Grid8

#: Versions from which operators take int8, where that is not the first.
_VERSIONS = {
    "FULLY_CONNECTED": 4,
    "CONV_2D": 3,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 3,
    **dict.fromkeys(("ADD", "DEQUANTIZE", "LOGISTIC", "MUL", "SLICE", "SPLIT", "SUB", "TANH"), 2),
}
_ALIKE = 1e-5
_PLACEHOLDER = 127  # what the old field of a code has, where it is too small for the code


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph that is being written.

    Attributes:
        number: in its graph.
        shape: of it.
        grid: of its numbers; None: it is not quantized.
        dtype: of those.
    """

    number: int
    shape: tuple[int, ...]
    grid: Grid8 | None = None
    dtype: str = "float32"


_NOTHING = Tensor(-1, ())


class Assembler:
    """Adds to a graph.

    Args:
        file: from `writer.unpack`.
        graph: one of its subgraphs.
        at: where new operations go; None: behind all others.

    Attributes:
        at: where the next one goes.
    """

    def __init__(self, file: Any, graph: Any, at: int | None = None) -> None:
        self.file = file
        self.graph = graph
        self.at = len(graph.operators) if at is None else at
        self._constants: dict[tuple[Any, ...], Tensor] = {}

    def tensor(
        self,
        shape: Sequence[int],
        grid: Grid8 | None = None,
        dtype: str = "",
        *,
        name: str = "",
        variable: bool = False,
    ) -> Tensor:
        """Add a tensor that an operation makes."""
        s = schema()
        made = s.TensorT()
        made.shape = [int(n) for n in shape]
        dtype = dtype or ("int8" if grid is None or grid.bits == 8 else "int16")
        made.type = _code(dtype)
        made.name = name.encode()
        made.buffer = 0
        made.isVariable = variable
        if grid is not None:
            made.quantization = _quantization([grid.scale], [grid.zero], 0)
        self.graph.tensors.append(made)
        return Tensor(len(self.graph.tensors) - 1, tuple(made.shape), grid, dtype)

    def like(self, one: Tensor, shape: Sequence[int] | None = None, name: str = "") -> Tensor:
        """Add a tensor of the type and the grid of one, perhaps of another graph."""
        known = one.dtype if one.grid is None else ""
        return self.tensor(one.shape if shape is None else shape, one.grid, known, name=name)

    def constant(
        self, values: np.ndarray, grid: Grid8 | None = None, steps: Any = None, axis: int = 0
    ) -> Tensor:
        """Add a constant.

        Args:
            values: its numbers, as they are to be in the file.
            grid: what they stand for.
            steps: in the place of that: of each element along `axis`, all with the zero 0.
        """
        values = np.asarray(values, order="C")
        key = (values.dtype.str, values.shape, values.tobytes(), grid, steps is None)
        if steps is None and key in self._constants:
            return self._constants[key]
        made = self.tensor(values.shape, grid, values.dtype.name)
        tensor = self.graph.tensors[made.number]
        if steps is not None:
            tensor.quantization = _quantization(steps, np.zeros(len(steps)), axis)
        buffer = schema().BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.file.buffers.append(buffer)
        tensor.buffer = len(self.file.buffers) - 1
        if steps is None:
            self._constants[key] = made
        return made

    def integers(self, values: Any) -> Tensor:
        """Add int32 numbers: a shape, an axis, a position."""
        return self.constant(np.asarray(values, np.int32))

    def add(
        self,
        name: str,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
        options: str = "",
        intermediates: Sequence[Tensor] = (),
        **values: Any,
    ) -> Tensor:
        """Add an operation; return its first output, if it has any.

        Args:
            name: of the operator.
            inputs, outputs, intermediates: tensors; None for an input that is left out.
            options: class of its options, without which it has none.
            values: of the options.
        """
        s = schema()
        made = s.OperatorT()
        made.opcodeIndex = self._opcode(name)
        made.inputs = [-1 if one is None else one.number for one in inputs]
        made.outputs = [one.number for one in outputs]
        if intermediates:
            made.intermediates = [one.number for one in intermediates]
        if options:
            made.builtinOptions = getattr(s, f"{options}T")()
            made.builtinOptionsType = getattr(s.BuiltinOptions, options)
            for key, value in values.items():
                setattr(made.builtinOptions, key, value)
        self.graph.operators.insert(self.at, made)
        self.at += 1
        return outputs[0] if outputs else _NOTHING

    def _opcode(self, name: str) -> int:
        s = schema()
        code = getattr(s.BuiltinOperator, name)
        wanted = _VERSIONS.get(name, 1)
        for number, known in enumerate(self.file.operatorCodes):
            if max(int(known.builtinCode), int(known.deprecatedBuiltinCode)) == code:
                known.version = max(known.version, wanted)
                return number
        made = s.OperatorCodeT()
        made.builtinCode, made.deprecatedBuiltinCode = code, min(code, _PLACEHOLDER)
        made.version = wanted
        self.file.operatorCodes.append(made)
        return len(self.file.operatorCodes) - 1

    # -- operations that every form has -------------------------------------------------------

    def reshape(self, x: Tensor, shape: Sequence[int], into: Tensor | None = None) -> Tensor:
        """`x` in another shape; as it is, if it has that and need not be `into` a given one."""
        if into is None and tuple(shape) == x.shape:
            return x
        into = self.like(x, shape) if into is None else into
        sizes = np.asarray(shape, np.int32)
        return self.add(
            "RESHAPE", [x, self.integers(sizes)], [into], "ReshapeOptions", newShape=sizes
        )

    def transpose(self, x: Tensor, order: Sequence[int]) -> Tensor:
        shape = [x.shape[axis] for axis in order]
        made = self.like(x, shape)
        return self.add("TRANSPOSE", [x, self.integers(order)], [made], "TransposeOptions")

    def quantize(self, x: Tensor, grid: Grid8) -> Tensor:
        """The same values on another grid; `x` itself, if it is on that."""
        if x.grid == grid:
            return x
        return self.add("QUANTIZE", [x], [self.tensor(x.shape, grid)], "QuantizeOptions")

    def hand_over(self, x: Tensor, into: Tensor) -> None:
        """Make `into`, a tensor that is there already, of `x`, with its shape, type and grid."""
        if into.grid is None:
            self.add("DEQUANTIZE", [self.reshape(x, into.shape)], [into], "DequantizeOptions")
        elif _same(into.grid, x.grid):
            self.reshape(x, into.shape, into)
        else:
            self.add("QUANTIZE", [self.reshape(x, into.shape)], [into], "QuantizeOptions")


def _same(one: Grid8, other: Grid8 | None) -> bool:
    """Whether two grids are one, but for how their scale was rounded."""
    if other is None or (one.zero, one.bits) != (other.zero, other.bits):
        return False
    return abs(one.scale - other.scale) <= _ALIKE * one.scale


def _code(dtype: str) -> int:
    s = schema()
    return int(getattr(s.TensorType, dtype.upper()))


def _quantization(scale: Any, zero: Any, axis: int) -> Any:
    made = schema().QuantizationParametersT()
    made.scale = np.asarray(scale, np.float32)
    made.zeroPoint = np.asarray(zero, np.int64)
    made.quantizedDimension = axis
    return made


def read_tensor(graph: Any, number: int) -> Tensor:
    """Return a tensor of a graph that is there already; per tensor quantized, or float."""
    tensor = graph.tensors[number]
    shape = tuple(int(n) for n in tensor.shape) if tensor.shape is not None else ()
    dtype = dtype_name(tensor.type)
    quantization = tensor.quantization
    if dtype not in ("int8", "int16") or quantization is None or quantization.scale is None:
        return Tensor(number, shape, None, dtype)
    bits = 8 if dtype == "int8" else 16
    grid = Grid8(float(quantization.scale[0]), int(quantization.zeroPoint[0]), bits)
    return Tensor(number, shape, grid, dtype)


def source(file: Any, graph: Any, number: int) -> Tensor:
    """Return what a tensor is before it was made float; the tensor itself, if it was not."""
    for op in graph.operators:
        if number in map(int, op.outputs) and name_of(file, op) == "DEQUANTIZE":
            return read_tensor(graph, int(op.inputs[0]))
    return read_tensor(graph, number)
