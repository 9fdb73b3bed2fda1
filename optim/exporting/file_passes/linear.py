"""Operations of a file that multiply by a kernel and add a bias."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim.litert.operators import Linear as Operands
from optim.litert.operators import Operator, operator
from optim.litert.writer import name_of

__all__ = ["Linear", "linear"]


@dataclass(frozen=True)
class Linear:
    """One of them.

    Attributes:
        operation: the object of the file.
        known: what is known of its operator.
        input, kernel, bias: numbers of tensors; of a bias that is not there -1.
    """

    operation: Any
    known: Operator
    input: int
    kernel: int
    bias: int

    @property
    def channel_axis(self) -> int:
        """Axis of the output channels in the kernel's tensor."""
        assert self.known.channels is not None
        return self.known.channels

    @property
    def _operands(self) -> Operands:
        assert self.known.linear is not None
        return self.known.linear

    def channels_first(self, kernel: np.ndarray) -> np.ndarray:
        """Return a Keras kernel in the order of the file, output channels first."""
        return self._operands.stored(kernel)

    def set_bias(self, tensor: int) -> None:
        """Give the operation another tensor for its bias."""
        place = self._operands.places[2]
        # A file that was read has numpy's arrays.
        inputs = [int(number) for number in self.operation.inputs]
        self.operation.inputs = [*inputs[:place], tensor, *inputs[place + 1 :]]


def linear(file: Any, graph: Any) -> Iterator[Linear]:
    """Yield the operations with a kernel.

    Args:
        file: from `writer.unpack`.
        graph: one of its subgraphs.
    """
    for operation in graph.operators:
        known = operator(name_of(file, operation))
        if known.linear is not None:
            inputs = [int(number) for number in operation.inputs]
            found = (inputs[p] if p < len(inputs) else -1 for p in known.linear.places)
            yield Linear(operation, known, *found)
