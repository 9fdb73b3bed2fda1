"""Kernels of few values in steps of their own, where the converter chose others.

The converter gives each channel of a kernel the steps that fill int8. Where training gave all
channels the same ones, so that its few values are few numbers, the file would have other
numbers in each channel. Here they are put back: a channel has the numbers that training saw,
and a scale that leaves what they stand for as it is. Biases are to follow (`biases.settle`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from optim import litert
from optim.exporting.file_passes.linear import Linear, linear
from optim.litert.writer import replace_data

__all__ = ["restore_steps"]

_FEW = 4


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
        seen: set[int] = set()  # several operations can have one kernel
        for one in linear(file, graph):
            if one.kernel not in seen:
                seen.add(one.kernel)
                count += _restore(file, graph.tensors[one.kernel], one, wanted)
    return count


def _flat(kernel: np.ndarray) -> np.ndarray:
    return kernel.reshape(len(kernel), -1)


def _restore(file: Any, tensor: Any, one: Linear, candidates: Iterable[np.ndarray]) -> bool:
    """Give a kernel the numbers of one of the candidates that it can be; tell if it changed."""
    data = file.buffers[tensor.buffer].data
    if litert.dtype_name(tensor.type) != "int8" or data is None or tensor.quantization is None:
        return False
    axis = one.channel_axis
    first = np.moveaxis(np.asarray(data, np.uint8).view(np.int8).reshape(tensor.shape), axis, 0)
    found = _flat(first)
    for kernel in map(one.channels_first, candidates):
        if (len(kernel), kernel.size) != (len(found), found.size):
            continue
        # Each channel has to agree: a few of them tell most kernels of the same shape apart.
        if _factors(found[:_FEW], _flat(kernel[:_FEW])) is None:
            continue
        numbers = _flat(kernel)
        factors = _factors(found, numbers)
        if factors is None:
            continue
        signed = (numbers * np.sign(factors)[:, None]).astype(np.int8)
        signed[factors == 0] = found[factors == 0]
        if np.array_equal(signed, found):
            return False  # they are there already
        replace_data(file, tensor, np.moveaxis(signed.reshape(first.shape), 0, axis))
        grown = np.where(factors == 0, 1.0, np.abs(factors))
        quantization = tensor.quantization
        scale = np.broadcast_to(np.asarray(quantization.scale, np.float32), (len(found),))
        quantization.scale = (scale * grown).astype(np.float32)
        quantization.zeroPoint = np.zeros(len(found), np.int64)
        quantization.quantizedDimension = axis
        return True
    return False


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
