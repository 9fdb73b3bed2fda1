"""Putting recurrent layers in the place of the operations that stand for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optim.errors import ExportError, Problem
from optim.exporting.recurrent.assembler import Assembler, Tensor, read_tensor
from optim.exporting.recurrent.fused import write_fused
from optim.exporting.recurrent.loops import Ends, write_loop
from optim.litert.flatbuffer import operator_name
from optim.quantization.recurrent.written import Written


def write_recurrent(file: Any, layers: Mapping[str, Written]) -> int:
    """Write layers.

    Args:
        file: from `writer.unpack`. Modified in place.
        layers: name of an operation -> what it stands for.

    Returns:
        How many operations were replaced.

    Raises:
        ExportError: a layer has a size that is open.
    """
    if not layers:
        return 0
    graph, count = file.subgraphs[0], 0
    while (found := _next(file, graph, layers)) is not None:
        _replace(file, graph, *found)
        count += 1
    _drop_dead(file, graph)
    return count


def _next(file: Any, graph: Any, layers: Mapping[str, Written]) -> tuple[int, Written] | None:
    for place, op in enumerate(graph.operators):
        custom = file.operatorCodes[op.opcodeIndex].customCode
        name = custom.decode() if isinstance(custom, bytes) else str(custom or "")
        if name in layers:
            return place, layers[name]
    return None


def _replace(file: Any, graph: Any, place: int, written: Written) -> None:
    op = graph.operators[place]
    inputs = [_source(file, graph, int(number)) for number in op.inputs]
    outputs = [_wanted(file, graph, int(number)) for number in op.outputs]
    for tensor in (*inputs, *(one for one in outputs if one is not None)):
        if any(size < 1 for size in tensor.shape) or _is_open(graph, tensor):
            raise ExportError([_open(written)])
    place = next(i for i, one in enumerate(graph.operators) if one is op)
    del graph.operators[place]
    assembler = Assembler(file, graph, place)
    cells = written.cells
    x, *others = inputs
    count = sum(len(cell.step.states) for cell in cells)
    initial = others[:count] if len(others) >= count else []
    mask = others[len(initial)] if len(others) > len(initial) else None
    if x.grid is None:
        raise ExportError(
            [
                Problem(
                    written.layer.name,
                    "its input is not quantized",
                    "let quantize_model quantize the layer before it, too",
                )
            ]
        )
    ends = Ends(x, initial, mask, outputs)
    (write_fused if written.layer.fused else write_loop)(assembler, written, ends)


def _is_open(graph: Any, tensor: Tensor) -> bool:
    signature = graph.tensors[tensor.number].shapeSignature
    return signature is not None and any(int(size) < 0 for size in signature)


def _open(written: Written) -> Problem:
    return Problem(
        written.layer.name,
        "a recurrent layer in int8 has a fixed batch and number of steps",
        "give export an input_shape with both, such as input_shape=(49, 16)",
    )


def _source(file: Any, graph: Any, number: int) -> Tensor:
    """What an input is before it was made float."""
    for op in graph.operators:
        if number in map(int, op.outputs) and _name(file, op) == "DEQUANTIZE":
            return read_tensor(graph, int(op.inputs[0]))
    return read_tensor(graph, number)


def _wanted(file: Any, graph: Any, number: int) -> Tensor | None:
    """What an output is quantized to; itself if someone takes it as float; None: nobody does.

    What quantizes it is taken out of the graph.
    """
    users = [op for op in graph.operators if number in map(int, op.inputs)]
    if not users and number not in map(int, graph.outputs):
        return None
    if len(users) == 1 and _name(file, users[0]) == "QUANTIZE" and number not in graph.outputs:
        graph.operators[:] = [op for op in graph.operators if op is not users[0]]
        return read_tensor(graph, int(users[0].outputs[0]))
    return read_tensor(graph, number)


def _name(file: Any, op: Any) -> str:
    code = file.operatorCodes[op.opcodeIndex]
    return operator_name(max(int(code.builtinCode), int(code.deprecatedBuiltinCode)))


def _drop_dead(file: Any, graph: Any) -> None:
    """Take out conversions that nobody needs any more, and tensors of no operation."""
    while True:
        used = {int(n) for op in graph.operators for n in op.inputs} | set(map(int, graph.outputs))
        dead = [
            op
            for op in graph.operators
            if _name(file, op) == "DEQUANTIZE" and not used & set(map(int, op.outputs))
        ]
        if not dead:
            return
        graph.operators[:] = [op for op in graph.operators if all(op is not one for one in dead)]
