"""What is known of one kernel, and how it is measured."""

from __future__ import annotations

from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np

from optim.sparsity.distinct import count_unique


@dataclass(frozen=True)
class KernelSparsity:
    """What is known of one kernel.

    Attributes:
        layer: path of the layer, nested models joined by `/`.
        kernel: which of its weights.
        shape: as the model or file has it.
        size: number of values.
        sparsity: share of values that are zero, 0 to 1.
        target: sparsity that its pruning aims at; None if it is not wrapped for that.
        m_by_n: the pattern that was looked for; None where it makes no sense.
        blocks: number of full groups of n values along the inputs.
        satisfied: share of these with at least m zeros; None if there is no such group.
        unique: number of different values; None if there are more than 1024.
        dtype: of the values as they are stored.
        unique_per_channel: the most that one output channel has, in a LiteRT file; a float
            file has normalizations folded into its kernels, each channel scaled by its own
            factor. None if there are more than 1024, or for a Keras model.
        clusters: number of values that its clustering allows; None if it is not wrapped.
    """

    layer: str
    kernel: str
    shape: tuple[int, ...]
    size: int
    sparsity: float
    target: float | None = None
    m_by_n: tuple[int, int] | None = None
    blocks: int = 0
    satisfied: float | None = None
    unique: int | None = None
    clusters: int | None = None
    dtype: str = "float32"
    unique_per_channel: int | None = None


def measure(
    values: np.ndarray,
    zero: Any,
    axis: int | None,
    m_by_n: tuple[int, int] | None,
    unique: int | EllipsisType | None = ...,
) -> dict[str, Any]:
    """Return what `KernelSparsity` says of the values themselves.

    Args:
        values: the kernel.
        zero: what counts as zero; a scalar, or an array that broadcasts to the kernel.
        axis: along which groups lie; None if m-by-n makes no sense.
        m_by_n: the pattern to look for; None for none.
        unique: the number of different values, where it is known.
    """
    zeros = values == zero
    found: dict[str, Any] = {
        "shape": tuple(map(int, values.shape)),
        "size": int(values.size),
        "sparsity": float(np.count_nonzero(zeros) / values.size) if values.size else 0.0,
        "unique": count_unique(values) if unique is ... else unique,
    }
    if axis is None or m_by_n is None:
        return found
    satisfied = groups_satisfied(zeros, axis, *m_by_n)
    return {
        **found,
        "m_by_n": tuple(m_by_n),
        "blocks": satisfied.size,
        "satisfied": float(satisfied.mean()) if satisfied.size else None,
    }


def groups_satisfied(zeros: np.ndarray, axis: int, m: int, n: int) -> np.ndarray:
    """Return, for each full group of n along an axis, whether m of it are set."""
    length = zeros.shape[axis] // n * n
    flags = np.moveaxis(zeros, axis, -1)[..., :length].view(np.uint8)
    if n in _WORDS:
        # A group is one number of n bytes, and the product has their sum in its highest one.
        word = _WORDS[n]
        ones = np.frombuffer(bytes([1] * n), word)
        sums = np.ascontiguousarray(flags).view(word) * ones
        return np.asarray(sums >> word(8 * (n - 1)) >= m)
    # One addition of all groups for each of their places: a sum of each group is ten times slower.
    count = np.zeros((*flags.shape[:-1], length // n), np.min_scalar_type(n))
    for place in range(n):
        count += flags[..., place::n]
    return count >= m


# Length of a group -> the numbers that have as many bytes.
_WORDS = {2: np.uint16, 4: np.uint32, 8: np.uint64}
