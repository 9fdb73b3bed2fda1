"""The kernels of a LiteRT file, read from the flatbuffer without running it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from optim import litert
from optim.litert import operators
from optim.litert.layer_names import layer_of
from optim.sparsity.distinct import count_both, count_unique
from optim.sparsity.measure import KernelSparsity, measure

__all__ = ["kernels"]

_DTYPES = {"float32": "<f4", "float16": "<f2", "float64": "<f8", "int8": "i1", "uint8": "u1",
           "int16": "<i2"}  # fmt: skip


def kernels(
    source: litert.LiteRTFile | bytes | str | os.PathLike[str], m_by_n: tuple[int, int]
) -> Iterator[KernelSparsity]:
    """Yield what is known of each constant kernel, operations in file order, each once.

    Raises:
        ModelFileError: no such file, not a LiteRT model, or a damaged one.
    """
    file = litert.opened(source)
    model = file.root
    with litert.damage_refused():
        for number in range(model.SubgraphsLength()):
            yield from _of_graph(model, model.Subgraphs(number), file.content, m_by_n)


def _of_graph(
    model: Any, graph: Any, content: litert.Content, m_by_n: tuple[int, int]
) -> Iterator[KernelSparsity]:
    origin: dict[int, int] = {}  # tensor -> the constant that it is a float copy of
    seen: set[int] = set()
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        name = _operation(model, operator)
        known = operators.operator(name)
        if name == "DEQUANTIZE":
            origin[operator.Outputs(0)] = operator.Inputs(0)
        for operand, axis in known.kernels.items():
            if operand >= operator.InputsLength() or operator.Inputs(operand) < 0:
                continue
            index = operator.Inputs(operand)
            index = origin.get(index, index)
            tensor = graph.Tensors(index)
            data = _data(model, tensor, content)
            if index in seen or data is None or tensor.ShapeLength() < 2:
                continue
            seen.add(index)
            kernel = name.lower() if operand < 2 else f"{name.lower()} {operand}"
            layer = _layer(graph.Tensors(operator.Outputs(0)), tensor)
            yield _measured(layer, kernel, tensor, data, (axis, known.channels), m_by_n)


def _layer(output: Any, kernel: Any) -> str:
    """The layer that made an operation, from the name of its output.

    An output of the file has the name of the call instead; then from that of the kernel. So too
    with an activation that is fused, which comes first among the names.
    """
    made, own = ((tensor.Name() or b"").decode(errors="replace") for tensor in (output, kernel))
    layers = [layer_of(name) for name in made.split(";")]
    known = layer_of(_READ.sub("", own.partition(";")[0]))
    unnamed = "/" not in made or "PartitionedCall" in made
    path = known if known in layers or (unnamed and "/" in own) else layers[0]
    first, _, rest = path.partition("/")
    return rest or first  # without the name of the model


_READ = re.compile(r"/(ReadVariableOp|\d+)$")
"""What the name of a constant ends with, after that of the operation that takes it."""


def _operation(model: Any, operator: Any) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex())
    return litert.operator_name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))


def _data(model: Any, tensor: Any, content: litert.Content) -> np.ndarray | None:
    """The constant's values, flat; None for a variable or a type without numbers."""
    buffer = model.Buffers(tensor.Buffer())
    if buffer.DataLength():
        raw = buffer.DataAsNumpy()
    elif buffer.Offset() > 1:  # files above 2 GB keep their data behind the flatbuffer
        raw = np.frombuffer(content, np.uint8, buffer.Size(), buffer.Offset())
    else:
        return None
    kind = litert.dtype_name(tensor.Type())
    if kind == "int4":  # two in a byte, the lower half first
        halves = np.stack([raw & 15, raw >> 4], axis=-1).reshape(-1).astype(np.int8)
        return np.where(halves > 7, halves - 16, halves)
    return np.frombuffer(raw, _DTYPES[kind]) if kind in _DTYPES else None


def _measured(
    layer: str,
    kernel: str,
    tensor: Any,
    data: np.ndarray,
    axes: tuple[int | None, int | None],
    m_by_n: tuple[int, int],
) -> KernelSparsity:
    """Measure one kernel, of which `axes` are that of the inputs and that of the outputs."""
    axis, channels = axes
    dtype = litert.dtype_name(tensor.Type())
    shape = tuple(int(size) for size in tensor.ShapeAsNumpy())
    size = int(np.prod(shape))
    zero = _zero(tensor, len(shape))
    if tensor.Sparsity() is not None:  # the file leaves (blocks of) zeros out
        stored = int(np.count_nonzero(data != np.min(zero)))
        unique = count_unique(data)
        return KernelSparsity(
            layer, kernel, shape, size, 1 - stored / size, unique=unique and unique + 1, dtype=dtype
        )
    values = data[:size].reshape(shape)
    by_channel = None
    if channels is None:
        unique = count_unique(values)
    else:
        unique, by_channel = count_both(values, channels)
    measured = measure(values, zero, axis, m_by_n, unique)
    return KernelSparsity(layer, kernel, **measured, dtype=dtype, unique_per_channel=by_channel)


def _zero(tensor: Any, rank: int) -> Any:
    """The stored value that stands for zero, in a shape that broadcasts to the kernel."""
    q = tensor.Quantization()
    if q is None or not q.ScaleLength() or not q.ZeroPointLength():
        return 0
    points = q.ZeroPointAsNumpy()
    if np.all(points == points[0]):  # a comparison with one number is the fastest
        return int(points[0])
    shape = [1] * rank
    shape[q.QuantizedDimension()] = len(points)
    return points.reshape(shape)
