"""Outputs of recurrent layers that go into a concatenation, and elsewhere too.

A concatenation has one grid for all that it joins. The converter rounds its parts to that grid, but
not a part that is the output of an operation unknown to the converter and has a grid already. So
such an output is left without a grid, and whoever else uses it gets it through a layer that gives
it one.
"""

from __future__ import annotations

from typing import Any

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.quantization.layers import Identity, register
from optim.quantization.recurrent.layer import Recurrent
from optim.quantization.recurrent.step_shapes import BatchAsSteps, StepsAsBatch

K = keras.layers

_JOINS = ("concat", "stack", "where", "compat.v1.where")
_MOVES = (Identity, BatchAsSteps, StepsAsBatch, K.Reshape, K.Flatten, K.Dropout, K.Permute)


@register
class OnGrid(Identity):  # type: ignore[misc]
    """Hands on a value that is quantized here."""


def separate(graph: Graph) -> None:
    """Put an `OnGrid` before those who take a joined value otherwise, in place."""
    for node in graph.nodes:
        if isinstance(node.layer, Recurrent):
            for value in node.outputs:
                _separate(graph, value)


def is_joined(graph: Graph, value: Value) -> bool:
    """Whether a concatenation takes a value, perhaps moved about."""
    return any(_joins(graph, node) for node in value.uses)


def _joins(graph: Graph, node: Node) -> bool:
    if isinstance(node.layer, K.Concatenate) or node.symbol in _JOINS:
        return not node.skip
    if not isinstance(node.layer, _MOVES) or graph.is_output(node.output):
        return False
    after = graph.sole_use(node.output)
    return after is not None and _joins(graph, after)


def _separate(graph: Graph, value: Value) -> None:
    others = [node for node in value.uses if not _joins(graph, node)]
    if not is_joined(graph, value) or not (others or graph.is_output(value)):
        return
    name = graph.unique_name(f"{value.node.name}_on_grid")
    made = graph.add(OnGrid(name=name), value, specs=value.spec)
    made.path = value.node.path

    def swap(x: Any) -> Any:
        return made.output if x is value else x

    for node in others:
        before = node.inputs
        args, kwargs = tf.nest.map_structure(swap, (node.args, node.kwargs))
        graph.call_with(node, args, kwargs, before)
    graph.outputs = tf.nest.map_structure(swap, graph.outputs)
