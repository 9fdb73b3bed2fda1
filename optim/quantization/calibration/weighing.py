"""What a layer makes of each part of its input: how much each channel adds to what it computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras
from optim.models.kernels import linear_kernel
from optim.quantization.layers import Affine
from optim.quantization.node_facts import hierarchy
from optim.quantization.recurrent.layer import Recurrent

__all__ = ["is_product", "is_sum", "shares", "squared_gain"]

K = keras.layers

_TRANSPOSED = (K.Conv1DTranspose, K.Conv2DTranspose)


def is_sum(layer: Any) -> bool:
    """Whether each channel of its input is multiplied by constants, of which sums are made."""
    if isinstance(layer, (Affine, K.BatchNormalization)):
        return True
    return isinstance(layer, Recurrent) or linear_kernel(hierarchy(layer)) is not None


def is_product(layer: Any) -> bool:
    """Whether it multiplies its inputs with each other, so that small times large counts."""
    return type(layer) is K.Multiply


def squared_gain(layer: Any) -> np.ndarray | None:
    """By what a normalization multiplies each channel, squared; None if it is none."""
    if not isinstance(layer, K.BatchNormalization):
        return None
    gamma = 1.0 if layer.gamma is None else layer.gamma.numpy()
    gain: np.ndarray = gamma**2 / (layer.moving_variance.numpy() + layer.epsilon)
    return gain


def shares(layer: Any, channels: int, after: np.ndarray | None = None) -> np.ndarray | None:
    """By what a layer multiplies each channel of its input, squared and added up over its outputs.

    Args:
        layer: one that `is_sum`.
        channels: number of channels of its input.
        after: by what each output is multiplied behind it, squared.

    Returns:
        One number a channel; None if the weights do not fit such an input.
    """
    if isinstance(layer, Affine):
        found = layer.scale.numpy() ** 2
    elif isinstance(layer, K.BatchNormalization):
        found = squared_gain(layer)
    elif isinstance(layer, Recurrent):
        found = _by_input(layer.cells[0].kernel.numpy() ** 2, 1)
    else:
        known = linear_kernel(hierarchy(layer))
        assert known is not None
        kernel = getattr(layer, known.linear).numpy() ** 2
        if isinstance(layer, _TRANSPOSED):
            kernel = np.swapaxes(kernel, -1, -2)
        found = _by_input(_times(kernel, after), getattr(layer, "groups", 1))
    return found if found is not None and found.shape == (channels,) else None


def _times(kernel: np.ndarray, after: np.ndarray | None) -> np.ndarray:
    """The kernel with what its outputs are multiplied by; depthwise ones have two axes of them."""
    if after is not None and after.size == kernel.shape[-1]:
        return np.asarray(kernel * after)
    if after is not None and after.size == kernel.shape[-1] * kernel.shape[-2]:
        return np.asarray(kernel * after.reshape(kernel.shape[-2:]))
    return kernel


def _by_input(kernel: np.ndarray, groups: int) -> np.ndarray:
    """Sums over all axes but that of the inputs, the last but one; groups lie in the last."""
    inputs, outputs = kernel.shape[-2:]
    flat = kernel.reshape(-1, inputs, groups, outputs // groups).sum(axis=(0, 3))
    sums: np.ndarray = flat.T.ravel()
    return sums
