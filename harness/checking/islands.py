"""Where a file leaves int8, by the names of the layers that its owner knows."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any


def describe(report: Any, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the float islands of a file.

    Args:
      report: of `optim.verify`, on the file.
      told: what the process was told of the model, which is opened again if there are any.
    """
    names = _owners(told) if report.islands else {}
    return [
        {
            "layers": list(dict.fromkeys(names.get(name, name) for name in one.layers)),
            "operations": list(dict.fromkeys(one.operations)),
            "conversions": one.conversions,
            "position": one.position,
            "macs": one.macs,
        }
        for one in report.islands
    ]


def _owners(told: Mapping[str, Any]) -> dict[str, str]:
    """Return, by the name that a part of a layer has in a file, the layer's own."""
    from harness.checking.opened import open_model
    from optim import plan

    # Without a plan names are what the file says; that is no reason to say nothing.
    with contextlib.suppress(Exception):
        model = open_model(told["source"], told["custom"], told["trust"])
        return {entry.node.name: entry.node.path for entry in plan(model)}
    return {}
