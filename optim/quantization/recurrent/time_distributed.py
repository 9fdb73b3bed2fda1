"""Layers applied to each step of a sequence: the steps of all samples as one batch."""

from __future__ import annotations

from typing import Any

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.graph.reader import Reader
from optim.graph.tracer import Untraceable
from optim.models.clone import is_network
from optim.models.vocabularies import variables
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import hierarchy
from optim.quantization.recurrent.step_shapes import BatchAsSteps, StepsAsBatch, product

K = keras.layers


@rule(K.TimeDistributed)
def each_step(graph: Graph, node: Node) -> Result:
    """The layer within, called once on all steps."""
    inner = node.layer.layer
    why = _refused(node)
    if why:
        node.note = why
        return None
    x = node.inputs[0]
    shape, out = x.shape or (), node.output.shape or ()
    if K.Dense in hierarchy(inner):  # a map of the last axis, whatever is before it
        return graph.add(
            inner, x, specs=node.output.spec, name=node.name, weights=variables(inner.weights)
        ).output
    batch = product(*shape[:2])
    flat = tf.TensorSpec((batch, *shape[2:]), x.spec.dtype)
    merged = StepsAsBatch(name=graph.unique_name(f"{node.name}_steps"))
    value = graph.add(merged, x, specs=flat).output
    spec = tf.TensorSpec((batch, *out[2:]), node.output.spec.dtype)
    found = _applied(graph, node, inner, value, spec)
    if found is None:
        return None
    split = BatchAsSteps(int(shape[1] or 1), name=node.name)
    return graph.add(split, found, specs=node.output.spec).output


def _applied(graph: Graph, node: Node, inner: Any, value: Value, spec: Any) -> Value | None:
    if not is_network(inner):
        name = graph.unique_name(f"{node.name}_{inner.name}")
        return graph.add(
            inner, value, specs=spec, name=name, weights=variables(inner.weights)
        ).output
    try:
        model = graph.tracer.functional(inner)
    except Untraceable as error:
        node.note = f"applies a model to each step that cannot be read: {error}"
        return None
    reader = Reader(graph)
    values = reader.inline(model, [value], f"{node.path}/{inner.name}", None)
    return values[0] if not reader.problems else None


def _refused(node: Node) -> str:
    """Why a layer has to stay as it is; empty if it has not."""
    layer, shape = node.layer, node.inputs[0].shape if node.inputs else None
    what = "applies a layer to each step of a sequence"
    if len(node.inputs) != 1 or len(node.outputs) != 1:
        return f"{what}: one with several inputs or outputs"
    if shape is None or node.output.shape is None or None in shape[1:]:
        return f"{what} whose sizes are open: give them to keras.Input"
    if K.RNN in hierarchy(layer.layer) or K.Bidirectional in hierarchy(layer.layer):
        return ""
    if getattr(layer.layer, "stateful", False):
        return f"{what}: one that keeps states between batches"
    return ""
