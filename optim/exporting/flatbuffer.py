"""The file as objects that can be changed, and back."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np

from optim import litert

_ALIGNMENT = 16  # bytes


def unpack(content: bytes) -> Any:
    """Return the objects (`schema.ModelT`) of a file."""
    return litert.schema().ModelT.InitFromPackedBuf(content)


def replace_data(model: Any, tensor: Any, values: np.ndarray) -> None:
    """Give a tensor other data; in a new buffer, as other tensors may have the same data."""
    buffer = litert.schema().BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1


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
    return bytes(builder.Output())


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
            self.Bytes[self.head : self.head + x.size] = x.tobytes()
            return int(self.EndVector())

    return Builder
