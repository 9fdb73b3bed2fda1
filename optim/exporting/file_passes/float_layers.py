"""Layers that are to be float, as they were before the converter quantized them.

The converter's int16x8 quantizer takes every operation that it has a kernel for.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from optim import litert
from optim.litert.writer import name_of, replace_data

__all__ = ["restore"]

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
_INTEGERS = ("int8", "int16")


IsFloat = Callable[[str, str], bool | None]


def restore(file: Any, original: Any, output_names: Sequence[str], is_float: IsFloat) -> int:
    """Make operations float again.

    Args:
        file: from `writer.unpack`. Modified in place.
        original: the same before it was quantized.
        output_names: of the model.
        is_float: whether an operation has to be, by the name of its output in the file, and that
            which it has as an output of the model, or "".

    Returns:
        How many were not.
    """
    return sum(
        _Restored(file, graph, original, before, output_names if not place else (), is_float).run()
        for place, (graph, before) in enumerate(
            zip(file.subgraphs, original.subgraphs, strict=True)
        )
    )


class _Restored:
    """One subgraph, at work."""

    def __init__(
        self,
        file: Any,
        graph: Any,
        original: Any,
        before: Any,
        output_names: Sequence[str],
        is_float: IsFloat,
    ) -> None:
        self.file, self.graph, self.original, self.before = file, graph, original, before
        self.is_float = is_float
        self.ends = dict(zip(map(int, before.outputs), output_names, strict=False))
        self.floats: dict[int, int] = {}  # a quantized tensor -> the same in float
        self.operators: list[Any] = []

    def run(self) -> int:
        pairs = self._pairs()
        count = 0
        for op in self.graph.operators:
            was = pairs.get(id(op))
            name = name_of(self.file, op)
            if name == "QUANTIZE" and self._dtype(op.inputs[0]) == "float32":
                self.floats.setdefault(int(op.outputs[0]), int(op.inputs[0]))
            if name == "DEQUANTIZE" and int(op.inputs[0]) in self.floats:
                if int(op.outputs[0]) == self.floats[int(op.inputs[0])]:
                    continue  # what it computes is there
            elif was is not None and self._is_meant(op, was):
                count += 1
                self._restore(op, was)
                continue
            self.operators.append(op)
        if count:
            self.graph.operators = self._needed()
        return count

    def _pairs(self) -> dict[int, Any]:
        """Each operation -> what it was; the quantizer adds conversions, and moves nothing."""
        now = [op for op in self.graph.operators if name_of(self.file, op) not in _CONVERSIONS]
        then = [
            op for op in self.before.operators if name_of(self.original, op) not in _CONVERSIONS
        ]
        names = [name_of(self.file, op) for op in now]
        if names != [name_of(self.original, op) for op in then]:
            return {}
        return {id(op): was for op, was in zip(now, then, strict=True)}

    def _is_meant(self, op: Any, was: Any) -> bool:
        integers = any(self._dtype(t) in _INTEGERS for t in (*op.inputs, *op.outputs) if t >= 0)
        output = int(was.outputs[0])
        name = self.before.tensors[output].name.decode(errors="replace")
        return integers and bool(self.is_float(name, self.ends.get(output, "")))

    def _restore(self, op: Any, was: Any) -> None:
        inputs = []
        for now, then in zip(map(int, op.inputs), map(int, was.inputs), strict=False):
            if now < 0 or self._dtype(now) not in (*_INTEGERS, "int32", "int64"):
                inputs.append(now)
            elif self._data(then) is not None:
                inputs.append(self._constant(then))
            else:
                inputs.append(self._in_float(now) if self._dtype(now) in _INTEGERS else now)
        outputs = []
        for now, then in zip(map(int, op.outputs), map(int, was.outputs), strict=True):
            outputs.append(self._output(now, then) if self._dtype(now) in _INTEGERS else now)
        op.inputs, quantized = inputs, [int(number) for number in op.outputs]
        op.outputs = outputs
        self.operators.append(op)
        for number, output in zip(quantized, outputs, strict=True):
            if number != output:
                self.operators.append(self._conversion("QUANTIZE", output, number))

    def _in_float(self, number: int) -> int:
        if number not in self.floats:
            tensor = self._add(self.graph.tensors[number], new=True)
            self.operators.append(self._conversion("DEQUANTIZE", number, tensor))
            self.floats[number] = tensor
        return self.floats[number]

    def _output(self, number: int, then: int) -> int:
        """The float tensor of an output: the one that the quantizer made of it, or a new one."""
        for op in self.graph.operators:
            if name_of(self.file, op) == "DEQUANTIZE" and int(op.inputs[0]) == number:
                self.floats[number] = int(op.outputs[0])
                return self.floats[number]
        self.floats[number] = self._add(self.before.tensors[then], new=True)
        return self.floats[number]

    def _constant(self, then: int) -> int:
        number = self._add(self.before.tensors[then], new=False)
        replace_data(self.file, self.graph.tensors[number], np.asarray(self._data(then), np.uint8))
        return number

    def _data(self, then: int) -> Any:
        if then < 0:
            return None
        data = self.original.buffers[self.before.tensors[then].buffer].data
        return data if data is not None and len(data) else None

    def _add(self, like: Any, new: bool) -> int:
        """A tensor like another one; a new one is computed, in float."""
        tensor = copy.copy(like)
        tensor.buffer = 0
        if new:
            tensor.type, tensor.quantization = litert.schema().TensorType.FLOAT32, None
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _conversion(self, name: str, source: int, target: int) -> Any:
        op = litert.schema().OperatorT()
        op.opcodeIndex = self._code(name)
        op.inputs, op.outputs = [source], [target]
        return op

    def _code(self, name: str) -> int:
        wanted = getattr(litert.schema().BuiltinOperator, name)
        codes = self.file.operatorCodes
        return next(place for place, code in enumerate(codes) if code.builtinCode == wanted)

    def _needed(self) -> list[Any]:
        """The operations without conversions that nobody takes the result of."""
        used = {int(t) for t in self.graph.outputs}
        kept = []
        for op in reversed(self.operators):
            name = name_of(self.file, op)
            if name in _CONVERSIONS and int(op.outputs[0]) not in used:
                continue
            used.update(map(int, op.inputs))
            kept.append(op)
        return kept[::-1]

    def _dtype(self, number: Any) -> str:
        return litert.dtype_name(self.graph.tensors[int(number)].type)
