"""Vocabularies of lookup layers, which Keras counts among the weights of a layer.

`StringLookup`, `IntegerLookup` and `TextVectorization` have theirs in a table, behind an object
in `layer.weights` that has no shape and cannot be assigned to. What a layer has learnt by `adapt`
is not in its config.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from optim._keras import tf

__all__ = ["copy_vocabularies", "variables"]


def variables(weights: Iterable[Any]) -> list[Any]:
    """Return those of the weights of a layer that are variables, not vocabularies."""
    return [weight for weight in weights if isinstance(weight, tf.Variable)]


def copy_vocabularies(old: Any, new: Any) -> None:
    """Give a layer, made from the config of another, the vocabularies of that.

    To be done before it is called: the shape of what it returns may depend on them.

    Args:
        old: any layer.
        new: one of the same class and config.
    """
    sources = _vocabularies(old)
    targets = _vocabularies(new) if sources else []
    if len(sources) != len(targets):
        return
    for source, target in zip(sources, targets, strict=True):
        tokens = source.get_tensors()
        if int(tf.size(tokens[0])):
            target.set_weights(tokens)


def _vocabularies(layer: Any) -> list[Any]:
    return [weight for weight in layer.weights if hasattr(weight, "get_tensors")]
