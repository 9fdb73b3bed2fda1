"""Biases of a quantized file, which count in steps of the input's scale times the kernel's.

LiteRT adds a bias to the sum of products as it is: one in other steps gives wrong numbers, and
nothing says so.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from optim import litert
from optim.exporting.file_passes.linear import Linear, linear
from optim.litert.writer import replace_data

__all__ = ["repair_equal", "settle"]

_DTYPES: dict[str, Any] = {"int32": np.int32, "int64": np.int64}
_SAME = 1e-4  # relative: products of float32 scales differ by less


def repair_equal(file: Any) -> int:
    """Quantize again the biases that the converter quantized with one scale for all channels.

    It does so where all elements of a bias are equal, as after `x + 3` behind a layer whose
    own bias is zero: all get the number that is right for the first channel.

    Args:
        file: from `writer.unpack`. Modified in place.

    Returns:
        How many were wrong.
    """
    count = 0
    for graph in file.subgraphs:
        for tensor in graph.tensors:
            scale = _scale(tensor)
            stored = None if scale is None or len(scale) < 2 else _numbers(file, tensor)
            if stored is None or scale is None or len(stored) != len(scale):
                continue
            if not stored[0] or np.any(stored != stored[0]):
                continue
            right = np.round(np.float64(stored[0]) * scale[0] / scale).astype(stored.dtype)
            if not np.array_equal(right, stored):
                replace_data(file, tensor, right)
                count += 1
    return count


def settle(file: Any) -> int:
    """Give each operation a bias in the steps of its own input and kernel.

    Three things set them apart: the converter's int16x8 quantizer gives one bias to all
    operations whose biases are equal, in the steps of one of them; behind a pooling,
    the range of the input is not the one that it quantized the bias by (seen: 0.1 % off); and
    a kernel is put back into the steps of its training.

    Args:
        file: from `writer.unpack`, all biases right in the steps they are in. Modified in
            place.

    Returns:
        How many operations had one in others.
    """
    count = 0
    for graph in file.subgraphs:
        users: dict[int, list[tuple[Linear, np.ndarray]]] = {}
        for one in linear(file, graph):
            steps = _steps(graph, one)
            if steps is not None:
                users.setdefault(one.bias, []).append((one, steps))
        for bias, wanted in users.items():
            count += _settle(file, graph, bias, wanted)
    return count


def _steps(graph: Any, one: Linear) -> np.ndarray | None:
    """Return the steps that the bias of an operation has to be in; None if it has none."""
    if one.bias < 0 or litert.dtype_name(graph.tensors[one.bias].type) not in _DTYPES:
        return None
    scales = [_scale(graph.tensors[number]) for number in (one.input, one.kernel, one.bias)]
    if any(scale is None for scale in scales):
        return None
    return scales[0] * scales[1]  # type: ignore[no-any-return, operator]


def _settle(file: Any, graph: Any, bias: int, wanted: list[tuple[Linear, np.ndarray]]) -> int:
    tensor = graph.tensors[bias]
    stored, now = _numbers(file, tensor), _scale(tensor)
    if stored is None or now is None:
        return 0
    value = stored * now
    made: list[tuple[int, np.ndarray]] = []
    if any(_same(steps, now) for _, steps in wanted):
        made.append((bias, now))  # someone goes on to use it as it is
    count = 0
    for one, steps in wanted:
        count += not _same(steps, now)
        number = next((number for number, others in made if _same(steps, others)), None)
        if number is None:
            number = bias
            if made:
                graph.tensors.append(copy.copy(tensor))
                number = len(graph.tensors) - 1
            _requantize(file, graph.tensors[number], value, steps, stored)
            made.append((number, steps))
        if number != bias:
            one.set_bias(number)
    return count


def _requantize(
    file: Any, tensor: Any, value: np.ndarray, steps: np.ndarray, stored: np.ndarray
) -> None:
    most = np.iinfo(stored.dtype).max
    numbers = np.clip(np.round(value / steps), -most, most).astype(stored.dtype)
    if not np.array_equal(numbers, stored):  # biases of zero share their data
        replace_data(file, tensor, numbers)
    tensor.quantization = copy.copy(tensor.quantization)
    tensor.quantization.scale = steps.astype(np.float32)
    tensor.quantization.zeroPoint = np.zeros(len(steps), np.int64)
    tensor.quantization.quantizedDimension = 0


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.all(np.abs(one - other) <= _SAME * other))


def _scale(tensor: Any) -> np.ndarray | None:
    """Return the steps of a tensor, one or one per channel."""
    scale = None if tensor.quantization is None else tensor.quantization.scale
    return None if scale is None or not len(scale) else np.asarray(scale, np.float64)


def _numbers(file: Any, tensor: Any) -> np.ndarray | None:
    """Return what a bias counts; None if it is none, or not constant."""
    dtype = _DTYPES.get(litert.dtype_name(tensor.type))
    data = file.buffers[tensor.buffer].data
    return None if dtype is None or data is None else np.asarray(data, np.uint8).view(dtype)
