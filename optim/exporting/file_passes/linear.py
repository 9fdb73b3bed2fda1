"""Operations of a file that multiply by a kernel and add a bias."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim import litert

__all__ = ["Linear", "linear"]


@dataclass(frozen=True)
class _Kind:
    """Of an operation, how it has its operands.

    Attributes:
        places: of input, kernel and bias among its inputs.
        axis: of the output channels in the kernel's tensor.
        stored: of a Keras kernel, the order of the file, output channels first.
    """

    places: tuple[int, int, int]
    axis: int
    stored: Callable[[np.ndarray], np.ndarray]


_KINDS: dict[str, _Kind] = {
    "CONV_2D": _Kind((0, 1, 2), 0, lambda k: np.moveaxis(k, -1, 0)),
    "DEPTHWISE_CONV_2D": _Kind((0, 1, 2), 3, lambda k: k.reshape(-1, k.shape[-2] * k.shape[-1]).T),
    "FULLY_CONNECTED": _Kind((0, 1, 2), 0, lambda k: k.T),
    "TRANSPOSE_CONV": _Kind((2, 1, 3), 0, lambda k: np.moveaxis(k, -2, 0)),
}


@dataclass(frozen=True)
class Linear:
    """One of them.

    Attributes:
        operation: the object of the file.
        name: "CONV_2D", ...
        input, kernel, bias: numbers of tensors; of a bias that is not there -1.
    """

    operation: Any
    name: str
    input: int
    kernel: int
    bias: int

    @property
    def channel_axis(self) -> int:
        """Axis of the output channels in the kernel's tensor."""
        return _KINDS[self.name].axis

    def channels_first(self, kernel: np.ndarray) -> np.ndarray:
        """Return a Keras kernel in the order of the file, output channels first."""
        return _KINDS[self.name].stored(kernel)

    def set_bias(self, tensor: int) -> None:
        """Give the operation another tensor for its bias."""
        place = _KINDS[self.name].places[2]
        # A file that was read has numpy's arrays.
        inputs = [int(number) for number in self.operation.inputs]
        self.operation.inputs = [*inputs[:place], tensor, *inputs[place + 1 :]]


def linear(file: Any, graph: Any) -> Iterator[Linear]:
    """Yield the operations with a kernel.

    Args:
        file: from `flatbuffer.unpack`.
        graph: one of its subgraphs.
    """
    for operation in graph.operators:
        code = file.operatorCodes[operation.opcodeIndex]
        name = litert.operator_name(max(int(code.builtinCode), int(code.deprecatedBuiltinCode)))
        if name in _KINDS:
            inputs = [int(number) for number in operation.inputs]
            found = (inputs[p] if p < len(inputs) else -1 for p in _KINDS[name].places)
            yield Linear(operation, name, *found)
