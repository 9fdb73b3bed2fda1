"""Tables of words that make a mask, as a table and a layer that makes the mask."""

from __future__ import annotations

from typing import Any

from optim._keras import keras
from optim.graph.graph import Graph, Node, Value
from optim.graph.masks import CarryMask, MaskZero
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import config_of, sources_of

K = keras.layers


@rule(K.Embedding)
def table_and_mask(graph: Graph, node: Node) -> Result:
    """An `Embedding` that makes a mask: no wrapper around it would hand that on."""
    layer, old = node.layer, node.output
    if not layer.mask_zero or len(node.inputs) != 1:
        return None

    def make() -> Any:
        return type(layer).from_config({**config_of(layer), "mask_zero": False})

    def add(name: str) -> Value:
        plain, sources = graph.derive(node, "table", make), sources_of(node)
        added = graph.add(
            plain, *node.args, kwargs=node.kwargs, specs=old.spec, name=name, weights=sources
        )
        return added.output

    masked = [one for one in graph.nodes if any(mask is old for mask in one.masks)]
    if not masked:
        return add(node.name)
    ids = node.inputs[0]
    zeros = graph.add(MaskZero(name=graph.unique_name(f"{node.name}_zeros")), ids, specs=ids.spec)
    table = add(graph.unique_name(f"{node.name}_table"))
    carried = graph.add(CarryMask(name=node.name), [table, zeros.output], specs=old.spec).output
    for one in masked:
        one.masks = [carried if mask is old else mask for mask in one.masks]
    return carried
