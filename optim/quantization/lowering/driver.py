"""Lowering: the graph of a model becomes one of layers that LiteRT runs in int8.

Every rule is local and exact (to rounding); the driver visits each node once, and each
node that a rule adds once. See `registry` for how to write a rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optim._keras import keras, tf
from optim.graph import masks
from optim.graph.graph import Graph, Node, Value, is_input
from optim.quantization.lowering import (
    activations,
    affine,
    arithmetic,
    channels,
    concatenations,
    convolutions,
    embeddings,
    functions,
    hard_swish,
    moves,
    normalizations,
    patches,
    sentinels,
    statics,
)
from optim.quantization.lowering.op_layers import expand
from optim.quantization.lowering.registry import Rule, arrange, function_names, rule, rules_for
from optim.quantization.planning.roles import Role, assign
from optim.quantization.recurrent import joined, time_distributed
from optim.quantization.recurrent import rules as recurrent

__all__ = ["Rule", "lower", "rule"]

#: The modules that have the rules. Of two rules for one target, that of the later module is tried
#: first: so where rules stand decides, and neither what a module is called nor who imports it.
RULE_MODULES = (
    affine,
    hard_swish,
    activations,
    convolutions,
    arithmetic,
    functions,
    normalizations,
    recurrent,
    time_distributed,
    sentinels,
    statics,
    concatenations,
    patches,
    moves,
    embeddings,
    channels,
)

arrange(RULE_MODULES)


def lower(graph: Graph) -> Graph:
    """Apply the rules to a graph, in place, producers before consumers.

    Args:
        graph: as `read` returns it. Nodes whose `skip` is set are left alone.

    Returns:
        The same graph. The float model built from it computes what it did before.
    """
    pending = list(reversed(graph.nodes))
    while pending:
        node = pending.pop()
        if node.skip or is_input(node) or not graph.alive(node):
            continue
        if any(node.masks) and not recurrent.is_recurrent(node):
            continue
        added = _lower_node(graph, node)
        if not added and graph.alive(node):
            added = _expand_node(graph, node)
        pending.extend(reversed(added))
    masks.carry(graph)
    joined.separate(graph)
    return graph


def _lower_node(graph: Graph, node: Node) -> list[Node]:
    """Apply the first rule that has an answer; return the nodes that it added."""
    for apply in rules_for(node):
        before = len(graph.history)
        with _precision_of(node):
            result = apply(graph, node)
        if result is None:
            del graph.history[before:]
            continue
        added = graph.history[before:]
        for new in added:
            if not new.path or new.path == new.name:
                new.path = node.path
        values: list[Value] = tf.nest.flatten(result)
        for old, new_value in zip(node.outputs, values, strict=True):
            graph.replace(old, new_value)
        return [n for n in added if graph.alive(n)]
    return []


@contextmanager
def _precision_of(node: Node) -> Iterator[None]:
    """Let new layers compute in the precision in which the node does."""
    policies = keras.mixed_precision
    before, given = policies.global_policy(), node.layer._dtype_policy
    dtype = node.outputs[0].spec.dtype.name if node.outputs and node.outputs[0].is_float else None
    wanted = given if dtype in (None, given.compute_dtype) else policies.Policy(dtype)
    if wanted.name == before.name or wanted.compute_dtype is None:
        yield
        return
    policies.set_global_policy(wanted)
    try:
        yield
    finally:
        policies.set_global_policy(before)


def _expand_node(graph: Graph, node: Node) -> list[Node]:
    """Replace a composite layer that stays float otherwise by what it is made of."""
    if node.symbol or assign(node).role is not Role.FLOAT:
        return []
    before = len(graph.history)
    values = expand(graph, node, function_names())
    if values is None:
        return []
    for old, new in zip(node.outputs, values, strict=True):
        graph.replace(old, new)
    return [n for n in graph.history[before:] if graph.alive(n)]
