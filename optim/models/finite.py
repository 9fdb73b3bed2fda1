"""Weights that are no numbers: what nothing can be made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from optim._keras import keras
from optim.errors import Problem, UnsupportedModelError
from optim.models.clone import plain_variable
from optim.models.vocabularies import variables

__all__ = ["check_finite", "not_finite"]

_REMEDY = "training diverged: go back to earlier weights, with a smaller learning rate"


def check_finite(layers: Iterable[Any], caller: str, skip: bool = False) -> None:
    """Refuse weights that are NaN or infinite: ranges, masks and clusters would follow them.

    Infinite values that are not trained may be meant, those of an attention mask are.

    Args:
        layers: those of a model, without the model itself.
        caller: name of the public function.
        skip: whether it helps to leave them out.

    Raises:
        UnsupportedModelError: naming all layers that have some.
    """
    problems = list(not_finite(layers, _trained))
    if skip:
        remedy = f"{_REMEDY}; or leave it out (`skip`)"
        problems = [replace(problem, remedy=remedy) for problem in problems]
    if problems:
        raise UnsupportedModelError(problems, f"{caller}: the model has values that are no numbers")


def _trained(layer: Any) -> list[Any]:
    return list(layer._trainable_weights)


def not_finite(layers: Iterable[Any], bounded: Callable[[Any], list[Any]]) -> Iterator[Problem]:
    """Yield one problem for each layer that has weights which are NaN, or infinite ones.

    Args:
        layers: to look at, without those inside them.
        bounded: function of a layer, which returns the weights that may not be infinite.
    """
    for layer in layers:
        finite = {id(weight) for weight in bounded(layer)}
        found = ""
        for weight in variables(layer._trainable_weights + layer._non_trainable_weights):
            if not weight.dtype.is_floating or not weight.shape.num_elements():
                continue
            value = keras.backend.get_value(plain_variable(weight))
            low, high = float(value.min()), float(value.max())
            if math.isnan(low):
                found = "NaN"
                break
            if id(weight) in finite and not (math.isfinite(low) and math.isfinite(high)):
                found = "infinite"
        if found:
            yield Problem(layer.name, f"has {found} weights or ranges", _REMEDY)
