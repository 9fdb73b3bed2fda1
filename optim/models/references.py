"""Layers that hold other layers of their model: as attributes, or in the functions they call.

A copy has to hold the copies: it would compute with the weights of the original otherwise, or with
weights of its own where the original shares them.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from optim._keras import keras

Copies = Mapping[int, Any]
"""id of a layer -> what stands for it in the copy."""


def held(layer: Any) -> Iterator[Any]:
    """Yield the layers that a layer holds, itself and calls apart; functions' closures count."""
    for value in _own(layer).values():
        yield from _layers(value, set())


def hold(layer: Any, copies: Copies) -> None:
    """Let a copied layer hold the copies of what the original held. In place."""
    tracking = getattr(layer, "_self_setattr_tracking", True)
    for name, value in list(_own(layer).items()):
        new = _replaced(value, copies)
        if new is not value:
            layer._self_setattr_tracking = tracking and not callable(value)
            setattr(layer, name, new)
    layer._self_setattr_tracking = tracking


def _own(layer: Any) -> dict[str, Any]:
    """Attributes that are not every layer's, such as the records of its calls."""
    return {name: value for name, value in vars(layer).items() if name not in _common()}


@cache
def _common() -> frozenset[str]:
    return frozenset(vars(keras.layers.Layer()))


def _layers(value: Any, seen: set[int]) -> Iterator[Any]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, keras.layers.Layer):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _layers(part, seen)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _layers(part, seen)
    elif isinstance(value, types.FunctionType):
        for part in _cells(value):
            yield from _layers(part, seen)


def _cells(function: types.FunctionType) -> list[Any]:
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not set yet
            found.append(None)
    return [*found, *(function.__defaults__ or ())]


def _replaced(value: Any, copies: Copies) -> Any:
    """The same with copies in the place of what they are of; itself where there is none."""
    if id(value) in copies:
        return copies[id(value)]
    if not any(id(one) in copies for one in _layers(value, set())):
        return value
    if isinstance(value, types.FunctionType):
        closure = tuple(types.CellType(_replaced(x, copies)) for x in _contents(value))
        defaults = tuple(_replaced(x, copies) for x in value.__defaults__ or ()) or None
        made = types.FunctionType(
            value.__code__, value.__globals__, value.__name__, defaults, closure
        )
        made.__kwdefaults__ = value.__kwdefaults__
        return made
    if isinstance(value, Mapping):
        return {key: _replaced(x, copies) for key, x in value.items()}
    if isinstance(value, tuple):
        return tuple(_replaced(x, copies) for x in value)
    return [_replaced(x, copies) for x in value]


def _contents(function: types.FunctionType) -> list[Any]:
    return [cell.cell_contents for cell in function.__closure__ or ()]
