"""Kernels of float layers that the converter has written in int8 even so.

It does so with those of transposed convolutions, wherever anything of the model is quantized.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from optim import litert
from optim.exporting.file_passes.linear import Linear, linear
from optim.litert.writer import replace_data

__all__ = ["restore"]


def restore(file: Any, kernels: Iterable[np.ndarray]) -> int:
    """Give float operations float kernels.

    Args:
        file: from `writer.unpack`. Modified in place.
        kernels: those of the float layers, in Keras' order of axes.

    Returns:
        How many were int8. One that is none of the given ones, as another layer was folded into
        it, keeps the values it has.
    """
    known = list(kernels)
    count = 0
    for graph in file.subgraphs if known else ():
        for one in linear(file, graph):
            dtypes = [
                litert.dtype_name(graph.tensors[number].type) for number in (one.input, one.kernel)
            ]
            if dtypes == ["float32", "int8"]:
                _restore(file, graph.tensors[one.kernel], one, known)
                count += 1
    return count


def _restore(file: Any, tensor: Any, one: Linear, known: list[np.ndarray]) -> None:
    stored = np.asarray(file.buffers[tensor.buffer].data, np.uint8).view(np.int8)
    scale = np.asarray(tensor.quantization.scale, np.float32)
    sizes = [1] * len(tensor.shape)
    if len(scale) > 1:
        sizes[tensor.quantization.quantizedDimension] = len(scale)
    step = scale.reshape(sizes)
    value = stored.reshape(tensor.shape).astype(np.float32) * step
    for kernel in known:
        try:
            candidate = np.moveaxis(one.channels_first(kernel), 0, one.channel_axis)
        except (ValueError, IndexError, np.exceptions.AxisError):  # of another kind of layer
            continue
        if candidate.shape == value.shape and np.all(np.abs(candidate - value) <= 0.51 * step):
            value = candidate.astype(np.float32)
            break
    replace_data(file, tensor, value)
    tensor.type, tensor.quantization = litert.schema().TensorType.FLOAT32, None
