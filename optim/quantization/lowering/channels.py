"""Layers with the channels first, as ones with the channels last between two permutations.

LiteRT convolves and pools with the channels last only, and so does TensorFlow on a CPU: the data to
calibrate with could not be run. The converter moves some of these layers itself, and fails at the
others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.quantization.activation_facts import activation_name
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import config_of, has_plain_call, sources_of

K = keras.layers

_MOVED = tuple(
    getattr(K, name)
    for name in [
        "Conv1D",
        "Conv2D",
        "Conv3D",
        "Conv1DTranspose",
        "Conv2DTranspose",
        "Conv3DTranspose",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "SeparableConv1D",
        "SeparableConv2D",
        "MaxPooling2D",
        "AveragePooling2D",
    ]
)
# What they may apply themselves: a softmax, say, goes along the last axis, whichever that is.
_BY_ELEMENT = (
    "linear relu relu6 sigmoid tanh swish elu selu gelu softplus softsign hard_sigmoid exponential"
)


@rule(*_MOVED)
def channels_first(graph: Graph, node: Node) -> Result:
    layer = node.layer
    if type(layer) not in _MOVED or layer.data_format != "channels_first":
        return None
    if hasattr(layer, "activation") and not _is_by_element(layer.activation):
        return None
    return _moved(graph, node, data_format="channels_last")


@rule(K.BatchNormalization)
def normalization_of_moved(graph: Graph, node: Node) -> Result:
    """Behind such a layer it is moved as well, so that it folds into the layer's kernel."""
    layer = node.layer
    if type(layer) is not K.BatchNormalization or list(np.ravel(layer.axis)) != [1]:
        return None
    before = node.inputs[0].node.layer
    rank = node.inputs[0].rank or 0
    if rank < 3 or not isinstance(before, K.Permute) or list(before.dims) != _first(rank):
        return None
    return _moved(graph, node, axis=-1)


@rule(K.Permute)
def there_and_back(graph: Graph, node: Node) -> Result:
    """Of two permutations that undo each other nothing remains."""
    before = node.inputs[0].node
    if not (isinstance(before.layer, K.Permute) and has_plain_call(before)):
        return None
    if graph.is_output(node.output):  # which goes by the name of the second
        return None
    if any(before.masks) or [before.layer.dims[d - 1] for d in node.layer.dims] != sorted(
        node.layer.dims
    ):
        return None
    return before.inputs[0]


def _is_by_element(activation: Any) -> bool:
    return activation_name(activation) in _BY_ELEMENT.split()


def _moved(graph: Graph, node: Node, **changed: Any) -> Value | None:
    x, rank = node.inputs[0], node.inputs[0].rank
    if rank is None or not has_plain_call(node):
        return None
    ends = graph.is_output(node.output)  # the name is then that of the output
    own = graph.unique_name(f"{node.name}_moved") if ends else node.name
    back = node.name if ends else graph.unique_name(f"{node.name}_channels_first")
    config = {**config_of(node.layer), "name": own, **changed}
    new = graph.derive(node, "moved", lambda: type(node.layer).from_config(config))

    def permuted(value: Value, order: list[int], name: str) -> Value:
        shape = value.spec.shape
        spec = tf.TensorSpec([shape[0], *(shape[axis] for axis in order)], value.spec.dtype)
        return graph.add(K.Permute(order, name=name), value, specs=spec).output

    last = permuted(x, _last(rank), graph.unique_name(f"{node.name}_channels_last"))
    shape = node.output.spec.shape
    sizes = [shape[0], *(shape[axis] for axis in _last(rank))]
    spec = tf.TensorSpec(sizes, node.output.spec.dtype)
    y = graph.add(new, last, specs=spec, weights=sources_of(node)).output
    return permuted(y, _first(rank), back)


def _last(rank: int) -> list[int]:
    return [*range(2, rank), 1]


def _first(rank: int) -> list[int]:
    return [rank - 1, *range(1, rank - 1)]
