"""What the caller wants otherwise than planned: layers left alone, configs of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from optim._keras import tfmot
from optim.errors import ConfigError
from optim.graph.graph import Graph, Node, is_input
from optim.models.selectors import (
    Which,
    as_list,
    check,
    check_names,
    choose,
    label,
    matches,
)

QuantizeConfig = tfmot.quantization.keras.QuantizeConfig

Skip = Which

Configs = Mapping[Any, Any]
"""Which layers, as `Skip` -> a tfmot `QuantizeConfig`, a factory of one, or None.

Where several match a layer, one holds (see `optim.models.selectors.choose`). None leaves the layer
to the plan.
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
        check(which, "configs")
        if not (config is None or isinstance(config, QuantizeConfig) or callable(config)):
            raise ConfigError(
                f"configs: {label(which)} has {config!r}, which is neither a tfmot "
                "QuantizeConfig nor a factory of one"
            )
    return found


def check_skip(skip: Skip | Iterable[Skip]) -> list[Any]:
    """Return `skip` as a list.

    Raises:
        ConfigError: an entry says nothing about layers.
    """
    return as_list(skip, "skip")


def mark(graph: Graph, skip: Skip | Iterable[Skip], configs: Configs | None) -> None:
    """Note on the nodes of an unlowered graph which ones the caller wants left alone.

    Raises:
        ConfigError: an entry of either makes no sense, or a name or pattern is that of no layer.
    """
    wishes, given = check_skip(skip), check_configs(configs)
    nodes = [node for node in graph.nodes if not is_input(node)]
    names = {name for node in nodes for name in _names(node)}
    inputs = {name for node in graph.nodes if is_input(node) for name in _names(node)}
    for option, wanted in (("skip", wishes), ("configs", given)):
        check_names(wanted, names, option, graph.source.name, inputs)
    for node in nodes:
        if any(matches(which, node.layer, _names(node)) for which in wishes):
            node.skip = SKIPPED
        elif config_for(node, given) is not None:
            node.skip = CONFIGURED


def config_for(node: Node, configs: Configs) -> Any:
    """Return the quantize config the caller wants for a node, or None."""
    config = choose(configs, node.layer, _names(node))
    return config if config is None or isinstance(config, QuantizeConfig) else config()


def _names(node: Node) -> tuple[str, ...]:
    return node.path, node.layer.name, node.name
