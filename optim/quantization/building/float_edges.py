"""Where float layers and quantized ones meet: marked, so that each stays what it is in the file."""

from __future__ import annotations

from dataclasses import replace

from optim.graph.graph import Graph, Node, Value, is_input
from optim.quantization.node_facts import is_linear, policy_for
from optim.quantization.planning.plan import Entry, Plan
from optim.quantization.planning.roles import Role
from optim.quantization.quantizers.keep_float import KeepFloat

__all__ = ["marked"]


def marked(plan: Plan) -> Plan:
    """Put a `KeepFloat` on each edge between what a plan quantizes and what it leaves float.

    Float layers take what other float layers put out as it is; quantizers of their outputs are
    for the others.

    Returns:
        The plan for what is to be built, with entries for the calls that were added.
    """
    graph, entries = plan.graph, {entry.node: entry for entry in plan}
    floats = {entry.node for entry in plan if entry.is_float and entry.config is None}
    made: list[Entry] = []
    cut: set[Node] = set()
    for node in graph.nodes:
        entry = entries.get(node)  # what `tied` put in has none: it is a quantizer
        for value in node.outputs:
            if not value.is_float:
                continue
            if node in floats and entry is not None:
                users = [user for user in value.uses if user not in floats]
                made += _leave(graph, entry, value, users)
                cut.add(node)
            elif entry is None or _is_signal(entry):
                made += _enter(graph, value, [user for user in value.uses if user in floats])
    kept = [replace(entry, output=None) if entry.node in cut else entry for entry in plan]
    return replace(plan, entries=[*kept, *made])


def _is_signal(entry: Entry) -> bool:
    """Whether its output may be quantized: neither a constant nor an input that is not."""
    if is_input(entry.node):
        return entry.output is not None
    return entry.role is not Role.WEIGHT


def _leave(graph: Graph, entry: Entry, value: Value, users: list[Node]) -> list[Entry]:
    if not users or (entry.output is None and is_linear(entry.node)):
        return []  # or takes the scale of a concatenation
    node = _insert(graph, value, users, leaves=True)
    reason = f"float up to here: {entry.node.path}"
    return [Entry(node, Role.FLOAT, output=entry.output, reason=reason)]


def _enter(graph: Graph, value: Value, users: list[Node]) -> list[Entry]:
    if not users:
        return []
    node = _insert(graph, value, users, leaves=False)
    return [Entry(node, Role.FLOAT, reason="float from here on")]


def _insert(graph: Graph, value: Value, users: list[Node], leaves: bool) -> Node:
    """Put the layer between a value and some of those that take it."""
    what = "float_end" if leaves else "float"
    name = graph.unique_name(f"{value.node.name}_{what}")
    layer = KeepFloat(leaves, name=name, dtype=policy_for(value.spec.dtype))
    node = graph.add(layer, value, specs=value.spec)
    node.path = value.node.path
    for user in users:
        graph.reroute(user, value, node.output)
    return node
