"""Concatenations, of whose parts LiteRT requires one scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from optim._keras import keras, tfmot
from optim.graph.graph import Graph, Node, Value, is_input
from optim.quantization.node_facts import averages, is_linear
from optim.quantization.planning.plan import Entry
from optim.quantization.planning.roles import Assignment, Role, is_idle

__all__ = ["PARTS", "chain", "follow", "joins_part", "picks"]

PARTS = Assignment(Role.FLOAT, "float: joins one of several outputs of a float layer")

_Learnt = tfmot.quantization.keras.quantizers.MovingAverageQuantizer


def joins_part(node: Node, assignments: Mapping[Node, Assignment]) -> bool:
    """Whether it joins one of several outputs of a float layer: the converter leaves it float."""
    if assignments[node].role is not Role.JOIN:
        return False
    parts = (value.node for value in node.inputs if len(value.node.outputs) > 1)
    return any(assignments[part].role is Role.FLOAT for part in parts)


def chain(graph: Graph, entries: Mapping[Node, Entry]) -> None:
    """Put concatenations that go into each other on one grid: that of the last.

    Each would else be rounded again to the steps of the next, and errors add up along
    the chain. All values of one are in the next, so the last range has room for all.
    """
    ends: dict[Node, Entry] = {}
    for entry in reversed(list(entries.values())):
        node = entry.node
        if not _concatenates(node) or entry.config is not None:
            continue
        if entry.role is not Role.JOIN or graph.is_output(node.output):
            continue
        following = {n for n in _followed(node.output, entries) if _concatenates(n)}
        after = following.pop() if len(following) == 1 else None
        if after in ends:
            ends[node] = ends[after]
            if entry.output is not None:
                entry.grid_of = ends[node]
                entry.reason += f"; on the grid of {ends[node].node.path}"
        elif type(entry.output) is _Learnt:
            ends[node] = entry


def follow(graph: Graph, entries: Mapping[Node, Entry]) -> None:
    """Quantize float inputs of concatenations to the scale of these, here and now.

    The converter would carry the scale on through float layers that only move values.
    """
    for entry in entries.values():
        if not entry.is_float or is_linear(entry.node) or entry.output is not None:
            continue
        after = _join_of(graph, entry.node, entries)
        if after is not None and type(after.output) is _Learnt:
            entry.scale_of = after
    for entry in entries.values():
        if entry.role is Role.JOIN and type(entry.output) is _Learnt:
            entry.rounds = tuple(v for v in entry.node.inputs if _is_apart(v, entry, entries))


def _is_apart(value: Value, join: Entry, entries: Mapping[Node, Entry]) -> bool:
    """Whether the converter is to be told the scale of a value on its way into what joins it.

    Of a concatenation it finds that itself, but for float values that are taken elsewhere, too.
    What picks values, a maximum, would hand its own scale on to all others that take its inputs,
    through whatever moves them; or be refused.
    """
    if not value.is_float:
        return False
    before = entries[value.node]
    while before.role is Role.SAME and len(before.node.inputs) == 1:
        before = entries[before.node.inputs[0].node]
    if before.scale_of is not None:
        return False
    if not picks(join):
        return before.is_float and before.output is not None and not is_input(before.node)
    return before.output is not None or before.role in (Role.FLOAT, Role.RECURRENT)


def _join_of(graph: Graph, node: Node, entries: Mapping[Node, Entry]) -> Entry | None:
    """The concatenation whose scale a node takes, if it goes into one as it is, nowhere else."""
    after = graph.sole_use(node.output) if len(node.outputs) == 1 else None
    if after is None:
        return None
    entry = entries[after]
    if entry.role is Role.JOIN and entry.output is not None:
        return entry
    if entry.role not in (Role.SAME, Role.JOIN) or averages(after):
        return None
    return _join_of(graph, after, entries)


def picks(entry: Entry) -> bool:
    """Whether only some of the values of its inputs are in its output, as of a maximum.

    It has a range of its own then, whatever joins it: theirs would clip those that it leaves.
    """
    return entry.role is Role.JOIN and not _concatenates(entry.node)


def _concatenates(node: Node) -> bool:
    """Whether all values of its inputs are in its output."""
    return isinstance(node.layer, keras.layers.Concatenate) or node.symbol in ("concat", "stack")


def _followed(value: Value, entries: Mapping[Node, Entry]) -> Iterator[Node]:
    """What takes a value, looked for through what hands it on unchanged."""
    for node in value.uses:
        if entries[node].role is Role.SAME and is_idle(node):
            yield from _followed(node.output, entries)
        else:
            yield node
