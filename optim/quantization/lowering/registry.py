"""The table of lowering rules, and the decorator that adds to it.

A rule replaces one layer by layers that quantize well, and computes the same numbers.
It is found by the class of the layer, along the class hierarchy, or by the function of
an op layer. To add one:

    @optim.rule(MyScale)
    def scale_becomes_affine(graph, node):
        x = node.inputs[0]
        affine = graph.add(Affine(name=node.name), x, specs=x.spec,
                           weights=[node.layer.gamma, 0 * node.layer.gamma])
        return affine.output

It returns None to leave the node alone, else the value (or list of values) that replaces
the outputs of the node. What it adds is lowered in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from tensorflow.python.util.tf_export import get_canonical_name_for_symbol

from optim._keras import keras
from optim.graph.graph import Graph, Node, Value
from optim.quantization.node_facts import hierarchy

Result = Value | list[Value] | None
Rule = Callable[[Graph, Node], Result]

_RULES: dict[Any, list[Rule]] = {}


def rule(*targets: Any) -> Callable[[Rule], Rule]:
    """Register a lowering rule.

    Args:
        targets: what it applies to, any of: a layer class (and its subclasses); a
            TensorFlow function such as `tf.nn.silu`; its public name, `"nn.silu"`; or
            `"layer:Name"` for a class of that name defined inside Keras itself but not
            exported. Later rules for the same target are tried first.

    Returns:
        A decorator that returns the rule unchanged.
    """

    keys = [_key(target) for target in targets]

    def decorate(function: Rule) -> Rule:
        for key in keys:
            _RULES.setdefault(key, []).insert(0, function)
        return function

    return decorate


def arrange(modules: Sequence[ModuleType]) -> None:
    """Let the rules of later modules be tried first, in whatever order they were imported."""
    places = {module.__name__: place for place, module in enumerate(modules)}
    for rules in _RULES.values():
        rules.sort(key=lambda rule: -places.get(rule.__module__, len(places)))


def rules_for(node: Node) -> list[Rule]:
    """The rules that apply to a node: of its function, or of its class and base classes."""
    if node.symbol:
        return _RULES.get(node.symbol, [])
    found: list[Rule] = []
    for cls in hierarchy(node.layer):
        found += _RULES.get(cls, [])
        if cls.__module__.startswith(keras.__name__ + "."):
            found += _RULES.get(f"layer:{cls.__name__}", [])
    return found


def function_names() -> set[str]:
    """Public names of the functions that some rule takes."""
    return {key for key in _RULES if isinstance(key, str) and not key.startswith("layer:")}


def _key(target: Any) -> Any:
    if isinstance(target, (str, type)):
        return target
    symbol = get_canonical_name_for_symbol(target, add_prefix_to_v1_names=True)
    if symbol is None:
        raise TypeError(f"{target!r} is neither a layer class nor a public TensorFlow function")
    return symbol
