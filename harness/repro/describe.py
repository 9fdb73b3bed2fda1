"""Tells of the layer at fault, and of those before it; run in a process of its own.

``python -m harness.repro.describe MODULE FUNCTION VARIANT LAYER`` prints a JSON list, the layer
itself last. It builds the application, and so imports TensorFlow.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Mapping
from typing import Any

#: Layers before the one at fault that are told of.
BEFORE = 3

#: What is put for a size that a model leaves open.
SIZE = 8

_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "radd": "+", "rmul": "*"}


def main(module: str, function: str, variant: str, name: str) -> None:
    from harness.stages.build import ARGUMENTS

    constructor = getattr(importlib.import_module(module), function)
    accepted = inspect.signature(constructor).parameters
    given = {k: v for k, v in ARGUMENTS[variant].items() if k in accepted}
    model = constructor(**given)
    layer = next((x for x in model._flatten_layers() if x.name == name), None)
    print(json.dumps(chain(layer) if layer is not None else []))


def chain(layer: Any) -> list[dict[str, Any]]:
    """Return what is told of a layer and those before it, as far as each has one input."""
    found: list[dict[str, Any]] = []
    while layer is not None and len(found) <= BEFORE:
        told = describe(layer)
        if told is None:
            break
        found.insert(0, told)
        layer = _before(layer)
    return found


def _before(layer: Any) -> Any:
    nodes = layer._inbound_nodes
    if not nodes:
        return None
    parents = nodes[0].parent_nodes
    if len(parents) != 1 or type(parents[0].layer).__name__ == "InputLayer":
        return None
    return parents[0].layer


def describe(layer: Any) -> dict[str, Any] | None:
    """Return the shapes of a layer's inputs and the call that makes it; None: it cannot be told."""
    import tensorflow as tf

    shapes = [
        [size or SIZE for size in tensor.shape[1:]] for tensor in tf.nest.flatten(layer.input)
    ]
    if type(layer).__name__ in ("TFOpLambda", "SlicingOpLambda"):
        call = _operation(layer)
        return None if call is None else {"inputs": shapes, "call": call}
    cls = type(layer)
    told: dict[str, Any] = {"inputs": shapes}
    import tf_keras as keras

    if getattr(keras.layers, cls.__name__, None) is cls:
        made = f"keras.layers.{cls.__name__}"
    else:
        made = cls.__name__
        told["import"] = f"from {cls.__module__} import {made}"
    arguments = ", ".join(f"{k}={v!r}" for k, v in arguments_of(layer).items())
    told["call"] = f"{made}({arguments})({{x}})".replace("{x}", "\0")
    told["call"] = told["call"].replace("{", "{{").replace("}", "}}").replace("\0", "{x}")
    return told


def arguments_of(layer: Any) -> Mapping[str, Any]:
    """Return those arguments of a layer's class that are not the default, as far as plain."""
    parameters = inspect.signature(type(layer).__init__).parameters
    found = {}
    for name, value in layer.get_config().items():
        parameter = parameters.get(name)
        if parameter is None or name in ("name", "dtype", "trainable"):
            continue
        default = parameter.default
        if isinstance(default, tuple) and isinstance(value, list):
            value = tuple(value)
        if value == default or not _plain(value):
            continue
        found[name] = value
    return found


def _plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_plain(one) for one in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _operation(layer: Any) -> str | None:
    """Return the call of an operation that Keras has made a layer of."""
    symbol = str(layer.get_config().get("function", ""))
    node = layer._inbound_nodes[0]
    arguments = [_argument(a) for a in node.call_args]
    named = {k: _argument(v) for k, v in node.call_kwargs.items() if k != "name" and v is not None}
    if None in arguments or None in named.values() or "{x}" not in arguments:
        return None
    short = symbol.rpartition(".")[2]
    if symbol.startswith("__operators__.") and short in _OPERATORS:
        operands = [*arguments, *named.values()]
        return f" {_OPERATORS[short]} ".join(str(a) for a in operands[:2])
    pairs = [*map(str, arguments), *(f"{k}={v}" for k, v in named.items())]
    return f"tf.{symbol}({', '.join(pairs)})"


def _argument(value: Any) -> str | None:
    if hasattr(value, "type_spec") or type(value).__name__ == "KerasTensor":
        return "{x}"
    return repr(value) if _plain(value) else None


if __name__ == "__main__":
    main(*sys.argv[1:])
