"""Which layers the caller means: by name pattern, by class, by predicate."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from optim._clone import walk
from optim._keras import keras
from optim.errors import ConfigError

__all__ = ["Overrides", "Skip"]


class Skip:
    """The layers to leave alone.

    Args:
        wishes: a name or `fnmatch` pattern, matched with the layer's name and its path; a
            layer class; a predicate of the layer; or a sequence of those.

    Raises:
        ConfigError: something else.
    """

    def __init__(self, wishes: Any) -> None:
        several = isinstance(wishes, Iterable) and not isinstance(wishes, (str, type))
        self.wishes: list[Any] = list(wishes) if several else [wishes]
        for wish in self.wishes:
            _check(wish, "skip")

    def __call__(self, layer: Any, path: str) -> bool:
        return any(_matches(wish, layer, path) for wish in self.wishes)

    def check(self, model: Any) -> None:
        """Refuse a name (a pattern may match nothing) that no layer has.

        Raises:
            ConfigError: naming the nearest; a typing error would change the wrong layer.
        """
        names = [x for x in self.wishes if isinstance(x, str) and not set(x) & set("*?[")]
        _check_names(names, model, "skip")


class Overrides:
    """Settings of their own for some layers.

    Where several entries match a layer, patterns and predicates go before classes, the
    earlier before the later, and a class before those it is derived from. One entry
    holds; entries are not merged with each other.

    Args:
        entries: pattern, class or predicate -> settings by name; None for no change.
        allowed: the names of settings.

    Raises:
        ConfigError: a key says nothing about layers, or a value is no such settings.
    """

    def __init__(self, entries: Mapping[Any, Any] | None, allowed: Iterable[str]) -> None:
        self.entries = dict(entries or {})
        known = set(allowed)
        for which, settings in self.entries.items():
            _check(which, "overrides")
            if settings is not None and not isinstance(settings, Mapping):
                raise ConfigError(
                    f"overrides: {_name(which)} has {settings!r}; settings are a dict such as "
                    f"{{{min(known)!r}: ...}}, or None"
                )
            unknown = sorted(set(settings or {}) - known)
            if unknown:
                raise ConfigError(
                    f"overrides: {_name(which)} has unknown settings {unknown}; "
                    f"there are {', '.join(sorted(known))}"
                )

    def __call__(self, layer: Any, path: str) -> dict[str, Any]:
        """Return the settings for a layer; empty if it has none of its own."""
        named = [w for w in self.entries if not isinstance(w, type) and _matches(w, layer, path)]
        classes = [cls for cls in type(layer).__mro__ if cls in self.entries]
        for which in (*named, *classes):
            return dict(self.entries[which] or {})
        return {}

    def check(self, model: Any) -> None:
        """Refuse a name or pattern that no layer has.

        Raises:
            ConfigError: naming the nearest.
        """
        _check_names([x for x in self.entries if isinstance(x, str)], model, "overrides")


def _check(which: Any, option: str) -> None:
    if isinstance(which, type) and not issubclass(which, keras.layers.Layer):
        raise ConfigError(f"{option}: {which.__name__} is not a layer class of tf_keras")
    if not isinstance(which, (str, type)) and not callable(which):
        raise ConfigError(
            f"{option}: {which!r} is neither a name, nor a layer class, nor a predicate"
        )


def _check_names(names: list[str], model: Any, option: str) -> None:
    if not names:
        return
    known = {name for layer, path in walk(model) for name in (layer.name, path)}
    for name in names:
        if not any(fnmatchcase(other, name) for other in known):
            near = difflib.get_close_matches(name, sorted(known), n=3)
            hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
            raise ConfigError(f"{option}: {model.name!r} has no layer {name!r}{hint}")


def _matches(which: Any, layer: Any, path: str) -> bool:
    if isinstance(which, str):
        return fnmatchcase(layer.name, which) or fnmatchcase(path, which)
    if isinstance(which, type):
        return isinstance(layer, which)
    return bool(which(layer))


def _name(which: Any) -> str:
    return getattr(which, "__name__", None) or repr(which)
