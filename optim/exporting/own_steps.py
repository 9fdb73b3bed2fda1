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
        changes: dict[int, np.ndarray | None] = {}  # by kernel: several operations can have it
        counted: set[int] = set()  # biases
        for operation in graph.operators:
            name = litert.operator_name(_code(file.operatorCodes[operation.opcodeIndex]))
            if name not in _CHANNELS_FIRST:
                continue
            kernel = operation.inputs[_KERNEL]
            if kernel not in changes:
                arranged = (_flat(_CHANNELS_FIRST[name](one)) for one in wanted)
                changes[kernel] = _restore(file, graph.tensors[kernel], name, arranged)
            factors = changes[kernel]
            bias = operation.inputs[_BIAS] if len(operation.inputs) > _BIAS else -1
            if factors is not None and bias >= 0 and bias not in counted:
                _requantize(file, graph.tensors[bias], factors)
                counted.add(bias)
        count += sum(factors is not None for factors in changes.values())
    return count


def _code(entry: Any) -> int:
    return max(int(entry.builtinCode), int(entry.deprecatedBuiltinCode))


def _flat(kernel: np.ndarray) -> np.ndarray:
    return kernel.reshape(len(kernel), -1)


def _restore(
    file: Any, tensor: Any, name: str, candidates: Iterable[np.ndarray]
) -> np.ndarray | None:
    """Give a kernel the numbers of one of the candidates that it can be.

    Returns:
        By how much the step of each channel has grown; None if nothing was changed.
    """
    data = file.buffers[tensor.buffer].data
    if litert.dtype_name(tensor.type) != "int8" or data is None or tensor.quantization is None:
        return None
    depthwise = name == "DEPTHWISE_CONV_2D"
    stored = np.asarray(data, np.uint8).view(np.int8).reshape(tensor.shape)
    first = np.moveaxis(stored, -1, 0) if depthwise else stored
    found = _flat(first)
    for numbers in candidates:
        if numbers.shape != found.shape:
            continue
        factors = _factors(found, numbers)
        if factors is None:
            continue
        signed = (numbers * np.sign(factors)[:, None]).astype(np.int8)
        signed[factors == 0] = found[factors == 0]
        if np.array_equal(signed, found):
            return None  # they are there already
        signed = signed.reshape(first.shape)
        replace_data(file, tensor, np.moveaxis(signed, 0, -1) if depthwise else signed)
        grown = np.where(factors == 0, 1.0, np.abs(factors))
        _rescale(tensor.quantization, grown, len(found), 3 if depthwise else 0)
        return grown
    return None


def _factors(found: np.ndarray, numbers: np.ndarray) -> np.ndarray | None:
    """How many of the file's steps one of training is, by channel; None if they do not agree.

    A channel that does not fill int8 vanishes beside its bias, and has a step that makes room for
    it: it stays as it is, and its factor is 0.
    """
    most = np.abs(numbers).max(axis=1)
    filled = np.abs(found).max(axis=1)
    where = np.abs(numbers).argmax(axis=1)
    rows = np.arange(len(numbers))
    sign = np.sign(found[rows, where].astype(int) * numbers[rows, where].astype(int))
    factors = np.where(filled < most, 0.0, filled / np.maximum(most, 1)) * np.where(sign, sign, 1)
    factors[most == 0] = 1.0
    off = np.abs(numbers * factors[:, None] - found)
    # Both were rounded, each in steps of its own, and perhaps from the same value.
    most_off = 0.5 * (np.abs(factors)[:, None] + 1) + 1e-3
    return factors if np.all((off <= most_off)[factors != 0]) else None


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
    dtype = np.int64 if litert.dtype_name(tensor.type) == "int64" else np.int32
    stored = np.asarray(data, np.uint8).view(dtype).astype(np.float64)
    numbers = np.round(stored / factors).astype(dtype)
    if not np.array_equal(numbers, stored):  # biases of zero share their data
        replace_data(file, tensor, numbers)
    _rescale(tensor.quantization, factors, len(factors), 0)
