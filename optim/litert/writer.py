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
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(memoryview(builder.Bytes)[builder.Head() :])


@cache
def _builder_class() -> Any:
    """A builder that writes equal vectors once, and weights where the runtime can map them.

    Per-channel quantization has a zero point of 8 bytes per channel, always 0, for each
    kernel and each bias: a tenth of a small file.
    """
    flatbuffers: Any = importlib.import_module("flatbuffers")

    class Builder(flatbuffers.Builder):  # type: ignore[misc]  # a class found at run time
        def __init__(self, size: int) -> None:
            super().__init__(size)
            self._written: dict[tuple[str, bytes], int] = {}

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
