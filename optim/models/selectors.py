"""Which layers the caller means: by name pattern, by class, by predicate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from optim._keras import keras
from optim.errors import ConfigError
from optim.models.class_tables import nearest

__all__ = ["Which", "as_list", "check", "check_names", "choose", "label", "matches"]

Which = str | type | Callable[[Any], bool]
"""Which layers: a name pattern (`"head_*"`), a layer class, or a predicate of a layer."""


def check(which: Any, option: str) -> None:
    """Refuse what says nothing about layers.

    Raises:
        ConfigError: naming the option that it was given for.
    """
    if isinstance(which, type) and not issubclass(which, keras.layers.Layer):
        raise ConfigError(f"{option}: {which.__name__} is not a layer class of tf_keras")
    if not isinstance(which, (str, type)) and not callable(which):
        raise ConfigError(
            f"{option}: {which!r} is neither a name pattern, a layer class, nor a predicate"
        )


def as_list(wishes: Any, option: str) -> list[Any]:
    """Return one `Which`, or several, as a list.

    Raises:
        ConfigError: an entry says nothing about layers.
    """
    several = isinstance(wishes, Iterable) and not isinstance(wishes, (str, type))
    found: list[Any] = list(wishes) if several else [wishes]
    for which in found:
        check(which, option)
    return found


def matches(which: Any, layer: Any, names: Iterable[str]) -> bool:
    """Whether a layer, which goes by some names, is one of those that are meant.

    Raises:
        ConfigError: a predicate fails; the original error is its `__cause__`.
    """
    if isinstance(which, str):
        return any(fnmatchcase(name, which) for name in names)
    if isinstance(which, type):
        return isinstance(layer, which)
    try:
        return bool(which(layer))
    except Exception as error:  # it may raise anything
        raise ConfigError(
            f"the predicate {label(which)} fails for the {type(layer).__name__} {layer.name!r} "
            f"({type(error).__name__}: {error}); it is asked about every layer"
        ) from error


def choose(table: Mapping[Any, Any], layer: Any, names: Iterable[str]) -> Any:
    """Return the value that a table of `Which` -> value has for a layer; None if it has none.

    Where several entries match, patterns and predicates go before classes, the earlier
    before the later, and a class before those it is derived from.
    """
    names = list(names)
    for which in table:
        if not isinstance(which, type) and matches(which, layer, names):
            return table[which]
    return nearest(table, type(layer).__mro__)


def check_names(
    wishes: Iterable[Any],
    layers: Iterable[str],
    option: str,
    model: str,
    inputs: Iterable[str] = (),
) -> None:
    """Refuse names and patterns that match none of the layers.

    Args:
        wishes: names and patterns, among others.
        layers: all names of layers.
        option: that it was given for, and
        model: name of the model, for the message.
        inputs: names of inputs, of which there is nothing to choose.

    Raises:
        ConfigError: naming the nearest; a typing error would change the wrong layer.
    """
    layers, inputs = set(layers), set(inputs)
    for name in wishes:
        if not isinstance(name, str) or matches(name, None, layers):
            continue
        if matches(name, None, inputs):
            raise ConfigError(
                f"{option}: {name!r} is an input of {model!r}, not a layer: name those that take it"
            )
        near = get_close_matches(name.strip("*?"), sorted(layers | inputs), n=3)
        some = sorted(x for x in layers if "/" not in x)[:_NAMED]
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {some}"
        raise ConfigError(f"{option}: {model!r} has no layer {name!r}; {hint}")


_NAMED = 8  # layers that a message names if none is near


def label(which: Any) -> str:
    """Return how a message names it."""
    return getattr(which, "__name__", None) or repr(which)
