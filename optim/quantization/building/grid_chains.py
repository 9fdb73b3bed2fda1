"""Chains of tensors on one grid: a quantize layer that they all pass through."""

from __future__ import annotations

from dataclasses import replace

from optim.graph.graph import Graph, Node, Value
from optim.quantization.node_facts import policy_for
from optim.quantization.planning.plan import Entry, Plan
from optim.quantization.quantizers.keep_float import KeepFloat
from optim.quantization.quantizers.quantizers import GridQuantizer
from optim.quantization.quantizers.wrappers import ChainQuantizeLayer


def tied(plan: Plan) -> Plan:
    """Put the quantizers of the chains of a plan into its graph, as calls of one layer each.

    Returns:
        The plan for what is to be built: its entries are of the calls as they are then.
    """
    chains: dict[int, list[Entry]] = {}
    moved: dict[int, Entry] = {}
    for entry in plan:
        if entry.grid_of is not None:
            chains.setdefault(id(entry.grid_of), [entry.grid_of]).append(entry)
    for entry in plan:
        for join in (entry.scale_of, entry if entry.rounds else None):
            if join is not None and join.grid_of is None:
                chains.setdefault(id(join), [join])
    places: dict[int, tuple[ChainQuantizeLayer, int]] = {}
    now: dict[Value, Value] = {}
    for last, *others in chains.values():
        layer = _layer(plan.graph, last, len(others) + 1)
        for position, entry in enumerate([*others, last]):
            moved[id(entry)], quantized = _insert(plan.graph, entry, layer, position)
            now[entry.node.output] = quantized
            places[id(entry)] = layer, position
    floats = {entry.node for entry in plan if entry.is_float}
    for entry in plan:
        if entry.scale_of is not None:
            value = entry.node.output
            _follow(plan.graph, value, list(value.uses), *places[id(entry.scale_of)])
        for value in dict.fromkeys(entry.rounds):
            # The converter makes one step of two roundings that it sees, which is none of them.
            taker, given = moved[id(entry)].node, now.get(value, value)
            given = given if value.node in floats else _cut(plan.graph, given, taker)
            _follow(plan.graph, given, [taker], *places[id(entry)])
    return replace(plan, entries=[moved.get(id(entry), entry) for entry in plan])


def _layer(graph: Graph, last: Entry, length: int) -> ChainQuantizeLayer:
    quantizer = GridQuantizer(**last.output.get_config())
    name = last.node.name  # which an output of the model keeps
    if not graph.is_output(last.node.output):
        name = graph.unique_name(f"{name}_quantize")
    dtype = last.node.output.spec.dtype.name
    return ChainQuantizeLayer(quantizer, length, name=name, dtype=dtype)


def _cut(graph: Graph, value: Value, user: Node) -> Value:
    """Put a layer that the converter does not look through between a value and what takes it."""
    name = graph.unique_name(f"{value.node.name}_apart")
    layer = KeepFloat(True, name=name, dtype=policy_for(value.spec.dtype))
    node = graph.add(layer, value, specs=value.spec)
    node.path = value.node.path
    graph.reroute(user, value, node.output)
    return node.output


def _follow(
    graph: Graph, value: Value, users: list[Node], layer: ChainQuantizeLayer, position: int
) -> None:
    """Give a value the scale of a concatenation, on its way to those that take it."""
    node = graph.add(layer, value, specs=value.spec, kwargs={"position": position, "follows": True})
    for user in users:
        graph.reroute(user, value, node.output)


def _insert(
    graph: Graph, entry: Entry, layer: ChainQuantizeLayer, position: int
) -> tuple[Entry, Value]:
    """Put a call of the layer behind that of an entry.

    Returns:
        The entry without a quantizer, and what is in the place of its output.
    """
    old = entry.node
    node = graph.add(
        old.layer,
        *old.args,
        specs=old.output.spec,
        name=graph.unique_name(f"{old.name}_op") if layer.name == old.name else old.name,
        kwargs=old.kwargs,
        weights=old.weights,
    )
    node.path, node.skip, node.note, node.inert = old.path, old.skip, old.note, old.inert
    spec = node.output.spec
    quantized = graph.add(layer, node.output, specs=spec, kwargs={"position": position})
    graph.replace(old.output, quantized.output)
    return replace(entry, node=node, output=None), quantized.output
