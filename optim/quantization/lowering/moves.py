"""Functions that move values, for which the converter has no int8 form, as slices, which have one.

`REVERSE_V2` keeps what is behind it float in quantization-aware models; `UNPACK`, and a `SPLIT`
of which not all parts are taken, are float themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.quantization.lowering.calls import arguments, function_layer
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.planning.model_inputs import parts_indices

K = keras.layers

_ROWS, _COLUMNS = 1, 2  # of images

#: Function -> the axis that it reverses.
_FLIPPED = {"image.flip_left_right": _COLUMNS, "image.flip_up_down": _ROWS}


@rule("reverse")
def reverse(graph: Graph, node: Node) -> Result:
    call = arguments(node, "tensor", "axis")
    x, axes = call["tensor"], call["axis"]
    if not _is_moved(x):
        return None
    found = tf.get_static_value(axes)
    if found is None:
        return None
    return _reversed(graph, x, [int(n) % x.rank for n in np.ravel(found)], node.name)


@rule(*_FLIPPED)
def flip(graph: Graph, node: Node) -> Result:
    (x,) = arguments(node, "image").values()
    if not _is_moved(x) or x.rank != 4:
        return None
    return _reversed(graph, x, [_FLIPPED[node.symbol]], node.name)


@rule("image.rot90")
def quarter_turns(graph: Graph, node: Node) -> Result:
    """Of one, rows become columns; what is reversed decides the direction."""
    call = arguments(node, "image", "k")
    x: Value = call["image"]
    turns = 1 if call["k"] is None else call["k"]
    if not _is_moved(x) or x.rank != 4 or not isinstance(turns, int):
        return None
    turns %= 4
    if turns == 0:
        return x
    if turns == 2:
        return _reversed(graph, x, [_ROWS, _COLUMNS], node.name)
    first = graph.unique_name(f"{node.name}_first")
    if turns == 1:
        return _transposed(graph, _reversed(graph, x, [_COLUMNS], first), node.name)
    return _reversed(graph, _transposed(graph, x, first), [_COLUMNS], node.name)


@rule("unstack")
def unstack(graph: Graph, node: Node) -> Result:
    call = arguments(node, "value", "num", "axis")
    x, axis = call["value"], call["axis"] or 0
    if not _is_moved(x) or not isinstance(axis, int):
        return None
    axis %= x.rank
    options = {**_whole(x, [axis]), "shrink_axis_mask": 1 << axis}
    spans = [(i, i + 1) for i in range(len(node.outputs))]
    return _parts(graph, node, x, axis, spans, options)


@rule("split")
def split(graph: Graph, node: Node) -> Result:
    call = arguments(node, "value", "num_or_size_splits", "axis")
    x, axis = call["value"], call["axis"] or 0
    all_taken = len(_taken(graph, node)) == len(node.outputs)
    if not _is_moved(x) or not isinstance(axis, int):
        return None
    if all_taken and not parts_indices(node):  # its parts have one scale
        return None
    axis %= x.rank
    sizes = [output.shape[axis] if output.shape else None for output in node.outputs]
    ends = [sum(size or 0 for size in sizes[: i + 1]) for i in range(len(sizes))]
    if None in sizes:
        return None
    spans = [(end - (size or 0), end) for size, end in zip(sizes, ends, strict=True)]
    return _parts(graph, node, x, axis, spans, _whole(x, [axis]))


def _is_moved(x: Any) -> bool:
    return isinstance(x, Value) and x.is_float and bool(x.rank)


def _taken(graph: Graph, node: Node) -> list[int]:
    """Which outputs of a node anything takes."""
    ends = {id(one) for one in tf.nest.flatten(graph.outputs)}
    return [i for i, one in enumerate(node.outputs) if one.uses or id(one) in ends]


def _whole(x: Value, but: Sequence[int] = ()) -> dict[str, int]:
    """Options of a slice that takes all of an axis, but for some axes."""
    mask = sum(1 << axis for axis in range(x.rank or 0) if axis not in but)
    return {"begin_mask": mask, "end_mask": mask}


def _reversed(graph: Graph, x: Value, axes: Sequence[int], name: str) -> Value:
    rank = x.rank or 0
    steps = [-1 if axis in axes else 1 for axis in range(rank)]
    layer = function_layer("strided_slice", name)
    ends = [0] * rank
    return graph.add(layer, x, ends, list(ends), steps, specs=x.spec, kwargs=_whole(x)).output


def _transposed(graph: Graph, x: Value, name: str) -> Value:
    batch, rows, columns, channels = x.shape or ()
    spec = tf.TensorSpec((batch, columns, rows, channels), x.spec.dtype)
    return graph.add(K.Permute((2, 1, 3), name=name), x, specs=spec).output


def _parts(
    graph: Graph,
    node: Node,
    x: Value,
    axis: int,
    spans: Sequence[tuple[int, int]],
    options: dict[str, int],
) -> Result:
    """Slices along one axis in the place of the outputs of a node."""
    made = {}
    for i in _taken(graph, node):
        begin, end = ([n if one == axis else 0 for one in range(x.rank or 0)] for n in spans[i])
        layer = function_layer("strided_slice", graph.unique_name(f"{node.name}_part"))
        ones = [1] * len(begin)
        part = graph.add(layer, x, begin, end, ones, specs=node.outputs[i].spec, kwargs=options)
        made[i] = part.output
    if not made:
        return None
    # In the place of what nobody takes anything may stand.
    return [made.get(i, next(iter(made.values()))) for i in range(len(node.outputs))]
