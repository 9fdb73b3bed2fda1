"""The operations that a step is written in, and the grids that their results have.

A step is written once (`steps`). It is run by TensorFlow with fake-quants (`simulation`) and
written into a LiteRT file (`optim.exporting.recurrent`) by whoever has these operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol


class Grid(Enum):
    """What a tensor of a step is rounded to."""

    RANGE = "int8, range from data"
    SIGMOID = "int8, [0, 255/256] as LiteRT prescribes"
    TANH = "int8, [-1, 127/128] as LiteRT prescribes"
    SIGMOID_LOGITS = "int8, range from data, at most [-6, 6]: sigmoid is flat beyond"
    TANH_LOGITS = "int8, range from data, at most [-3.5, 3.5]: tanh is flat beyond"
    WIDE = "int16, range from data"
    WIDE_UNIT = "int16, [-1, 1) as LiteRT prescribes"
    WIDE_POWER = "int16, range from data, a power of two as LiteRT requires"
    WIDE_LOGITS = "int16, [-8, 8) as LiteRT prescribes"


class Ops(Protocol):
    """What a step is written in. The names are those of the grids of the results.

    Tensors have the channels last. The name "" leaves a result as it is: its values are on the
    grid of the input already, or the operation that has it inside keeps it exact.
    """

    def linear(
        self,
        x: Any,
        kernel: str,
        bias: str,
        gates: Sequence[int],
        name: str,
        gain: float = 1.0,
        offset: float = 0.0,
    ) -> Any:
        """`gain * (x @ kernel + bias) + offset` for the columns of some gates, in their order.

        Args:
            x: input of the cell, or a state.
            kernel: "kernel" or "recurrent_kernel".
            bias: "bias", "recurrent_bias", or "" for none.
            gates: numbers of the gates.
        """

    def add(self, a: Any, b: Any, name: str, within: str = "") -> Any:
        """`a + b`; with `within="relu"` rectified, with "unit" clipped to where its grid ends."""

    def subtract(self, a: Any, b: Any, name: str) -> Any:
        """`a - b`."""

    def multiply(self, a: Any, b: Any, name: str) -> Any:
        """`a * b`."""

    def activate(self, x: Any, function: str, name: str) -> Any:
        """`sigmoid`, `tanh` or `relu` of `x`."""

    def split(self, x: Any, count: int) -> list[Any]:
        """Equal parts along the last axis."""

    def cast(self, x: Any, name: str) -> Any:
        """The same values on another grid."""

    def dropped(self, x: Any, what: str) -> Any:
        """`x` as training drops parts of it: "inputs" or "state"; itself in inference."""
