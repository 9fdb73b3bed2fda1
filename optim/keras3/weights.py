"""Which weight of a twin is which variable of Keras 3, and their values."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras
from optim.errors import Problem, UnsupportedModelError

Pair = tuple[Any, Any]
"""`(variable of Keras 3, weight of tf_keras)`."""

#: Last name of a weight in tf_keras -> that in Keras 3, where it is another.
_OTHER_NAMES = {"depthwise_kernel": "kernel", "sn_u": "vector_u"}

#: tf_keras keeps some states that Keras 3 keeps nowhere, or as no weights.
_OWN = ("count",)


def pairs_of(layer: Any, equal: Any) -> list[Pair]:
    """Pair the weights of a layer with those of its equal, by last name and shape, in order.

    Raises:
        UnsupportedModelError: one has no partner.
    """
    waiting = list(layer.variables)
    found = []
    for weight in equal.weights:
        name = weight.name.split("/")[-1].partition(":")[0]
        shape = tuple(weight.shape)
        partner = next((v for v in waiting if _is_called(v, name) and _fits(v, shape)), None)
        if partner is None:
            if name in _OWN:
                continue
            raise _unpaired(layer, name, shape)
        waiting = [v for v in waiting if v is not partner]
        found.append((partner, weight))
    return found


def _is_called(variable: Any, name: str) -> bool:
    """Whether a variable has a name, that name in Keras 3, or one that Keras gave it."""
    own = str(variable.path.rpartition("/")[2])
    return own in (name, _OTHER_NAMES.get(name)) or own.startswith("variable")


def _fits(variable: Any, shape: tuple[int, ...]) -> bool:
    return tuple(variable.shape) == shape


def _unpaired(layer: Any, name: str, shape: tuple[int, ...]) -> UnsupportedModelError:
    return UnsupportedModelError(
        [
            Problem(
                layer.name,
                f"a {type(layer).__name__} has no variable {name!r} of shape {shape}, which its "
                "equal in tf_keras has",
                "make the layer a subclass of keras.layers.Layer: its call is then traced",
            )
        ]
    )


def copy(pairs: list[Pair]) -> None:
    """Give the weights of tf_keras the values of the variables of Keras 3."""
    if pairs:
        keras.backend.batch_set_value([(to, numbers(variable)) for variable, to in pairs])


def finalize(layer: Any, equal: Any) -> None:
    """Have an equal compute with what its layer does.

    `Normalization` derives constants from its weights. In Keras 3 a weight that is assigned changes
    none of what the layer computes before its state is finalized: there the constants count.
    """
    if getattr(layer, "adapt_mean", None) is not None and layer.mean is not None:
        for name in ("mean", "variance"):
            weight = getattr(equal, f"adapt_{name}")
            weight.assign(np.reshape(numbers(getattr(layer, name)), weight.shape))
    equal.finalize_state()


def numbers(variable: Any) -> np.ndarray:
    """The value of a variable of either Keras."""
    inner = getattr(variable, "value", variable)
    return np.asarray((variable if callable(inner) else inner).numpy())
