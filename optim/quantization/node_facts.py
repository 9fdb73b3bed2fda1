"""Small facts about layers that rules, planner and builder share."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.graph.graph import Node, Value
from optim.models.kernels import linear_kernel
from optim.models.vocabularies import variables
from optim.quantization.activation_facts import activation_name

K = keras.layers

_COMPUTATION = ("call", "__call__", "build", "convolution_op", "_convolution_op")
_SMALL_EPSILON = 1e-3
_FUNCTIONS = ("activation", "_regularizer", "_constraint")
_OURS = (keras.__name__, __name__.split(".")[0])
_POOLS = (K.AveragePooling1D, K.AveragePooling2D, K.AveragePooling3D)
_RESIZES = (K.Resizing, K.UpSampling2D)
_AVERAGING = (
    "compat.v1.image.resize",
    "compat.v1.image.resize_bilinear",
    "compat.v1.image.resize_images",
    "compat.v1.nn.avg_pool",
    "compat.v1.nn.pool",
    "image.resize",
    "image.resize_with_pad",
    "nn.avg_pool",
    "nn.avg_pool1d",
    "nn.avg_pool2d",
    "nn.pool",
)


def hierarchy(layer: Any) -> list[type]:
    """The class of a layer and those base classes whose computation it inherits.

    A user's class that defines how it computes is not what its base class is: the list
    ends with it.
    """
    classes: list[type] = []
    for cls in type(layer).__mro__:
        classes.append(cls)
        own = cls.__module__.split(".")[0] in _OURS
        if not own and any(name in vars(cls) for name in _COMPUTATION):
            break
    return classes


def is_linear(node: Node) -> bool:
    """Whether the layer is one linear map by a kernel."""
    return linear_kernel(hierarchy(node.layer)) is not None


def has_plain_call(node: Node) -> bool:
    """Whether the layer is called on one tensor and nothing else."""
    return len(node.args) == 1 and isinstance(node.args[0], Value) and not node.kwargs


def averages(node: Node) -> bool:
    """Whether it may make means of values: these have a smaller range, which would clip those."""
    if node.symbol:
        return node.symbol in _AVERAGING
    if isinstance(node.layer, _RESIZES):
        return bool(node.layer.interpolation != "nearest")
    return isinstance(node.layer, _POOLS)


def relu_limit(node: Node) -> float | None:
    """Upper bound of a plain rectifier: inf, or its `max_value`; None if it is not one."""
    layer = node.layer
    if isinstance(layer, K.ReLU):
        if layer.threshold or layer.negative_slope:
            return None
        return float("inf") if layer.max_value is None else float(layer.max_value)
    if isinstance(layer, K.Activation):
        return {"relu": float("inf"), "relu6": 6.0}.get(activation_name(layer.activation))
    return None


def is_fusable_relu(node: Node) -> bool:
    return relu_limit(node) in (float("inf"), 6.0)


def sources_of(node: Node) -> list[Any]:
    """What the weights of the rebuilt layer of a node are made from, in their order.

    Variables of the original where they are taken over as they are: layers that are made
    from the same variable share theirs, too.
    """
    return variables(node.layer.weights) if node.weights is None else list(node.weights)


def weights_of(node: Node) -> list[np.ndarray]:
    """The weights that the rebuilt layer of a node gets, as arrays, in their order."""
    return [np.asarray(w) for w in sources_of(node)]


def policy_for(dtype: Any) -> str:
    """The policy of a layer that computes in a precision; its weights are float32."""
    name = dtype.name
    return f"mixed_{name}" if name in ("float16", "bfloat16") else name


def config_of(layer: Any) -> dict[str, Any]:
    """The config of a layer with the functions that it applies themselves.

    Keras has words for them, which it makes for its own, and for those that say how.
    """
    kept = {key: value for key, value in vars(layer).items() if value is not None}
    kept = {key: value for key, value in kept.items() if key.endswith(_FUNCTIONS)}
    for key in kept:
        vars(layer)[key] = keras.activations.linear if key.endswith("activation") else None
    try:
        config = dict(layer.get_config())
    finally:
        vars(layer).update(kept)
    named = {key.lstrip("_"): value for key, value in kept.items()}
    return {**config, **{key: value for key, value in named.items() if key in config}}


def is_pure_keras(layer: Any) -> bool:
    """Whether the class is defined in Keras or here, not by a user."""
    return type(layer).__module__.split(".")[0] in _OURS


def constant(x: Any) -> np.ndarray | None:
    """The number or array that a call argument is, or None if it is anything else."""
    if isinstance(x, (bool, str)) or x is None:
        return None
    if isinstance(x, (int, float, np.ndarray, np.number)):
        return np.asarray(x)
    if isinstance(x, (tf.Tensor, tf.Variable)):
        try:
            return np.asarray(x)
        except (NotImplementedError, TypeError):  # symbolic: not a constant
            return None
    return None


def axes_of(node: Node, place: int = 1) -> list[int] | None:
    """The axes that a function of one tensor goes over, counted from 0; None: unknown, or all.

    Args:
        node: calls the function.
        place: of the axes among its positional arguments.
    """
    given = node.kwargs.get("axis", node.args[place] if len(node.args) > place else None)
    axes = np.asarray(given)
    rank = node.inputs[0].rank if node.inputs else None
    if axes.dtype.kind not in "iu" or not rank:
        return None
    return sorted({int(a) % rank for a in axes.ravel()})


def is_unit_kernel(node: Node) -> bool:
    """Whether LiteRT's kernel computes what a call of `tf.math.l2_normalize` does.

    It goes over the last axis, and has no epsilon: the converter takes only small ones for none.
    """
    return axes_of(node) == [(node.inputs[0].rank or 0) - 1] and has_small_epsilon(node)


def has_small_epsilon(node: Node) -> bool:
    """Whether the epsilon of `tf.math.l2_normalize` changes nothing but a division by zero."""
    given = node.kwargs.get("epsilon", node.args[2] if len(node.args) > 2 else 1e-12)
    epsilon = constant(given)
    return epsilon is not None and float(epsilon) < _SMALL_EPSILON
