"""Output channels whose kernel vanishes beside their bias.

Pruning empties channels, and training lets some fade away; what they give is their bias. In an
int8 file a bias is counted in steps of the input's scale times the kernel's, in int32: where
the range of the kernel is next to nothing, so is the step, and the bias does not fit. The
converter stores the largest number there is instead, and the file computes something else,
without a word. A channel that a normalization multiplies by zero the converter does not fold
at all: the convolution and the normalization stay float.

A range that has room for the bias makes both right. It changes no other channel, and of the
channel itself less than a millionth of its bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from optim._keras import tf
from optim.exporting.graph_passes import constants

__all__ = ["give_room"]

#: Least range of a kernel's channel, after normalization, of its bias, by the step of the input:
#: what int32 counts to, half of it left free.
_COUNTED = 2 * 127 / 2**31

#: The same for an input that has 255 steps between 0 and 1/8, which all of a larger step have.
_LEAST = _COUNTED / (0.125 / 255)

#: They hand on the values of their first input, and its steps with them.
_MOVING = ("Reshape", "Pad", "MaxPool", "AvgPool", "Identity", "ExpandDims", "Squeeze", "Transpose",
           "SpaceToBatchND", "BatchToSpaceND")  # fmt: skip

_FAKE_QUANT = "FakeQuantWithMinMaxVarsPerChannel"
_NORMALIZATIONS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")


def give_room(graph_def: Any) -> int:
    """Widen the ranges of kernels that have no room for the bias.

    Args:
        graph_def: a frozen graph with fake-quants. Modified in place.

    Returns:
        How many channels had none.
    """
    graph = _Graph.of(graph_def)
    return sum(_widened(graph, node) for node in graph_def.node if node.op == _FAKE_QUANT)


@dataclass(frozen=True)
class _Graph:
    """Nodes by name, and the consumers of each."""

    nodes: dict[str, Any]
    users: dict[str, list[Any]]

    @classmethod
    def of(cls, graph_def: Any) -> _Graph:
        users: dict[str, list[Any]] = {}
        for node in graph_def.node:
            for edge in node.input:
                users.setdefault(constants.producer(edge), []).append(node)
        return cls({node.name: node for node in graph_def.node}, users)

    def operand(self, node: Any, place: int) -> Any:
        return self.nodes[constants.producer(node.input[place])]

    def follower(self, node: Any, *kinds: str) -> Any:
        """The only consumer of a node, if it is of these kinds and takes the node as data."""
        found = self.users.get(node.name, [])
        if not self.owned(node) or found[0].op not in kinds:
            return None
        return found[0] if constants.producer(found[0].input[0]) == node.name else None

    def owned(self, node: Any) -> bool:
        """Whether a single operation takes what a node computes."""
        return len(self.users.get(node.name, [])) == 1

    def value(self, node: Any) -> np.ndarray | None:
        return constants.value(self.nodes, node.name)


def _widened(graph: _Graph, fake_quant: Any) -> int:
    kernel, low, high = operands = [graph.operand(fake_quant, place) for place in range(3)]
    lowest, highest = graph.value(low), graph.value(high)
    if kernel.op != "Const" or lowest is None or highest is None:
        return 0
    if not all(map(graph.owned, (fake_quant, *operands))):
        return 0
    # A convolution in groups is a function, and what it is called with the same.
    convolution = graph.users[fake_quant.name][0]
    folded = _folded(graph, convolution, kernel)
    if folded is None:
        return 0
    factor, bias = folded
    least = max(_LEAST, _COUNTED / _step(graph, convolution))
    reach = np.maximum(-lowest, highest)
    needed = least * np.abs(bias) / np.maximum(np.abs(factor), np.finfo(np.float32).tiny)
    wanting = reach < needed
    if wanting.any():
        _set(low, np.where(wanting, -needed, lowest))
        _set(high, np.where(wanting, needed, highest))
    return int(wanting.sum())


def _step(graph: _Graph, convolution: Any) -> float:
    """The step of the input of a convolution; infinite where nothing tells it."""
    node = graph.operand(convolution, 0)
    while node.op in _MOVING:
        node = graph.operand(node, 0)
    if node.op != "FakeQuantWithMinMaxVars":
        return np.inf
    low, high = (graph.value(graph.operand(node, place)) for place in (1, 2))
    if low is None or high is None or not np.max(high - low) > 0:  # nothing: never calibrated
        return np.inf
    steps = 2.0 ** node.attr["num_bits"].i - 1
    return max(float(np.max(high - low)) / float(steps), float(np.finfo(np.float32).tiny))


def _folded(graph: _Graph, convolution: Any, kernel: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """What multiplies each channel of a convolution and what is added to it, if that is known."""
    addition = graph.follower(convolution, "BiasAdd")
    normalization = graph.follower(addition or convolution, *_NORMALIZATIONS)
    bias = np.zeros(1, np.float32) if addition is None else graph.value(graph.operand(addition, 1))
    if bias is None:
        return None
    if normalization is None:
        return np.ones_like(bias), bias
    nodes = [graph.operand(normalization, place) for place in range(1, 5)]
    known = [value for value in map(graph.value, nodes) if value is not None]
    if normalization.attr["is_training"].b or len(known) < len(nodes):
        return None
    gamma, beta, mean, variance = known
    dead = gamma == 0  # the converter divides by it
    if dead.any() and all(map(graph.owned, (nodes[0], nodes[2]))):
        gamma, mean = np.where(dead, 1, gamma), np.where(dead, bias, mean)
        _set(nodes[0], gamma)
        _set(nodes[2], mean)
        _set(kernel, np.where(dead, 0, tf.make_ndarray(kernel.attr["value"].tensor)))
    factor = gamma / np.sqrt(variance + normalization.attr["epsilon"].f)
    return factor, beta + (bias - mean) * factor


def _set(node: Any, content: np.ndarray) -> None:
    constants.set_constant(node, content.astype(np.float32))
