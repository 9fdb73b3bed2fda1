"""Calling a wrapped layer with the arguments that its wrapper was called with."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from optim._keras import tf

__all__ = ["CallArguments", "in_construction"]


def in_construction() -> bool:
    """Whether Keras is only inferring the output of a layer in a functional model."""
    # Keras does that in a graph of its own, which it throws away. Were the name to change,
    # what the wrappers add would be traced there: slower, with the same result.
    return not tf.executing_eagerly() and tf.compat.v1.get_default_graph().name.endswith(
        "_scratch_graph"
    )


class CallArguments:
    """Turns what a wrapper is called with into what its layer takes.

    Args:
        layer: the wrapped layer.
    """

    def __init__(self, layer: Any) -> None:
        spec = inspect.getfullargspec(layer.call)
        self._positional = spec.args[2:]  # after `self` and the inputs
        self._accepted = None if spec.varkw else {*spec.args, *spec.kwonlyargs}

    def named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return all arguments after the inputs by the names that the layer gives them.

        To be done before Keras sees them: it knows the names of the wrapper's only, and would
        leave positional ones out of a file.
        """
        return {**kwargs, **dict(zip(self._positional, args, strict=False))}

    def accepted(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return those that the layer takes.

        Keras hands `training` and `mask` to every call that takes `**kwargs`, the wrapper's.
        """
        if self._accepted is None:
            return dict(kwargs)
        return {name: value for name, value in kwargs.items() if name in self._accepted}
