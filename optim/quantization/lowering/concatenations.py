"""Per-channel maps behind a concatenation, pushed into its branches.

All parts of a concatenation have one scale. Where one of them is a thousandth of the others, none
of it is left, though a normalization right behind makes all of them alike.
`BN(concat(a, b)) = concat(BN_a(a), BN_b(b))`, in training too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from optim._keras import keras
from optim.graph.graph import Graph, Node, Value
from optim.quantization.layers import Affine
from optim.quantization.lowering.affine import add_affine
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import config_of, is_fusable_relu, weights_of

K = keras.layers

_UNEQUAL = 8.0
"""Ratio of ranges from which on it pays: three of eight bits."""

Make = Callable[[Value, slice, str], Value | None]
"""`(part, its channels, name) -> the part behind the map`."""


@rule(K.BatchNormalization)
def normalization_behind_a_concatenation(graph: Graph, node: Node) -> Result:
    layer = node.layer
    parts = _parts(graph, node)
    if type(layer) is not K.BatchNormalization or parts is None or not _is_last(layer.axis, node):
        return None
    arrays = weights_of(node)
    mean, variance = arrays[-2:]
    if not _unequal(np.abs(mean) + np.sqrt(variance + layer.epsilon), parts):
        return None

    def make(part: Value, channels: slice, name: str) -> Value:
        new = K.BatchNormalization.from_config({**config_of(layer), "name": name})
        return graph.add(
            new,
            part,
            kwargs=node.kwargs,
            specs=part.spec,
            weights=[array[channels] for array in arrays],
        ).output

    return _pushed(graph, node, parts, make)


@rule(Affine)
def affine_behind_a_concatenation(graph: Graph, node: Node) -> Result:
    parts = _parts(graph, node)
    if parts is None:
        return None
    scale, offset = weights_of(node)
    if not _unequal(1.0 / np.maximum(np.abs(scale), 1e-30), parts):
        return None

    def make(part: Value, channels: slice, name: str) -> Value | None:
        trainable = bool(node.layer.trainable)
        return add_affine(graph, part, scale[channels], offset[channels], name, trainable)

    return _pushed(graph, node, parts, make)


def _parts(graph: Graph, node: Node) -> list[Value] | None:
    """The branches of the concatenation of channels that a node takes; None if it takes none."""
    if graph.is_shared(node) or len(node.inputs) != 1:
        return None
    before = node.inputs[0].node
    if (
        type(before.layer) is not K.Concatenate
        or before.skip
        or not _is_last(before.layer.axis, node)
    ):
        return None
    parts = before.inputs
    known = all(part.channels is not None and part.is_float for part in parts)
    return parts if known and len(parts) > 1 else None


def _is_last(axis: Any, node: Node) -> bool:
    rank = node.inputs[0].rank or 0
    axes = [axis] if isinstance(axis, int) else list(axis)
    return rank >= 2 and [a % rank for a in axes] == [rank - 1]


def _slices(parts: Sequence[Value]) -> list[slice]:
    ends = np.cumsum([part.channels or 0 for part in parts])
    return [
        slice(int(end) - (part.channels or 0), int(end))
        for part, end in zip(parts, ends, strict=True)
    ]


def _unequal(sizes: np.ndarray, parts: Sequence[Value]) -> bool:
    """Whether the values of the branches differ in size by much, by what they are divided by."""
    largest = [float(np.max(sizes[channels])) for channels in _slices(parts)]
    return max(largest) > _UNEQUAL * min(largest)


def _pushed(graph: Graph, node: Node, parts: list[Value], make: Make) -> Result:
    after = graph.sole_use(node.output)
    if after is not None and (graph.is_shared(after) or after.skip or not is_fusable_relu(after)):
        after = None
    made = []
    for number, (part, channels) in enumerate(zip(parts, _slices(parts), strict=True)):
        value = make(part, channels, graph.unique_name(f"{node.name}_{number}"))
        if value is None:
            return None
        if after is not None:  # a rectifier goes along, or half of the range is for nothing
            config = {
                **after.layer.get_config(),
                "name": graph.unique_name(f"{after.name}_{number}"),
            }
            value = graph.add(type(after.layer).from_config(config), value, specs=value.spec).output
        made.append(value)
    name = node.name if after is None else after.name
    joined = graph.add(K.Concatenate(name=name), made, specs=node.output.spec).output
    if after is not None:
        graph.replace(after.output, joined)
    return joined
