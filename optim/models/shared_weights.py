"""Weights that several layers of a model share, such as an embedding and what decodes it.

A copy of the model has to share them likewise: else each layer trains a weight of its own, and
the two drift apart. Keras copies models layer by layer, each from its config, which knows nothing
of that (tfmot #994).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from optim._keras import keras, tf

__all__ = ["Tied", "called_with", "tied"]


@dataclass
class Tied:
    """A variable and who uses it.

    Attributes:
        variable: as the layers hold it.
        layers: those that count it among their weights; more than one, or `calls` has one.
        calls: op layers that are called with it.
    """

    variable: Any
    layers: list[Any] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Names of all that use it."""
        return [layer.name for layer in (*self.layers, *self.calls)]


def tied(model: Any) -> dict[int, Tied]:
    """Return the variables that more than one layer uses, by their `id`.

    A layer that only passes on a weight of a layer within itself does not count.

    Args:
        model: any model, or layer, of tf_keras.
    """
    found: dict[int, Tied] = {}
    layers = list(model._flatten_layers())
    for layer in layers:
        for variable in (*layer._trainable_weights, *layer._non_trainable_weights):
            found.setdefault(id(variable), Tied(variable)).layers.append(layer)
    for layer in layers:
        for variable, call in _calls(layer):
            if id(variable) in found:
                found[id(variable)].calls.append(call)
    for one in found.values():
        if len(one.layers) > 1:
            one.layers = [x for x in one.layers if not _contains_other(x, one.layers)]
    return {key: one for key, one in found.items() if len(one.layers) + len(one.calls) > 1}


def called_with(structure: Any) -> list[Any]:
    """Return the variables among the arguments of a call."""
    return [x for x in tf.nest.flatten(structure) if isinstance(x, tf.Variable)]


def _calls(network: Any) -> Iterator[tuple[Any, Any]]:
    """Yield `(variable, layer)` of the calls in a network that take variables as arguments."""
    if not (isinstance(network, keras.Model) and network._is_graph_network):
        return
    for nodes in network._nodes_by_depth.values():
        for node in nodes:
            for variable in called_with((node.call_args, node.call_kwargs)):
                yield variable, node.layer


def _contains_other(layer: Any, others: list[Any]) -> bool:
    within = {id(x) for x in layer._flatten_layers(include_self=False)}
    return any(id(other) in within for other in others)
