"""Making a layer again from what it is, without its weights and call records."""

from __future__ import annotations

import copy
from typing import Any

from optim._keras import keras

K = keras.layers


def copy_layer(layer: Any, name: str) -> Any:
    """Return a new, unbuilt layer like `layer`, under another name.

    Args:
        layer: any layer. Not modified.
        name: name of the copy.

    Raises:
        Exception: whatever `get_config` or `from_config` of the layer's class raises.
    """
    if isinstance(layer, K.Lambda) or not (layer.weights or _has_config(layer)):
        return _shallow(layer, name)
    try:
        config = layer.get_config()
        config["name"] = name
        return type(layer).from_config(config)
    except Exception:
        # A config that does not describe its layer: without weights the object will do.
        if layer.weights or list(layer._flatten_layers(include_self=False)):
            raise
        return _shallow(layer, name)


def _has_config(layer: Any) -> bool:
    try:
        layer.get_config()
    except Exception:
        return False
    return True


def _shallow(layer: Any, name: str) -> Any:
    """The same attributes, but a life of its own in the graph of calls."""
    new = copy.copy(layer)
    # Past Keras' setattr: these are plain lists, not new state to be tracked.
    for attribute in ("_inbound_nodes_value", "_outbound_nodes_value"):
        new.__dict__[attribute] = []
    new.__dict__["_name"] = name
    return new
