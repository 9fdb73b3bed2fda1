"""What the caller wants otherwise than planned: layers left alone, configs of their own."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from optim._keras import keras, tfmot
from optim.engine.graph import Graph, Node, is_input
from optim.errors import ConfigError

QuantizeConfig = tfmot.quantization.keras.QuantizeConfig

Skip = str | type | Callable[[Any], bool]
"""Which layers: a name pattern (`"head_*"`), a layer class, or a predicate of a layer."""

Configs = Mapping[Any, Any]
"""Which layers, as `Skip` -> a tfmot `QuantizeConfig`, a factory of one, or None.

Where several match a layer, patterns and predicates go before classes, the earlier before
the later, and a class before those it is derived from. None leaves the layer to the plan.
"""

SKIPPED = "skipped on request"
CONFIGURED = "quantize config given"


def check_configs(configs: Configs | None) -> dict[Any, Any]:
    """Return a copy of `configs`.

    Raises:
        ConfigError: a key says nothing about layers, or a value is no quantize config.
    """
    found = dict(configs or {})
    for which, config in found.items():
        _check_which(which, "configs")
        if not (config is None or isinstance(config, QuantizeConfig) or callable(config)):
            raise ConfigError(
                f"configs: {_name(which)} has {config!r}, which is neither a tfmot "
                "QuantizeConfig nor a factory of one"
            )
    return found


def check_skip(skip: Skip | Iterable[Skip]) -> list[Any]:
    """Return `skip` as a list.

    Raises:
        ConfigError: an entry says nothing about layers.
    """
    several = isinstance(skip, Iterable) and not isinstance(skip, (str, type))
    wishes: list[Any] = list(skip) if several else [skip]  # type: ignore[arg-type]
    for which in wishes:
        _check_which(which, "skip")
    return wishes


def _check_which(which: Any, option: str) -> None:
    if isinstance(which, type) and not issubclass(which, keras.layers.Layer):
        raise ConfigError(f"{option}: {which.__name__} is not a layer class of tf_keras")
    if not isinstance(which, (str, type)) and not callable(which):
        raise ConfigError(
            f"{option}: {which!r} is neither a name pattern, a layer class, nor a predicate"
        )


def mark(graph: Graph, skip: Skip | Iterable[Skip], configs: Configs | None) -> None:
    """Note on the nodes of an unlowered graph which ones the caller wants left alone.

    Raises:
        ConfigError: an entry of either makes no sense, or a plain name is that of no layer.
    """
    wishes, given = check_skip(skip), check_configs(configs)
    nodes = [node for node in graph.nodes if not is_input(node)]
    for which in (*wishes, *given):
        # A pattern may be meant for several models; a name without a layer is a typing error.
        plain = isinstance(which, str) and not any(c in which for c in "*?[")
        if plain and not any(_matches(which, node) for node in nodes):
            names = [node.path for node in nodes]
            close = get_close_matches(which, names, n=3)
            hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise ConfigError(f"no layer of the model is named {which!r}{hint}")
    for node in nodes:
        if any(_matches(which, node) for which in wishes):
            node.skip = SKIPPED
        elif config_for(node, given) is not None:
            node.skip = CONFIGURED


def config_for(node: Node, configs: Configs) -> Any:
    """Return the quantize config the caller wants for a node, or None."""
    named = [w for w in configs if not isinstance(w, type) and _matches(w, node)]
    classes = [cls for cls in type(node.layer).__mro__ if cls in configs]
    for which in (*named, *classes):
        config = configs[which]
        return config if config is None or isinstance(config, QuantizeConfig) else config()
    return None


def _matches(which: Any, node: Node) -> bool:
    if isinstance(which, str):
        names = (node.path, node.layer.name, node.name)
        return any(fnmatch.fnmatchcase(name, which) for name in names)
    if isinstance(which, type):
        return isinstance(node.layer, which)
    return bool(which(node.layer))


def _name(which: Any) -> str:
    return getattr(which, "__name__", None) or repr(which)
