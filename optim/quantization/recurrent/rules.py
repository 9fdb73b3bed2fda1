"""Rules for recurrent layers: to `Recurrent`, one per direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.models.vocabularies import variables
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import hierarchy, sources_of
from optim.quantization.recurrent.cells import (
    copied,
    fused_step,
    is_convolution,
    refused,
    step_of,
)
from optim.quantization.recurrent.layer import Recurrent

K = keras.layers


_MERGES = {"concat": K.Concatenate, "sum": K.Add, "mul": K.Multiply, "ave": K.Average}


@dataclass(frozen=True)
class _Way:
    """One layer, in one direction.

    Attributes:
        layer: of class `RNN`.
        initial: its initial states.
        specs: of its outputs: itself, and states.
        unused: whether nothing takes its states but the first.
        name: of the new layer.
        mask: that the call is given as an argument.
        direction: "forward" or "backward" within a Bidirectional; empty otherwise.
    """

    layer: Any
    initial: list[Value]
    specs: list[Any]
    unused: bool
    name: str
    mask: Value | None = None
    direction: str = ""

    @property
    def cells(self) -> list[Any]:
        cell = self.layer.cell
        return list(getattr(cell, "cells", None) or [cell])


@rule(K.RNN)
def recurrent_layer(graph: Graph, node: Node) -> Result:
    """`RNN` and its kind, `LSTM` and `GRU` among them, and `ConvLSTM`: one `Recurrent`."""
    specs = [value.spec for value in node.outputs]
    unused = _unused(graph, node.outputs[2:])
    mask, initial = _mask_and_states(node)
    way = _Way(node.layer, initial, specs, unused, node.name, mask)
    node.note = _refused(node, [way])
    if node.note:
        return None
    return list(_add(graph, node, way).outputs)


@rule(K.Bidirectional)
def both_directions(graph: Graph, node: Node) -> Result:
    """Two layers, of which the second goes backwards, and what merges their outputs."""
    layer = node.layer
    mask, initial = _mask_and_states(node)
    separate = layer.merge_mode is None
    states = node.outputs[1 + separate :]
    half, mid = len(initial) // 2, len(states) // 2
    ways = []
    for inner, given, own, name in (
        (layer.forward_layer, initial[:half], states[:mid], "forward"),
        (layer.backward_layer, initial[half:], states[mid:], "backward"),
    ):
        if K.RNN not in hierarchy(inner):
            node.note = f"recurrent: it wraps a {type(inner).__name__}, which is no RNN of Keras"
            return None
        shape = tf.nest.flatten(inner.compute_output_shape(node.inputs[0].spec.shape))
        spec = tf.TensorSpec(_shape(shape), node.output.spec.dtype)
        ways.append(
            _Way(
                inner,
                given,
                [spec, *(value.spec for value in own)],
                _unused(graph, own[1:]),
                graph.unique_name(f"{node.name}_{name}"),
                mask,
                name,
            )
        )
    node.note = _refused(node, ways)
    if node.note:
        return None
    forward, backward = (
        _add(graph, node, way, sources=variables(way.layer.weights)) for way in ways
    )
    kept = [*forward.outputs[1:], *backward.outputs[1:]]
    if separate:
        return [forward.output, backward.output, *kept]
    # With states, the name of the layer may be that of one of their outputs.
    name = graph.unique_name(f"{node.name}_merged") if kept else node.name
    merge = _MERGES[layer.merge_mode](name=name)
    both = [forward.output, backward.output]
    return [graph.add(merge, both, specs=node.output.spec).output, *kept]


def _mask_and_states(node: Node) -> tuple[Value | None, list[Value]]:
    """The mask that a call is given as an argument, by name as Keras wants it, and the states."""
    mask = node.kwargs.get("mask")
    found = mask if isinstance(mask, Value) else None
    return found, [value for value in node.inputs[1:] if value is not found]


def _shape(shape: Any) -> Any:
    """A shape from what Keras' layers return for one: a shape, or its sizes one by one."""
    first = shape[0]
    return first if isinstance(first, tf.TensorShape) else tf.TensorShape(shape)


def _unused(graph: Graph, values: list[Value]) -> bool:
    return not any(value.uses or graph.is_output(value) for value in values)


def _refused(node: Node, ways: list[_Way]) -> str:
    """Why a layer has to stay float; empty if it has not."""
    cells = [cell for way in ways for cell in way.cells]
    why = next(filter(None, map(refused, cells)), "")
    options = [*node.args[1:], *node.kwargs.values()]
    if why:
        pass
    elif any(getattr(way.layer, "time_major", False) for way in ways):
        why = "its first axis is time: use time_major=False"
    elif any(getattr(way.layer.cell, "reverse_state_order", False) for way in ways):
        why = "its states come in reverse order: use reverse_state_order=False"
    elif any(len(way.cells) > 1 and is_convolution(way.cells[0]) for way in ways):
        why = "its convolutions are stacked in one layer: use a layer for each"
    elif any(x is not None and not isinstance(x, (bool, Value)) for x in flat(options)):
        why = "it is called with a constant as state: give it as a tensor"
    elif node.inputs[0].shape is None or None in node.inputs[0].shape[2:]:
        why = "sizes of its inputs are open: give them to keras.Input"
    elif any(len(way.initial) not in (0, _count(way.cells)) for way in ways):
        why = "it takes constants besides its states"
    return why and f"recurrent: {why}"


def flat(structure: Any) -> list[Any]:
    return list(tf.nest.flatten(structure))


def _count(cells: list[Any]) -> int:
    return sum(len(step_of(cell).states) for cell in cells)


def _add(graph: Graph, node: Node, way: _Way, sources: list[Any] | None = None) -> Node:
    """Append the `Recurrent` of one direction."""
    layer, cells = way.layer, way.cells
    calls = [n for n in graph.nodes if n.layer is node.layer]
    masked = way.mask is not None or any(node.masks)
    plain = way.unused and not (way.initial or masked or layer.stateful)
    if len(calls) > 1:  # with one set of weights, and so in one form
        plain = plain and all(len(n.inputs) == 1 and len(n.outputs) == 1 for n in calls)
    fused = len(cells) == 1 and plain and bool(fused_step(cells[0]))

    def make() -> Recurrent:
        return Recurrent(
            [copied(cell) for cell in cells],
            fused=fused,
            return_sequences=layer.return_sequences,
            return_state=layer.return_state,
            go_backwards=layer.go_backwards,
            reversed_outputs=way.direction == "backward" and layer.return_sequences,
            stateful=layer.stateful,
            zero_output_for_mask=getattr(layer, "zero_output_for_mask", False),
            name=way.name,
            trainable=node.layer.trainable and layer.trainable,
            activity_regularizer=layer.activity_regularizer,
        )

    made = graph.derive(node, f"recurrent {way.direction}", make)
    x = node.inputs[0]
    added = graph.add(
        made,
        [x, *way.initial] if way.initial else x,
        specs=way.specs if layer.return_state else way.specs[0],
        name=way.name,
        weights=sources_of(node) if sources is None else sources,
        kwargs={} if way.mask is None else {"mask": way.mask},
    )
    if way.mask is None and any(node.masks):
        added.masks = [node.masks[0], *[None] * len(way.initial)]
    return added


def is_recurrent(node: Node) -> bool:
    """Whether the rules are for its layer. What that becomes goes by masks as it does."""
    classes = hierarchy(node.layer)
    return K.RNN in classes or K.Bidirectional in classes
