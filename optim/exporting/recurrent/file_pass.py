"""Putting recurrent layers in the place of the operations that stand for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optim.errors import ExportError, Problem
from optim.exporting.recurrent.assembler import Assembler, Tensor, read_tensor, source
from optim.exporting.recurrent.fused import write_fused
from optim.exporting.recurrent.joins import dequantize_later, quantize_joins
from optim.exporting.recurrent.loops import Ends, write_loop
from optim.litert.flatbuffer import operator_name
from optim.litert.layer_names import layer_of
from optim.quantization.recurrent.written import Written


def write_recurrent(file: Any, layers: Mapping[str, Written]) -> int:
    """Write layers.

    Args:
        file: from `writer.unpack`. Modified in place.
        layers: name of an operation -> what it stands for.

    Returns:
        How many operations were replaced.

    Raises:
        ExportError: a layer has a size that is open, or is not in the file.
    """
    if not layers:
        return 0
    graph, count = file.subgraphs[0], 0
    quantize_joins(file, graph)
    dequantize_later(file, graph)
    done: set[str] = set()
    while (found := _next(file, graph, layers)) is not None:
        place, name = found
        _replace(file, graph, place, layers[name])
        done.add(name)
        count += 1
    _drop_dead(file, graph)
    _check_others(file)
    lost = [layers[name].layer.name for name in layers if name not in done]
    if lost:
        raise ExportError(
            Problem(name, "the converter has lost the layer", "skip it in optim.quantize_model")
            for name in lost
        )
    return count


def refuse_int16(layers: Mapping[str, Written]) -> None:
    """Refuse recurrent layers in a file of 16-bit activations.

    Raises:
        ExportError: there are any.
    """
    if layers:
        raise ExportError(
            Problem(
                one.layer.name,
                f"operation {'UNIDIRECTIONAL_SEQUENCE_LSTM' if one.layer.fused else 'WHILE'}: "
                "LiteRT has no int16 recurrent operation",
                "use int8, or take the layer out of the model",
            )
            for one in layers.values()
        )


def _check_others(file: Any) -> None:
    """Refuse operations that the converter took for placeholders, too: it knows none of them."""
    found: dict[str, Problem] = {}
    for graph in file.subgraphs:
        for op in graph.operators:
            custom = file.operatorCodes[op.opcodeIndex].customCode
            if not custom or len(op.outputs) == 0:
                continue
            name = custom.decode() if isinstance(custom, bytes) else str(custom)
            made = graph.tensors[int(op.outputs[0])].name
            layer = layer_of((made or b"").decode(errors="replace"))
            found[name] = Problem(
                layer,
                f"operation {name}: LiteRT has no kernel for it",
                "replace the layer, or take it out of the model",
            )
    if found:
        raise ExportError(found.values())


def _next(file: Any, graph: Any, layers: Mapping[str, Written]) -> tuple[int, str] | None:
    for place, op in enumerate(graph.operators):
        custom = file.operatorCodes[op.opcodeIndex].customCode
        name = custom.decode() if isinstance(custom, bytes) else str(custom or "")
        if name in layers:
            return place, name
    return None


def _replace(file: Any, graph: Any, place: int, written: Written) -> None:
    op = graph.operators[place]
    inputs = [source(file, graph, int(number)) for number in op.inputs]
    outputs = [_wanted(file, graph, int(number)) for number in op.outputs]
    for tensor in (*inputs, *(one for made in outputs for one in made)):
        if any(size < 1 for size in tensor.shape) or _is_open(graph, tensor):
            raise ExportError([_open(written)])
    place = next(i for i, one in enumerate(graph.operators) if one is op)
    del graph.operators[place]
    assembler = Assembler(file, graph, place)
    x, *initial = inputs
    mask = initial.pop() if initial and initial[-1].dtype == "bool" else None
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


def _wanted(file: Any, graph: Any, number: int) -> list[Tensor]:
    """What an output is quantized to, and itself if someone takes it as float.

    What quantizes it is taken out of the graph.
    """
    users = [op for op in graph.operators if number in map(int, op.inputs)]
    rounding = [op for op in users if _name(file, op) == "QUANTIZE"]
    found = [read_tensor(graph, int(op.outputs[0])) for op in rounding]
    graph.operators[:] = [op for op in graph.operators if all(op is not one for one in rounding)]
    if len(users) > len(rounding) or number in map(int, graph.outputs):
        found.append(read_tensor(graph, number))
    return found


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
