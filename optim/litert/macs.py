"""Multiply-accumulates of an operation, from the shapes of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from optim.litert import flatbuffer

Shapes = Sequence[tuple[int, ...]]  # () also where an input is left out
Count = Callable[[Any, Shapes, Shapes], int]


def _conv_2d(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    return prod(outputs[0]) * prod(inputs[1][1:])  # kernel (out, h, w, in / groups)


def _depthwise(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    return prod(outputs[0]) * prod(inputs[1][1:3])  # kernel (1, h, w, out)


def _fully_connected(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    return prod(outputs[0]) * inputs[1][-1]  # kernel (out, in)


def _transpose_conv(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    # Inputs: output shape, kernel (out, h, w, in), input.
    return prod(inputs[2]) * prod(inputs[1][:3])


def _batch_matmul(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    options = flatbuffer.schema().BatchMatMulOptions()
    table = operator.BuiltinOptions()
    if table is not None:
        options.Init(table.Bytes, table.Pos)
    inner = inputs[0][-2 if table is not None and options.AdjX() else -1]
    return prod(outputs[0]) * inner


def _conv_3d(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    return prod(outputs[0]) * prod(inputs[1][:4])  # kernel (d, h, w, in, out)


def _conv_3d_transpose(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    # Inputs: output shape, kernel (d, h, w, out, in), input.
    return prod(inputs[2]) * prod(inputs[1][:4])


def _sequence(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    """A recurrent layer in one operation: its matrices, once per sample and step."""
    steps = prod(inputs[0][:-1])
    return steps * sum(prod(x) for x in inputs[1:] if len(x) == 2)


_COUNTS: dict[str, Count] = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "TRANSPOSE_CONV": _transpose_conv,
    "BATCH_MATMUL": _batch_matmul,
    "CONV_3D": _conv_3d,
    "CONV_3D_TRANSPOSE": _conv_3d_transpose,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _sequence,
    "UNIDIRECTIONAL_SEQUENCE_RNN": _sequence,
}


def macs(name: str, operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    """Return the multiply-accumulates of one run; open sizes count as 1.

    Args:
        name: of the operation; one that does not multiply matrices has none.
        operator: its table in the file, for options.
        inputs, outputs: shapes of its tensors; () for an input that is left out.
    """
    count = _COUNTS.get(name)
    return abs(count(operator, inputs, outputs)) if count else 0
