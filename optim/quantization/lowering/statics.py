"""Tensors that follow from known sizes alone: constants, whatever they are computed by."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.graph.parameter import Parameter
from optim.quantization.lowering.calls import add_parameter
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import weights_of

__all__ = ["static"]

_SHAPES = ("shape", "compat.v1.shape")
_FILLED = {"ones_like": 1, "zeros_like": 0, "compat.v1.ones_like": 1, "compat.v1.zeros_like": 0}
_MOST = 1 << 22
"""Elements that a constant may have: more than any mask of a sequence that fits into memory."""


@rule("linalg.band_part", "math.greater_equal", "math.less_equal", "math.greater", "math.less")
def mask_of_known_size(graph: Graph, node: Node) -> Result:
    """A causal mask of a known length."""
    if node.output.spec.dtype != tf.bool or not node.output.rank:
        return None
    found = static(node.output)
    if found is None or found.size > _MOST:
        return None
    return add_parameter(graph, found, node.name, False)


def static(value: Any) -> np.ndarray | None:
    """The array that a value is if it follows from known sizes alone, else None."""
    found = _static(value)
    if found is None or found.dtype == object:
        return None
    return found


def _static(x: Any) -> np.ndarray | None:
    """The same; of a shape an array of objects, None for sizes that are unknown."""
    if not isinstance(x, Value):
        return None if x is None or keras.backend.is_keras_tensor(x) else np.asarray(x)
    node = x.node
    if isinstance(node.layer, Parameter):
        learnt = node.layer.learnt and node.layer.trainable
        return None if learnt else np.asarray(weights_of(node)[0])
    if not node.symbol or len(node.outputs) != 1:
        return None
    if node.symbol in _SHAPES:
        shape = node.inputs[0].shape
        if shape is None:
            return None
        sizes = np.empty(len(shape), object)
        sizes[:] = shape
        return sizes if None in shape else sizes.astype(np.int32)
    if node.symbol == "__operators__.getitem":
        return _item(node)
    if node.symbol in _FILLED and node.inputs:
        like = _static(node.inputs[0])
        if like is not None:
            return np.full(like.shape, _FILLED[node.symbol], node.output.spec.dtype.as_numpy_dtype)
    return _computed(node)


def _item(node: Node) -> np.ndarray | None:
    whole = _static(node.args[0])
    if whole is None or len(node.args) != 2:
        return None
    index = tf.nest.map_structure(_plain, node.args[1])
    try:
        found = np.asarray(whole[_slices(index)])
    except (IndexError, TypeError, ValueError):
        return None
    if found.dtype == object and not any(one is None for one in found.flat):
        return found.astype(np.int32)
    return found


def _plain(x: Any) -> Any:
    return int(x) if isinstance(x, (np.integer, int)) and not isinstance(x, bool) else x


def _slices(index: Any) -> Any:
    """An index as numpy takes it; Keras has slices as dicts of their parts."""
    if isinstance(index, dict) and set(index) == {"start", "stop", "step"}:
        return slice(index["start"], index["stop"], index["step"])
    if isinstance(index, (list, tuple)):
        return tuple(_slices(one) for one in index)
    return index


def _computed(node: Node) -> np.ndarray | None:
    def known(x: Any) -> Any:
        if not isinstance(x, Value):
            return x
        found = static(x)
        if found is None:
            raise LookupError
        return tf.constant(found)

    try:
        args = tf.nest.map_structure(known, node.args)
        kwargs = tf.nest.map_structure(known, node.kwargs)
        return np.asarray(node.layer.function(*args, **kwargs))
    except (LookupError, TypeError, ValueError, tf.errors.OpError):
        return None
