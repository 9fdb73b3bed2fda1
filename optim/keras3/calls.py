"""Arguments and masks of calls of Keras 3's layers."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from optim._keras import tf


def mask_of(x: Any) -> Any:
    """The mask that Keras, of either kind, has put on a tensor; None: it has none."""
    return getattr(x, "_keras_mask", None)


def without_mask(x: Any) -> Any:
    """The tensor without its mask."""
    return x if mask_of(x) is None else tf.identity(x)


def computed(x: Any, depth: int = 16) -> Hashable:
    """A key of what a tensor of a graph is: equal for tensors that are computed in the same way.

    Keras 3 computes the mask of an `Embedding` twice: where it puts it on the output, and where it
    hands it to the layer that takes it.

    Args:
        x: a tensor of a TensorFlow graph.
        depth: so many operations are looked at, one behind the other.
    """
    op = x.op
    if op.type == "Const":
        return ("Const", op.get_attr("value").SerializeToString())
    if depth == 0 or not op.inputs or op.op_def.is_stateful:
        return str(x.name)
    options = tuple(sorted((k, v.SerializeToString()) for k, v in op.node_def.attr.items()))
    inputs = tuple(computed(one, depth - 1) for one in op.inputs)
    return (op.type, x.value_index, options, inputs)


def arguments_of(layer: Any, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
    """The first argument of a call, and the others by name, defaults left out."""
    bound = layer._call_signature.bind(*args, **kwargs)
    arguments = dict(bound.arguments)
    extra = arguments.pop("kwargs", {})
    first = next(iter(layer._call_signature.parameters))
    value = arguments.pop(first)
    rest = {
        name: given
        for name, given in arguments.items()
        if given is not None and not _is_default(layer, name, given)
    }
    return value, {**rest, **{k: v for k, v in extra.items() if v is not None}}


def _is_default(layer: Any, name: str, given: Any) -> bool:
    default = layer._call_signature.parameters[name].default
    return isinstance(given, (bool, int, float, str)) and name != "training" and given == default
