"""Variables that a `tf.distribute` strategy keeps a copy of on each device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from optim._keras import tf


def at_home(variable: Any) -> AbstractContextManager[Any]:
    """A context in which the variable can be assigned.

    Mirrored variables can be under their own strategy only; a model that was made under one may
    be called outside of it.
    """
    strategy = getattr(variable, "distribute_strategy", None)
    if strategy is None or tf.distribute.has_strategy():
        return nullcontext()
    return strategy.scope()  # type: ignore[no-any-return]
