"""Steps written as operations of LiteRT, each result on its grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from optim.exporting.recurrent.assembler import Assembler, Tensor
from optim.litert.flatbuffer import schema
from optim.quantization.recurrent.written import Cell, Grid8

_ACTIVATIONS = {"sigmoid": "LOGISTIC", "tanh": "TANH", "relu": "RELU"}
_INT32 = 2**31 - 1


class Writing:
    """`Ops` of a LiteRT file for one cell.

    Args:
        assembler: adds to the graph that the step is written in.
        cell: what is known of the cell.
        layer: name of the layer, for its linear maps to be found by.
    """

    def __init__(self, assembler: Assembler, cell: Cell, layer: str = "") -> None:
        self.assembler = assembler
        self.cell = cell
        self.layer = layer

    def _made(self, like: Sequence[int], name: str, layer: str = "") -> Tensor:
        return self.assembler.tensor(like, self.cell.grids[name], name=layer)

    def linear(
        self,
        x: Tensor,
        kernel: str,
        bias: str,
        gates: Sequence[int],
        name: str,
        gain: float = 1.0,
        offset: float = 0.0,
    ) -> Tensor:
        known = self.cell.kernels[kernel]
        numbers = self._columns(known.numbers, gates)
        steps = self._columns(known.steps, gates) * gain
        values = np.full(len(steps), offset)
        if bias:
            values = values + self._columns(self._bias(bias), gates) * gain
        assert x.grid is not None
        counts = values / (steps * x.grid.scale)
        stored = np.clip(np.round(counts), -_INT32, _INT32).astype(np.int32)
        add = self.assembler
        needed = values.any() or self.cell.conv is not None  # CONV_2D wants one in any case
        shift = add.constant(stored, steps=steps * x.grid.scale) if needed else None
        if self.cell.conv is None:
            weights = add.constant(numbers.T, steps=steps)
            made = self._made((*x.shape[:-1], len(steps)), name, self.layer)
            return add.add("FULLY_CONNECTED", [x, weights, shift], [made], "FullyConnectedOptions")
        strides, padding, dilation = self.cell.conv
        if kernel != "kernel":
            strides, padding, dilation = (1,), "same", (1,)
        if numbers.ndim == 3:  # one dimension is two, of which the first has one row
            numbers = numbers[None]
        weights = add.constant(np.moveaxis(numbers, -1, 0), steps=steps)
        shape = _convolved(x.shape, numbers.shape, strides, padding, dilation)
        options = schema()
        return add.add(
            "CONV_2D",
            [x, weights, shift],
            [self._made(shape, name, self.layer)],
            "Conv2DOptions",
            padding=getattr(options.Padding, padding.upper()),
            strideH=_along(strides, 0),
            strideW=_along(strides, 1),
            dilationHFactor=_along(dilation, 0),
            dilationWFactor=_along(dilation, 1),
        )

    def _columns(self, x: np.ndarray, gates: Sequence[int]) -> np.ndarray:
        parts = np.split(x, self.cell.step.gates, axis=-1)
        return np.concatenate([parts[gate] for gate in gates], axis=-1)

    def _bias(self, name: str) -> np.ndarray:
        bias = self.cell.bias
        assert bias is not None
        return bias if bias.ndim == 1 else bias[("bias", "recurrent_bias").index(name)]

    def add(self, a: Tensor, b: Tensor, name: str, within: str = "") -> Tensor:
        made = self._made(a.shape, name)
        kinds = schema().ActivationFunctionType
        return self.assembler.add(
            "ADD",
            [a, b],
            [made],
            "AddOptions",
            fusedActivationFunction=kinds.RELU if within == "relu" else kinds.NONE,
            potScaleInt16=False,
        )

    def subtract(self, a: Tensor, b: Tensor, name: str) -> Tensor:
        made = self._made(a.shape, name)
        return self.assembler.add("SUB", [a, b], [made], "SubOptions", potScaleInt16=False)

    def multiply(self, a: Tensor, b: Tensor, name: str) -> Tensor:
        return self.assembler.add("MUL", [a, b], [self._made(a.shape, name)], "MulOptions")

    def activate(self, x: Tensor, function: str, name: str) -> Tensor:
        return self.assembler.add(_ACTIVATIONS[function], [x], [self._made(x.shape, name)])

    def split(self, x: Tensor, count: int) -> list[Tensor]:
        axis = len(x.shape) - 1
        shape = (*x.shape[:-1], x.shape[-1] // count)
        parts = [self.assembler.tensor(shape, x.grid) for _ in range(count)]
        where = self.assembler.constant(np.asarray(axis, np.int32))
        self.assembler.add("SPLIT", [where, x], parts, "SplitOptions", numSplits=count)
        return parts

    def cast(self, x: Tensor, name: str) -> Tensor:
        return self.assembler.quantize(x, self.cell.grids[name])

    def dropped(self, x: Tensor, what: str) -> Tensor:
        return x

    def state(self, name: str) -> Grid8:
        """The grid of a state."""
        return self.cell.grids[name]


def _along(numbers: Sequence[int], axis: int) -> int:
    """Of one number per dimension, that along height or width; of one dimension, the width."""
    if len(numbers) == 1:
        return int(numbers[0]) if axis else 1
    return int(numbers[axis])


def _convolved(
    shape: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int],
) -> tuple[Any, ...]:
    sizes = []
    for axis in (0, 1):
        size = shape[1 + axis]
        if padding == "valid":
            size -= (kernel[axis] - 1) * _along(dilation, axis)
        sizes.append(-(-size // _along(strides, axis)))
    return (shape[0], *sizes, kernel[-1])
