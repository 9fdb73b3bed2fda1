"""Making a layer again from what it is, without its call records."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from optim._keras import keras
from optim.models.references import Copies, hold
from optim.models.vocabularies import copy_vocabularies

K = keras.layers


def copy_layer(layer: Any, name: str, copies: Copies | None = None) -> Any:
    """Return a new layer like `layer`, under another name.

    It is unbuilt where it can be made from its config; a class whose config does not
    describe it is copied as an object, with its weights.

    Args:
        layer: any layer. Not modified.
        name: name of the copy.
        copies: what the copy is to hold in the place of other layers that `layer` holds.

    Raises:
        Exception: whatever the last of the ways tried raises.
    """
    made = _copy(layer, name, copies or {})
    if copies:
        hold(made, copies)
    return made


def _copy(layer: Any, name: str, copies: Copies) -> Any:
    if isinstance(layer, K.Lambda) or not (layer.weights or _has_config(layer)):
        return _shallow(layer, name)
    ways: list[Callable[[Any, str], Any]] = [_from_config, _from_own_objects, _from_own_arguments]
    within = list(layer._flatten_layers(include_self=False))
    ways.append(partial(_deep, copies=copies) if layer.weights or within else _shallow)
    for way in ways[:-1]:
        try:
            made = way(layer, name)
        except Exception:  # whatever get_config, from_config and __init__ may raise
            continue
        copy_vocabularies(layer, made)
        return made
    return ways[-1](layer, name)


def _has_config(layer: Any) -> bool:
    try:
        layer.get_config()
    except Exception:
        return False
    return True


def _from_config(layer: Any, name: str) -> Any:
    config = {**layer.get_config(), "name": name}
    for key in config:
        # An array as initial value cannot be written to a file, and is not needed any more.
        if key.endswith("_initializer") and isinstance(
            getattr(getattr(layer, key, None), "value", None), np.ndarray
        ):
            config[key] = "zeros"
    return type(layer).from_config(config)


def _from_own_objects(layer: Any, name: str) -> Any:
    """With the classes and functions that its config names, which need not be registered."""
    objects = [x for part in layer._flatten_layers() for x in vars(part).values()]
    named = [x if hasattr(x, "__name__") else type(x) for x in objects if x is not None]
    with keras.utils.custom_object_scope({x.__name__: x for x in named if callable(x)}):
        return _from_config(layer, name)


def _from_own_arguments(layer: Any, name: str) -> Any:
    """For an `__init__` that does not take what every layer takes."""
    config = dict(layer.get_config())
    for key in ("name", "trainable", "dtype"):
        config.pop(key, None)
    made = type(layer)(**config)
    if [w.shape for w in made.weights] not in ([], [w.shape for w in layer.weights]):
        raise ValueError("made from its config it has other weights")
    made._name = name
    made.trainable = layer.trainable
    return made


def _shallow(layer: Any, name: str) -> Any:
    """The same attributes, but a life of its own in the graph of calls."""
    return _renamed(copy.copy(layer), name)


def _deep(layer: Any, name: str, copies: Copies) -> Any:
    """An object of its own, with weights of its own, without a call record."""
    parts = list(layer._flatten_layers())
    records = [(x, x._inbound_nodes_value, x._outbound_nodes_value) for x in parts]
    try:
        for part in parts:
            _forget_calls(part)
        return _renamed(copy.deepcopy(layer, dict(copies)), name)
    finally:
        for part, inbound, outbound in records:
            part.__dict__["_inbound_nodes_value"] = inbound
            part.__dict__["_outbound_nodes_value"] = outbound


def _renamed(layer: Any, name: str) -> Any:
    _forget_calls(layer)
    layer.__dict__["_name"] = name
    return layer


def _forget_calls(layer: Any) -> None:
    # Past Keras' setattr: these are plain lists, not new state to be tracked.
    for attribute in ("_inbound_nodes_value", "_outbound_nodes_value"):
        layer.__dict__[attribute] = []
