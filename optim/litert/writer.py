"""The file as objects that can be changed, and back."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np

from optim.litert import flatbuffer

_ALIGNMENT = 16  # bytes
_HEAD = 1 << 12  # bytes of a constant that tell most from each other


def unpack(content: bytes) -> Any:
    """Return the objects (`schema.ModelT`) of a file.

    An operation without inputs, or without outputs, such as one that assigns a variable, has empty
    lists of them.
    """
    model = flatbuffer.schema().ModelT.InitFromPackedBuf(content)
    for graph in model.subgraphs:
        for operation in graph.operators or ():
            for ends in ("inputs", "outputs"):
                if getattr(operation, ends) is None:
                    setattr(operation, ends, np.empty(0, np.int32))
    return model


def name_of(model: Any, operation: Any) -> str:
    """Return the name of the operator of an operation."""
    code = model.operatorCodes[operation.opcodeIndex]
    # Old files have the number in a field of one byte.
    return flatbuffer.operator_name(max(int(code.builtinCode), int(code.deprecatedBuiltinCode)))


def replace_data(model: Any, tensor: Any, values: np.ndarray) -> None:
    """Give a tensor other data; in a new buffer, as other tensors may have the same data."""
    buffer = flatbuffer.schema().BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1


def share_equal(model: Any) -> int:
    """Let constants of equal content have one buffer; return how many gave up theirs.

    As TensorFlow does in a pass of its own, for which it reads, digests and writes the file anew.
    """
    kept: dict[tuple[int, bytes], list[int]] = {}
    shared: dict[int, int] = {}
    for number in sorted(_read_only(model)):
        data = model.buffers[number].data
        if data is None or not len(data):
            continue
        data = np.asarray(data, np.uint8)
        others = kept.setdefault((len(data), data[:_HEAD].tobytes()), [])
        same = (one for one in others if np.array_equal(model.buffers[one].data, data))
        first = next(same, None)
        if first is None:
            others.append(number)
        else:
            shared[number] = first
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = shared.get(tensor.buffer, tensor.buffer)
    drop_unused(model)
    return len(shared)


def _read_only(model: Any) -> set[int]:
    """The buffers of what operations take and nothing writes: no variable, input or output."""
    found: set[int] = set()
    for graph in model.subgraphs:
        taken: set[int] = set()
        made = set(_numbers(graph.inputs)) | set(_numbers(graph.outputs))
        for operator in graph.operators:
            mutated = _numbers(operator.mutatingVariableInputs)
            for place, tensor in enumerate(_numbers(operator.inputs)):
                if tensor >= 0 and not (place < len(mutated) and mutated[place]):
                    taken.add(tensor)
            made.update(_numbers(operator.outputs), _numbers(operator.intermediates))
        found |= {
            graph.tensors[one].buffer for one in taken - made if not graph.tensors[one].isVariable
        }
    return found


def _numbers(vector: Any) -> list[int]:
    return [] if vector is None else [int(one) for one in vector]


def drop_unused(model: Any) -> None:
    """Empty the buffers that nobody has any more; their numbers stay."""
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or ()}
    for number, buffer in enumerate(model.buffers):
        if number not in used:
            buffer.data = None


def pack(model: Any) -> bytes:
    """Return the content of a file."""
    size = sum(len(b.data) for b in model.buffers if b.data is not None)
    builder = _builder_class()(size + (1 << 20))
    buffers, tensors = model.buffers, [one for graph in model.subgraphs for one in graph.tensors]
    grids = [one.quantization for one in tensors]
    _as_arrays(model)
    try:
        model.buffers = [_Once(one, _empty(one)) for one in buffers]
        for tensor, grid in zip(tensors, grids, strict=True):
            tensor.quantization = None if grid is None else _Once(grid, _grid_key(grid))
        builder.Finish(model.Pack(builder), b"TFL3")
    finally:
        model.buffers = buffers
        for tensor, grid in zip(tensors, grids, strict=True):
            tensor.quantization = grid
    return bytes(memoryview(builder.Bytes)[builder.Head() :])


class _Once:
    """A table that is written once for all that have an equal one.

    Args:
        table: an object of the schema.
        key: equal for equal tables; None: it is written for itself.
    """

    def __init__(self, table: Any, key: tuple[Any, ...] | None) -> None:
        self.table = table
        self.key = key

    def Pack(self, builder: Any) -> int:  # the name is that of the schema's classes
        if self.key is None:
            return int(self.table.Pack(builder))
        if self.key not in builder.tables:
            builder.tables[self.key] = self.table.Pack(builder)
        return int(builder.tables[self.key])


def _empty(buffer: Any) -> tuple[Any, ...] | None:
    """The key of a buffer without data, of which the converter writes one for each tensor."""
    plain = (buffer.data is None or not len(buffer.data)) and not (buffer.offset or buffer.size)
    return ("buffer", buffer.data is None) if plain else None


def _grid_key(grid: Any) -> tuple[Any, ...] | None:
    if grid.details is not None:
        return None
    ends = (grid.min, grid.max, grid.scale, grid.zeroPoint)
    parts = [None if one is None else np.asarray(one, np.float64).tobytes() for one in ends]
    return ("grid", *parts, grid.quantizedDimension)


def _as_arrays(model: Any) -> None:
    """Make arrays of lists of numbers: `Builder` writes equal arrays once."""
    for graph in model.subgraphs:
        for tables, names in (
            ([graph], ("inputs", "outputs")),
            (graph.tensors, ("shape", "shapeSignature")),
            (graph.operators or (), ("inputs", "outputs", "intermediates")),
        ):
            for table in tables:
                for name in names:
                    found = getattr(table, name)
                    if found is not None:
                        setattr(table, name, np.asarray(found, np.int32))


@cache
def _builder_class() -> Any:
    """A builder that writes equal vectors and names once, weights where the runtime can map them.

    Per-channel quantization has a zero point of 8 bytes per channel, always 0, for each
    kernel and each bias: a tenth of a small file.
    """
    flatbuffers: Any = importlib.import_module("flatbuffers")

    class Builder(flatbuffers.Builder):  # type: ignore[misc]  # a class found at run time
        def __init__(self, size: int) -> None:
            super().__init__(size)
            self._written: dict[tuple[str, bytes], int] = {}
            self.tables: dict[tuple[Any, ...], int] = {}

        def CreateString(self, s: Any, *args: Any, **kwargs: Any) -> int:
            key = ("str", s if isinstance(s, bytes) else s.encode())
            if key not in self._written:
                self._written[key] = super().CreateString(s, *args, **kwargs)
            return self._written[key]

        def CreateNumpyVector(self, x: Any) -> int:  # the name is that of the base class
            if x.dtype == np.uint8:  # the schema aligns the data of buffers; Python does not
                return self._aligned(x)
            key = (x.dtype.str, x.tobytes())
            if key not in self._written:
                self._written[key] = super().CreateNumpyVector(x)
            return self._written[key]

        def _aligned(self, x: Any) -> int:
            self.StartVector(1, x.size, _ALIGNMENT)
            self.head -= x.size
            # Straight into its place: a slice of a bytearray would copy it twice before.
            values = np.ascontiguousarray(x).data
            memoryview(self.Bytes)[self.head : self.head + x.size] = values
            return int(self.EndVector())

    return Builder
