"""Weight regularizers of clustered layers: they see the kernel that the layer computes with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from optim.models.clone import plain_variable

__all__ = ["see_clustered"]

Swapped = Callable[[], AbstractContextManager[Any]]


def see_clustered(owner: Any, clustered: Mapping[int, Callable[[], Any]], swapped: Swapped) -> None:
    """Let the losses that a layer has beside its calls see clustered kernels.

    Keras makes them with the variable, of which the layer uses the nearest centroids only: what
    is penalized would not be what is trained for.

    Args:
        owner: a layer with clustered kernels. Its losses are changed in place.
        clustered: id of a variable -> what the layer computes with in its place.
        swapped: a context in which the attributes of the layer are so already.
    """
    owner._callable_losses[:] = [
        _seeing(loss, clustered, swapped) if isinstance(loss, partial) else loss
        for loss in owner._callable_losses
    ]


def _seeing(loss: Any, clustered: Mapping[int, Callable[[], Any]], swapped: Swapped) -> Any:
    """The same loss of Keras' own making, a function given to one that marks its result."""
    given, rest = (loss.args[0], loss.args[1:]) if loss.args else (None, ())
    if not callable(given):
        return loss

    def evaluate() -> Any:
        with swapped():
            if isinstance(given, partial):
                return given.func(*map(_instead, given.args), **given.keywords)
            return given()

    def _instead(argument: Any) -> Any:
        known = clustered.get(id(plain_variable(argument)) if _is_variable(argument) else 0)
        return argument if known is None else known()

    return partial(loss.func, evaluate, *rest, **loss.keywords)


def _is_variable(argument: Any) -> bool:
    return hasattr(argument, "assign")
