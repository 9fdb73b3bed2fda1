"""What a model remembers from call to call: states of recurrent layers, buffers, counters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from optim._keras import tf
from optim.models.vocabularies import variables as plain


@contextmanager
def kept_states(model: Any, but: Iterable[Any] = ()) -> Iterator[None]:
    """Give every variable of a model the value back that it had before.

    Looking at a model must not move it on: what is assigned in a call is undone. A value is
    copied only if a call assigns its variable.

    Args:
        model: a Keras model.
        but: variables that keep what the context assigns to them.
    """
    spared = {id(v) for v in but}
    variables = [v for v in _variables(model) if id(v) not in spared]
    before = [v.read_value() for v in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def _variables(model: Any) -> list[Any]:
    found = {id(v): v for v in plain(model.variables)}
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False):  # a recurrent layer's states are no weights of it
            states = tf.nest.flatten(getattr(layer, "states", None) or ())
            found.update((id(v), v) for v in states if isinstance(v, tf.Variable))
    return list(found.values())
