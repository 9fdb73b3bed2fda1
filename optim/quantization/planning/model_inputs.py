"""Inputs of a model whose parts have so little in common that one int8 scale loses some of them.

Columns of a table come in units of their own, and ids stand beside signals. What tells the parts
apart, or makes them alike, is left float, and quantized behind it.
"""

from __future__ import annotations

import numpy as np

from optim.graph.graph import Node, Value, is_input
from optim.quantization.layers import Affine
from optim.quantization.node_facts import weights_of
from optim.quantization.planning.indices import takes_indices
from optim.quantization.planning.roles import Assignment, Role, assign

_FEWEST = 4.0
"""Steps in a standard deviation: 23 dB. In int8 it has 42 where all channels are alike."""

_REACH = 3.0
"""Standard deviations that values are taken to be from their mean, at most."""

UNEQUAL = Assignment(
    Role.FLOAT, "float: makes parts of the input alike that one int8 scale would lose"
)
PARTED = Assignment(Role.FLOAT, "float: parts an input of which another part is indices")

#: What makes float what has an int8 operation, for the better.
BY_INPUT = (UNEQUAL.reason, PARTED.reason)


def is_unequal(node: Node, steps: int) -> bool:
    """Whether a per-channel map takes an input of the model with too few steps for some channel.

    Args:
        node: an `Affine`, whose results are taken to be around 0 and of like size; or a batch
            normalization, which knows the statistics of its input.
        steps: of the scale that the input would have.
    """
    if not is_input(node.inputs[0].node):
        return False
    weights = weights_of(node)
    if isinstance(node.layer, Affine):
        scale, offset = (np.asarray(array, np.float64) for array in weights)
        scale, offset = scale[scale != 0.0], offset[scale != 0.0]
        if np.all(np.abs(scale) == 1.0):  # an offset alone says nothing of sizes
            return False
        center, spread = -offset / scale, 1.0 / np.abs(scale)
    else:
        center, variance = (np.asarray(array, np.float64) for array in weights[-2:])
        spread = np.sqrt(variance + node.layer.epsilon)
    if not spread.size:
        return False
    low = min(0.0, float(np.min(center - _REACH * spread)))
    high = max(0.0, float(np.max(center + _REACH * spread)))
    return bool(np.min(spread) < _FEWEST * (high - low) / steps)


def parts_indices(node: Node) -> bool:
    """Whether a node moves values of an input of the model, some of which are indices."""
    if not (node.inputs and node.output.is_float):
        return False
    return _is_of_input(node.inputs[0]) and _reaches_indices(node.inputs[0])


def _is_of_input(value: Value) -> bool:
    while not is_input(value.node):
        if len(value.node.inputs) != 1 or not _moves(value.node):
            return False
        value = value.node.inputs[0]
    return value.is_float


def _reaches_indices(value: Value) -> bool:
    return any(
        takes_indices(node, value)
        or (_moves(node) and any(_reaches_indices(one) for one in node.outputs))
        for node in value.uses
    )


def _moves(node: Node) -> bool:
    return assign(node).role is Role.SAME
