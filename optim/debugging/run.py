"""Each layer on each batch: exactly, quantized on exact inputs, and in the quantized network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim._keras import tf
from optim.debugging.rows import Row
from optim.debugging.watching import Control
from optim.graph.graph import Node, Value, is_input
from optim.models.states import kept_states


@dataclass
class _Values:
    """A tensor as the exact and as the quantized network have it."""

    exact: Any
    quantized: Any


def run(graph: Any, batch: list[np.ndarray], rows: dict[Node, Row], control: Control) -> None:
    values: dict[Value, _Values] = {}
    waiting = {value: len(value.uses) for node in rows for value in node.outputs}
    for value, array in zip(graph.flat_inputs, batch, strict=True):
        tensor = tf.convert_to_tensor(array)
        values[value] = _Values(tensor, tensor)
    for node, row in rows.items():
        if is_input(node):
            continue
        with control.off():
            exact = _call(node, lambda v: values[v].exact)
        with control.watching() as seen:
            local = _call(node, lambda v: values[v].exact)
        row.see_quantizers(seen)
        quantized = _call(node, lambda v: values[v].quantized)
        row.see(exact, local, quantized)
        for value, a, b in zip(node.outputs, exact, quantized, strict=True):
            values[value] = _Values(a, b)
        for value in set(node.inputs):
            waiting[value] -= 1
            if not waiting[value]:
                del values[value]


def _call(node: Node, pick: Callable[[Value], Any]) -> list[Any]:
    def swap(x: Any) -> Any:
        return pick(x) if isinstance(x, Value) else x

    args = tf.nest.map_structure(swap, node.args)
    kwargs = tf.nest.map_structure(swap, node.kwargs)
    if node.layer._expects_training_arg and kwargs.get("training") is None:
        kwargs["training"] = False
    with kept_states(node.layer):  # every call begins where the model is
        return list(tf.nest.flatten(node.layer(*args, **kwargs)))
