"""Whether a file is what was planned: its layers float where they are to be, and int8 elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from optim._keras import keras
from optim.errors import ExportError, Problem, UnsupportedModelError
from optim.graph.graph import Node, Value, is_input
from optim.graph.parameter import Parameter
from optim.graph.reader import read
from optim.litert.flatbuffer import LiteRTFile
from optim.litert.reader import Operation, Subgraph, read_subgraphs
from optim.litert.runtime import Runtime
from optim.quantization.quantizers.keep_float import KeepFloat
from optim.quantization.quantizers.quantizers import TensorQuantizeConfig
from optim.quantization.quantizers.wrappers import QuantizeLayer, QuantizeWrapper

__all__ = ["Planned", "check_agreement", "check_ends", "float_kernels", "is_float", "planned"]

K = keras.layers

Planned = Mapping[str, bool]
"""Name of a layer -> whether it is float in the file. Layers that are not in it may be either."""

#: They move bytes: the converter puts them on the one or the other side of a quantizer.
_MOVING = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE")

_INDICES = ("int32", "int64", "bool")

_REMEDY = "skip the layer in optim.quantize_model, or give it a quantize config in `configs`"


def planned(model: Any) -> Planned:
    """Return what the layers of a quantization-aware model are to be in a file.

    Args:
        model: any; what `optim.quantize_model` did not make, nothing is known of.
    """
    layers = list(model._flatten_layers(include_self=False))
    if not any(isinstance(layer, (QuantizeWrapper, QuantizeLayer)) for layer in layers):
        return {}
    try:
        nodes = read(model).nodes
    except UnsupportedModelError:
        return {}
    found: dict[str, set[bool]] = {}
    states: dict[Value, bool | None] = {}
    for node in nodes:
        state, after = _state(node, states)
        states.update(dict.fromkeys(node.outputs, after))
        if state is not None:
            found.setdefault(node.layer.name, set()).add(state)
        elif not is_input(node):
            found.setdefault(node.layer.name, set()).update((True, False))
    return {name: one.pop() for name, one in found.items() if len(one) == 1}


def _state(node: Node, states: dict[Value, bool | None]) -> tuple[bool | None, bool | None]:
    """Whether a layer is float in a file, and whether its output is; None: neither is known."""
    layer = node.layer
    if isinstance(layer, KeepFloat):
        return None, not layer.leaves
    if isinstance(layer, QuantizeLayer):
        return None, False
    if isinstance(layer, QuantizeWrapper):
        known = type(layer.quantize_config) is TensorQuantizeConfig
        return (False, False) if known else (None, None)
    if is_input(node):
        return None, True
    if isinstance(layer, Parameter) or not any(value.is_float for value in node.outputs):
        return None, None
    taken = {states[value] for value in node.inputs if value.is_float} - {None}
    state = taken.pop() if len(taken) == 1 else None
    return state, state


def float_kernels(model: Any, plan: Planned) -> Iterator[np.ndarray]:
    """Yield the kernels of transposed convolutions that are to be float."""
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, (K.Conv1DTranspose, K.Conv2DTranspose)) and plan.get(layer.name):
            yield layer.kernel.numpy()


def is_float(names: str, end: str, model_name: str, plan: Planned) -> bool | None:
    """Whether an operation is to be float.

    Args:
        names: of its output in the file: those of the operations that it was made of, by `;`.
        end: the name that the output has as one of the model; empty if it is none.
        model_name: the outermost scope of the names.
        plan: as `planned` returns it.

    Returns:
        None where the plan does not say, or says both.
    """
    layers = {_layer(name, model_name) for name in names.split(";")}
    wanted = {plan[layer] for layer in layers if layer in plan}
    if end in plan and not wanted:
        return plan[end]
    return wanted.pop() if len(wanted) == 1 else None


def _layer(name: str, model_name: str) -> str:
    parts = name.split(":")[0].split("/")
    return parts[1] if len(parts) > 2 and parts[0] == model_name else ""


def check_ends(file: LiteRTFile, io_dtype: str) -> None:
    """Tell of inputs and outputs that stay float though another dtype was asked for.

    Warns:
        UserWarning: there are some: next to a layer that is float, nothing has a scale.
    """
    if io_dtype == "float32":
        return
    details = Runtime(file)
    ends = {"input": details.inputs, "output": details.outputs}
    left = [f"{what} {one.name!r}" for what in ends for one in ends[what] if one.dtype == "float32"]
    if left:
        warnings.warn(
            f"export: io_dtype={io_dtype!r} does not reach {', '.join(left)}, which stays float32: "
            "the layer next to it is float, and print(optim.plan(model)) says why",
            stacklevel=3,
        )


def check_agreement(file: Any, model_name: str, output_names: Sequence[str], plan: Planned) -> None:
    """Refuse a file in which a layer is quantized that was to be float; tell of the opposite.

    A layer that was to be float has a reason: its numbers would be wrong. One that stays float is
    right, and slower.

    Args:
        file: as `litert.parse` returns it.
        model_name: the outermost scope of the names in it.
        output_names: of the model, in the order of the file.
        plan: as `planned` returns it.

    Warns:
        UserWarning: layers are float that were planned to be quantized.

    Raises:
        ExportError: layers are quantized that were planned to be float.
    """
    if not plan:
        return
    graph = read_subgraphs(file, model_name, ())[0]
    ends = dict(zip(graph.outputs, output_names, strict=False))
    found = list(_problems(graph, ends, model_name, plan))
    refused = {one.layer: one for wanted, one in found if wanted}
    if refused:
        raise ExportError(
            refused.values(), "the file is not what optim.plan says, which it has to be"
        )
    slower = {one.layer: one for _, one in found}
    if slower:
        told = "; ".join(map(str, slower.values()))
        warnings.warn(f"export: the file has float islands: {told}", stacklevel=3)


def _problems(
    graph: Subgraph, ends: Mapping[int, str], model_name: str, plan: Planned
) -> Iterator[tuple[bool, Problem]]:
    """Yield what is not as planned, each with whether it was to be float."""
    edges = _edges(graph)
    for op in graph.operations:
        if op.kind not in ("float", "hybrid", "int8", "int16x8") or not op.outputs:
            continue
        output = op.outputs[0]
        wanted = is_float(graph.tensors[output].name, ends.get(output, ""), model_name, plan)
        found = not op.quantized
        if graph.tensors[output].dtype in _INDICES:
            continue  # a layer that looks up makes its own of numbers
        if wanted is None or (wanted == found and op.kind != "hybrid"):
            continue
        if op.name == "QUANTIZE" or (op.name in _MOVING and output in edges):
            continue
        yield wanted, _problem(op, wanted)


def _edges(graph: Subgraph) -> set[int]:
    """Tensors with nothing but moved bytes between them and a change between float and int8."""
    conversions = [op for op in graph.operations if op.kind == "conversion"]
    found = {i for op in conversions for i in (*op.inputs, *op.outputs)}
    moving = [op for op in graph.operations if op.name in _MOVING]
    for op in (*moving, *reversed(moving)):
        ends = {op.inputs[0], op.outputs[0]}
        if ends & found:
            found |= ends
    return found


def _problem(op: Operation, wanted: bool) -> Problem:
    what = "float" if wanted else "quantized"
    return Problem(op.layer, f"planned to be {what}, but {op.name} is {op.kind}", _REMEDY)
