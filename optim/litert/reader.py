"""The content of a LiteRT file as plain data: tensors and operations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from optim.litert import flatbuffer
from optim.litert.damage import damage_refused
from optim.litert.layer_names import layer_of
from optim.litert.operators import macs, operator
from optim.litert.trips import loop_layers, trips

_FLOATS = ("float32", "float16", "float64", "bfloat16")
_QUANTIZED = ("int8", "int16", "uint8", "int4")


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file.

    Attributes:
        name: as the converter wrote it: names of operations, joined by `;` if fused.
        shape: static shape; -1 for open sizes.
        dtype: "float32", "int8", ...
        scale, zero_point: of a per-tensor quantization; None otherwise.
        constant: whether the file holds its value.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None
    constant: bool = False


@dataclass(frozen=True)
class Operation:
    """An operation of a file.

    Attributes:
        name: "CONV_2D", ...; of a custom operation its own name.
        layer: the layer that made it, from the names of its outputs.
        kind: what it computes with: "int8", "int16x8", "float", "hybrid" (float
            activations, int8 weights), "conversion" (between float and integer), or "other"
            (indices, shapes, and work on constants).
        macs: number of multiply-accumulates in one run of the model.
        custom: whether it is no builtin operation.
        subgraph: number of the subgraph it is in.
        inputs, outputs: numbers of tensors; inputs that are left out do not count.
    """

    name: str
    layer: str
    kind: str
    macs: int
    custom: bool
    subgraph: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def quantized(self) -> bool:
        return self.kind in ("int8", "int16x8")

    @property
    def flex(self) -> bool:
        """Whether it needs TensorFlow's own kernels at run time."""
        return self.custom and self.name.startswith("Flex")


@dataclass(frozen=True)
class Subgraph:
    """A part of a file: the model itself (the first), or the body of a loop or branch."""

    tensors: list[Tensor]
    operations: list[Operation]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@damage_refused()
def read_subgraphs(model: Any, model_name: str, output_names: Iterable[str]) -> list[Subgraph]:
    """Read all operations and tensors.

    Args:
        model: root table, from `litert.parse`.
        model_name: name of the Keras model, the outermost scope of the names; may be empty.
        output_names: names of the outputs of the first subgraph; may be empty.

    Raises:
        ModelFileError: what is in the tables does not go together: a damaged file.
    """
    constant = [
        model.Buffers(i).DataLength() > 0 or model.Buffers(i).Offset() > 1
        for i in range(model.BuffersLength())
    ]
    names = list(output_names)
    graphs = []
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        tensors = [_tensor(graph.Tensors(i), constant) for i in range(graph.TensorsLength())]
        outputs = _numbers(graph.OutputsAsNumpy())
        known = dict(zip(outputs, names, strict=False)) if number == 0 else {}
        computed: set[int] = set()  # tensors that are constant though no value is in the file
        operations = [
            _operation(model, graph.Operators(i), tensors, computed, number, model_name, known)
            for i in range(graph.OperatorsLength())
        ]
        graphs.append(Subgraph(tensors, operations, _numbers(graph.InputsAsNumpy()), outputs))
    return _repeated(model, graphs)


def _repeated(model: Any, graphs: list[Subgraph]) -> list[Subgraph]:
    """What loops run counts as often as it is run, for the layer of the loop if it has no other."""
    counts = trips(model) if len(graphs) > 1 else [1]
    owners = loop_layers(model, [[op.layer for op in graph.operations] for graph in graphs])
    return [
        replace(
            graph,
            operations=[
                replace(op, macs=op.macs * count, layer=op.layer or owner)
                for op in graph.operations
            ],
        )
        for graph, count, owner in zip(graphs, counts, owners, strict=True)
    ]


def _numbers(array: Any) -> tuple[int, ...]:
    return () if isinstance(array, int) else tuple(int(i) for i in array if i >= 0)


def _tensor(tensor: Any, constant: list[bool]) -> Tensor:
    signature = tensor.ShapeSignatureAsNumpy()
    shape = tensor.ShapeAsNumpy() if isinstance(signature, int) else signature
    scale = zero_point = None
    q = tensor.Quantization()
    if q is not None and q.ScaleLength() == 1:
        scale, zero_point = float(q.Scale(0)), int(q.ZeroPoint(0))
    return Tensor(
        (tensor.Name() or b"").decode(errors="replace"),
        () if isinstance(shape, int) else tuple(int(s) for s in shape),
        flatbuffer.dtype_name(tensor.Type()),
        scale,
        zero_point,
        constant[tensor.Buffer()],
    )


def _operation(
    model: Any,
    operator: Any,
    tensors: list[Tensor],
    computed: set[int],
    subgraph: int,
    model_name: str,
    output_names: dict[int, str],
) -> Operation:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Old files have the number in a field of one byte.
    name = flatbuffer.operator_name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
    custom = name == "CUSTOM"
    if custom:
        name = (code.CustomCode() or b"CUSTOM").decode(errors="replace")
    slots = operator.InputsAsNumpy()
    operands = [] if isinstance(slots, int) else [int(i) for i in slots]
    inputs, outputs = _numbers(slots), _numbers(operator.OutputsAsNumpy())
    moving = [tensors[i].dtype for i in inputs if not (tensors[i].constant or i in computed)]
    if not moving and inputs:
        computed.update(outputs)
    kind = _kind(
        name,
        bool(moving) or not inputs,
        [*moving, *(tensors[i].dtype for i in outputs)],
        [tensors[i].dtype for i in inputs if tensors[i].constant],
    )
    shapes = [tensors[i].shape if i >= 0 else () for i in operands]
    return Operation(
        name,
        # What assigns a variable has no outputs: it is named by what it assigns.
        _layer(
            [(tensors[i].name, output_names.get(i, "")) for i in outputs or inputs[::-1]],
            model_name,
        ),
        kind,
        macs(name, operator, shapes, [tensors[i].shape for i in outputs]),
        custom,
        subgraph,
        inputs,
        outputs,
    )


def _kind(name: str, moves: bool, activations: list[str], constants: list[str]) -> str:
    if not moves:
        return "other"
    floats = any(d in _FLOATS for d in activations)
    integers = [d for d in activations if d in _QUANTIZED]
    if operator(name).converts and floats:
        return "conversion"
    if floats:
        return "hybrid" if "int8" in constants or "int4" in constants else "float"
    if not integers:
        return "other"
    return "int16x8" if "int16" in integers else "int8"


def _layer(outputs: list[tuple[str, str]], model_name: str) -> str:
    """The layer of an operation; of an output of the model, that output's name."""
    for name, output_name in outputs:
        found = output_name or layer_of(name, model_name)
        if found:
            return found
    return ""
