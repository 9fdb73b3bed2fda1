"""Options of pruning and clustering that hold for some layers only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from optim._keras import keras
from optim.errors import ConfigError
from optim.models.clone import walk
from optim.models.selectors import as_list, check, check_names, choose, label, matches

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
        self.wishes = as_list(wishes, "skip")

    def __call__(self, layer: Any, path: str) -> bool:
        return any(matches(wish, layer, (layer.name, path)) for wish in self.wishes)

    def check(self, model: Any) -> None:
        """Refuse a name or pattern that no layer has.

        Raises:
            ConfigError: naming the nearest.
        """
        check_names(self.wishes, _names(model), "skip", model.name, _inputs(model))


class Overrides:
    """Settings of their own for some layers.

    Where several entries match a layer, one holds (see `optim.models.selectors.choose`); entries
    are not merged with each other.

    Args:
        entries: pattern, class or predicate -> settings by name; None for no change.
        allowed: the names of settings.

    Raises:
        ConfigError: a key says nothing about layers, or a value is no such settings.
    """

    def __init__(self, entries: Mapping[Any, Any] | None, allowed: Iterable[str]) -> None:
        if not isinstance(entries, Mapping | None):
            raise ConfigError(
                f"overrides={entries!r}: a dict of pattern, class or predicate -> settings"
            )
        self.entries = dict(entries or {})
        known = set(allowed)
        for which, settings in self.entries.items():
            check(which, "overrides")
            if settings is not None and not isinstance(settings, Mapping):
                raise ConfigError(
                    f"overrides: {label(which)} has {settings!r}; settings are a dict such as "
                    f"{{{min(known)!r}: ...}}, or None"
                )
            unknown = sorted(set(settings or {}) - known)
            if unknown:
                raise ConfigError(
                    f"overrides: {label(which)} has unknown settings {unknown}; "
                    f"there are {', '.join(sorted(known))}"
                )

    def __call__(self, layer: Any, path: str) -> dict[str, Any]:
        """Return the settings for a layer; empty if it has none of its own."""
        return dict(choose(self.entries, layer, (layer.name, path)) or {})

    def check(self, model: Any) -> None:
        """Refuse a name or pattern that no layer has.

        Raises:
            ConfigError: naming the nearest.
        """
        check_names(self.entries, _names(model), "overrides", model.name, _inputs(model))


def _names(model: Any) -> set[str]:
    return {name for layer, path in walk(model) for name in (layer.name, path)}


def _inputs(model: Any) -> set[str]:
    layers = model._flatten_layers(include_self=False)
    return {layer.name for layer in layers if isinstance(layer, keras.layers.InputLayer)}
