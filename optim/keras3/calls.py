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


class Masks:
    """Which masks of a traced model the twin has on its own tensors.

    Those that are computed in the same way count as one: Keras 3 computes the mask of an
    `Embedding` twice, where it puts it on the output, and where it hands it to a layer.
    """

    _DEPTH = 16  # operations that are looked at, one behind the other

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._implied: dict[int, list[Any]] = {}

    def note(self, mask: Any, implied: Any) -> None:
        """Note what the twin has for a mask, if both are there."""
        if mask is not None and implied is not None:
            self._implied.setdefault(self._number(mask, self._DEPTH, {}), []).append(implied)

    def is_implied(self, mask: Any, by: Any) -> bool:
        """Whether a mask that the twin has on a tensor stands for one of the traced model."""
        known = self._implied.get(self._number(mask, self._DEPTH, {}), ())
        return any(by is one for one in known)

    def _number(self, x: Any, depth: int, done: dict[tuple[str, int], int]) -> int:
        place = (x.name, depth)
        if place not in done:
            made = self._making(x, depth, done)
            done[place] = self._numbers.setdefault(made, len(self._numbers))
        return done[place]

    def _making(self, x: Any, depth: int, done: dict[tuple[str, int], int]) -> Hashable:
        op = x.op
        if op.type == "Const":
            return ("Const", op.get_attr("value").SerializeToString())
        if depth == 0 or not op.inputs or op.op_def.is_stateful:
            return str(x.name)
        options = tuple(sorted((k, v.SerializeToString()) for k, v in op.node_def.attr.items()))
        inputs = tuple(self._number(one, depth - 1, done) for one in op.inputs)
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
