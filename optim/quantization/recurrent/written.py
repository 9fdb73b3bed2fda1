"""What a file has of a recurrent layer, as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim.models.numbers import numbers
from optim.quantization.recurrent.cells import is_convolution
from optim.quantization.recurrent.steps import Step


@dataclass(frozen=True)
class Kernel:
    """A kernel in int8.

    Attributes:
        numbers: int8, in Keras' order of axes.
        steps: float64, the step of each column: element of the last axis.
    """

    numbers: np.ndarray
    steps: np.ndarray

    @classmethod
    def of(cls, rounded: Any, quantizer: Any, variables: Mapping[str, Any]) -> Kernel:
        """Return the numbers of a kernel that a quantizer has rounded."""
        values = np.asarray(rounded, np.float64)
        most = 2 ** (int(quantizer.num_bits) - 1) - 1
        high = np.asarray(numbers(variables["max_var"]), np.float64).ravel()
        columns = values.shape[-1]
        steps = np.repeat(np.maximum(high, 1e-12), columns // len(high)) / most
        return cls(np.clip(np.round(values / steps), -most, most).astype(np.int8), steps)


@dataclass(frozen=True)
class Grid8:
    """How integers stand for numbers: `scale * (integer - zero)`."""

    scale: float
    zero: int
    bits: int

    @classmethod
    def of(cls, low: float, high: float, bits: int) -> Grid8:
        """Return the grid of a range, whose zero is one of its numbers, as fake-quants have it."""
        scale = (high - low) / (2**bits - 1)
        least = -(2 ** (bits - 1))
        zero = int(np.clip(np.round(least - low / scale), least, -least - 1))
        return cls(float(scale), zero, bits)


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        step: what it computes.
        kernels: "kernel" and "recurrent_kernel".
        bias: of shape (columns,) or (2, columns); None: it has none.
        conv: strides, padding and dilation of its convolution of inputs; None: it has none.
        width: of its states.
        grids: name of a tensor -> its grid.
    """

    step: Step
    kernels: Mapping[str, Kernel]
    bias: np.ndarray | None
    conv: tuple[tuple[int, ...], str, tuple[int, ...]] | None
    width: int
    grids: Mapping[str, Grid8]


class Written:
    """A recurrent layer.

    Args:
        layer: a built `Recurrent`.
        kernels: path -> numbers.
        ends: name of a tensor -> low and high end of its range, and bits.

    Attributes:
        layer: the same, for its options.
        cells: from the bottom up.
    """

    def __init__(
        self,
        layer: Any,
        kernels: Mapping[str, Kernel],
        ends: Mapping[str, tuple[float, float, int]],
    ) -> None:
        self.layer = layer
        self.cells = [
            Cell(
                step,
                {name: kernels[f"cells.{i}.{name}"] for name in ("kernel", "recurrent_kernel")},
                np.asarray(numbers(cell.bias), np.float64) if cell.use_bias else None,
                _conv(cell),
                int(getattr(cell, "units", None) or cell.filters),
                {
                    name.partition("/")[2]: Grid8.of(*found)
                    for name, found in ends.items()
                    if name.startswith(f"{i}/")
                },
            )
            for i, (cell, step) in enumerate(zip(layer.cells, layer.steps, strict=True))
        ]

    def output_grids(self, count: int) -> list[str]:
        """Names of the grids of the outputs: the output itself, then the states."""
        states = [f"{i}/{name}" for i, cell in enumerate(self.cells) for name in cell.step.states]
        return [f"{len(self.cells) - 1}/state", *states][:count]


def _conv(cell: Any) -> tuple[tuple[int, ...], str, tuple[int, ...]] | None:
    if not is_convolution(cell):
        return None
    return tuple(cell.strides), str(cell.padding), tuple(cell.dilation_rate)
