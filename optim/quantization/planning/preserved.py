"""Kernels with something to preserve that no preserving quantizer takes.

Pruning and clustering also take kernels that a plan leaves float, such as those of a locally
connected layer, or leaves to the converter. Training undoes there what `preserve` is to keep: the
caller has to be told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim.clustering.wrapper import CLUSTERABLE
from optim.graph.graph import Graph, Node, is_input
from optim.models.kernels import slots, with_depthwise
from optim.pruning.wrapper import PRUNABLE
from optim.quantization.node_facts import sources_of
from optim.quantization.quantizers.preserving import PreservingQuantizer, kept

__all__ = ["Wanted", "unkept", "wanted"]

# In a random kernel, one value of some millions is zero by accident.
_ACCIDENT = 1e-3


@dataclass
class Wanted:
    """A layer of the original model whose kernels have something to keep.

    Attributes:
        paths: by which it is called.
        kernels: how many of them have.
        trained: whether training can undo it.
    """

    paths: list[str]
    kernels: int
    trained: bool


def wanted(graph: Graph, zeros: bool, values: bool) -> list[Wanted]:
    """Return the layers of an unlowered graph with zeros, or few values, to keep.

    Args:
        graph: as `read` returns it.
        zeros, values: what is to be kept.
    """
    found: dict[int, Wanted] = {}
    table = with_depthwise({**CLUSTERABLE, **PRUNABLE})
    for node in graph.nodes if zeros or values else ():
        layer = node.layer
        if id(layer) in found:
            found[id(layer)].paths.append(node.path)
        elif not is_input(node) and layer.built:
            kernels = [np.asarray(slot.value) for slot in slots(layer, table)]
            count = sum(_has_any(kernel, zeros, values) for kernel in kernels)
            found[id(layer)] = Wanted([node.path], count, bool(layer.trainable))
    return [one for one in found.values() if one.kernels]


def _has_any(kernel: np.ndarray, zeros: bool, values: bool) -> bool:
    zeros = zeros and float(np.mean(kernel == 0)) > _ACCIDENT
    return bool(kept(kernel, zeros, values))


def unkept(layers: Iterable[Wanted], entries: Iterable[Any]) -> list[str]:
    """Return those of the layers that are trained without preserving quantizers for all kernels.

    Args:
        layers: as `wanted` returns them.
        entries: those of the plan.

    Returns:
        For each, its path, and the reason of the plan for a layer that stays float.
    """
    entries = list(entries)
    found = []
    for layer in layers:
        made = [e for e in entries if _is_of(e.node.path, layer.paths)]
        keeping = {
            id(e.node.layer)
            for e in made
            if any(isinstance(q, PreservingQuantizer) for q in e.weights.values())
        }
        # A rule that merges layers gives the path of one of them: no entry of it tells nothing.
        left = any(id(e.node.layer) not in keeping and _has_kernel(e.node) for e in made)
        if layer.trained and left and len(keeping) < layer.kernels:
            reason = next((e.reason for e in made if e.is_float), "")
            found.append(f"{layer.paths[0]} ({reason})" if reason else layer.paths[0])
    return found


def _has_kernel(node: Node) -> bool:
    return any(len(weight.shape) > 1 for weight in sources_of(node))


def _is_of(path: str, layers: list[str]) -> bool:
    """Whether a node is a call of a layer, or of what the layer was taken apart into."""
    return any(path == one or path.startswith(f"{one}/") for one in layers)
