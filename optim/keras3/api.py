"""`from_keras3`: the model of tf_keras that computes what a model of Keras 3 does."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from optim._keras import is_keras_3, require
from optim.errors import KerasModelError, KerasModuleError
from optim.keras3.converter import make_twin, warn_of


def from_keras3(model: Any) -> Any:
    """Return the model of tf_keras that computes what a model of Keras 3 does: its twin.

    Layers that have an equal in tf_keras become that layer; all other code, `keras.ops`, operators
    and layers of one's own among it, becomes the operations that it consists of.

    Args:
        model: a built `keras.Model`: Functional, Sequential, or subclassed. Not modified. Keras 3
            has to run on TensorFlow.

    Returns:
        A `tf_keras.Model` with the same inputs and outputs, names, dtypes and weights (copied).

    Raises:
        KerasModelError: not a model of Keras 3.
        KerasModuleError: Keras 3 runs on another backend.
        UnsupportedModelError: what has no twin, with remedies.
    """
    check(model, "from_keras3")
    twin = make_twin(model)
    warn_of(twin.lost)
    return twin.model


def check(model: Any, caller: str) -> None:
    """Refuse what is not a model of Keras 3 on TensorFlow.

    Raises:
        KerasModelError, KerasModuleError: with a remedy.
    """
    if not is_keras_3(model):
        raise KerasModelError(
            f"{caller}: expected a model of Keras 3, got "
            f"{type(model).__module__}.{type(model).__qualname__}."
        )
    require("keras")
    keras = import_module("keras")
    backend = keras.config.backend()
    if backend != "tensorflow":
        raise KerasModuleError(
            f"{caller}: Keras 3 runs on {backend!r} here, and only its TensorFlow backend can be "
            "read. Set KERAS_BACKEND=tensorflow before Keras is imported, and load the model again."
        )
    if not isinstance(model, keras.Model):
        raise KerasModelError(
            f"{caller}: {type(model).__name__} is of Keras 3, but no model: give keras.Model(...)"
        )
