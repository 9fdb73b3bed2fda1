"""Kernels of few values in steps of their own, where the converter chose others.

The converter gives each channel of a kernel the steps that fill int8. Where training gave all
channels the same ones, so that its few values are few numbers, the file would have other
numbers in each channel. Here they are put back: a channel has the numbers that training saw,
and a scale that leaves what they stand for as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from optim import litert
from optim.exporting.flatbuffer import replace_data

__all__ = ["restore_steps"]

#: Operation -> a Keras kernel in the order of the file, output channels first.
_CHANNELS_FIRST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "CONV_2D": lambda k: np.moveaxis(k, -1, 0),
    "DEPTHWISE_CONV_2D": lambda k: k.reshape(-1, k.shape[-2] * k.shape[-1]).T,
    "FULLY_CONNECTED": lambda k: k.T,
    "TRANSPOSE_CONV": lambda k: np.moveaxis(k, -2, 0),
}
_KERNEL, _BIAS = 1, 2  # places among the inputs of an operation


def restore_steps(file: Any, kernels: Iterable[np.ndarray]) -> int:
    """Put kernels back into the steps of their training.

    Args:
        file: from `unpack`. Modified in place.
        kernels: int8 numbers of the kernels of few values, in Keras' order of axes.

    Returns:
        How many kernels of the file were changed.
    """
    wanted = list(kernels)
    count = 0
    for graph in file.subgraphs if wanted else ():
        for operation in graph.operators:
            name = litert.operator_name(_code(file.operatorCodes[operation.opcodeIndex]))
            if name in _CHANNELS_FIRST:
                arranged = (_flat(_CHANNELS_FIRST[name](kernel)) for kernel in wanted)
                count += _restore(file, graph, operation, name, arranged)
    return count


def _code(entry: Any) -> int:
    return max(int(entry.builtinCode), int(entry.deprecatedBuiltinCode))


def _flat(kernel: np.ndarray) -> np.ndarray:
    return kernel.reshape(len(kernel), -1)


def _restore(
    file: Any, graph: Any, operation: Any, name: str, candidates: Iterable[np.ndarray]
) -> bool:
    tensor = graph.tensors[operation.inputs[_KERNEL]]
    data = file.buffers[tensor.buffer].data
    if litert.dtype_name(tensor.type) != "int8" or data is None or tensor.quantization is None:
        return False
    depthwise = name == "DEPTHWISE_CONV_2D"
    stored = np.asarray(data, np.uint8).view(np.int8).reshape(tensor.shape)
    found = _flat(np.moveaxis(stored, -1, 0) if depthwise else stored)
    for numbers in candidates:
        if numbers.shape != found.shape:
            continue
        factors = _factors(found, numbers)
        if factors is None:
            continue
        if np.array_equal(numbers * np.sign(factors)[:, None], found):
            return False  # they are there already
        signed = (numbers * np.sign(factors)[:, None]).astype(np.int8)
        shape = np.moveaxis(stored, -1, 0).shape if depthwise else stored.shape
        signed = signed.reshape(shape)
        replace_data(file, tensor, np.moveaxis(signed, 0, -1) if depthwise else signed)
        _rescale(tensor.quantization, np.abs(factors), len(found), 3 if depthwise else 0)
        if len(operation.inputs) > _BIAS and operation.inputs[_BIAS] >= 0:
            _requantize(file, graph.tensors[operation.inputs[_BIAS]], np.abs(factors))
        return True
    return False


def _factors(found: np.ndarray, numbers: np.ndarray) -> np.ndarray | None:
    """How many of the file's steps one of training is, by channel; None if they do not agree."""
    most = np.abs(numbers).max(axis=1)
    filled = np.abs(found).max(axis=1)
    where = np.abs(numbers).argmax(axis=1)
    rows = np.arange(len(numbers))
    sign = np.sign(found[rows, where].astype(int) * numbers[rows, where].astype(int))
    sign[sign == 0] = 1
    factors = np.where(most > 0, filled / np.maximum(most, 1), 1.0) * sign
    factors[factors == 0] = 1.0
    off = np.abs(numbers * factors[:, None] - found)
    return factors if off.max(initial=0.0) <= 1.0 else None


def _rescale(quantization: Any, factors: np.ndarray, channels: int, axis: int) -> None:
    scale = np.broadcast_to(np.asarray(quantization.scale, np.float32), (channels,))
    quantization.scale = (scale * factors).astype(np.float32)
    quantization.zeroPoint = np.zeros(channels, np.int64)
    quantization.quantizedDimension = axis


def _requantize(file: Any, tensor: Any, factors: np.ndarray) -> None:
    """Give a bias the steps that follow from those of the kernel."""
    data = file.buffers[tensor.buffer].data
    if data is None or tensor.quantization is None or tensor.quantization.scale is None:
        return
    stored = np.asarray(data, np.uint8).view(np.int32).astype(np.float64)
    numbers = np.round(stored / factors).astype(np.int32)
    if not np.array_equal(numbers, stored):  # biases of zero share their data
        replace_data(file, tensor, numbers)
    _rescale(tensor.quantization, factors, len(factors), 0)
