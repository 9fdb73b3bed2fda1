"""What a layer returns for symbolic inputs, told from its class instead of by tracing it.

Keras traces every layer into a scratch graph to learn the shape of its output. A quantizing
wrapper traces slowly: with its quantizers, whose variables are read and assigned, and through
AutoGraph, which converts the `call` of whatever is not Keras' own. But a quantizer changes no
shape, and what it quantizes is a layer of few kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce
from typing import Any

from optim._keras import keras, tf
from optim.quantization import layers as own
from optim.quantization.activation_facts import activation_name

K = keras.layers

Shape = Callable[[Any, Any], Any]
"""`(layer, shapes of its inputs) -> shape of its output`, sizes that are open included."""


def _computed(layer: Any, shapes: Any) -> Any:
    return layer.compute_output_shape(shapes)


def _broadcast(layer: Any, shapes: Any) -> Any:
    """Keras' own takes a size for open where one input leaves it open and another does not."""
    return reduce(tf.broadcast_static_shape, shapes) if _alike(shapes) else None


def _joined(layer: Any, shapes: Any) -> Any:
    """So it does here."""
    if not _alike(shapes):
        return None
    sizes = [shape.as_list() for shape in shapes]
    along = [each.pop(layer.axis) for each in sizes]
    whole = reduce(lambda a, b: a.merge_with(b), map(tf.TensorShape, sizes)).as_list()
    whole.insert(layer.axis % len(shapes[0]), None if None in along else sum(along))
    return tf.TensorShape(whole)


def _alike(shapes: Any) -> bool:
    """Whether they are those of several inputs, all of the same rank."""
    return isinstance(shapes, (list, tuple)) and len({len(shape) for shape in shapes}) == 1


def _activated(layer: Any, shapes: Any) -> Any:
    """Only known functions are sure to keep the shape."""
    return layer.compute_output_shape(shapes) if activation_name(layer.activation) else None


# What a wrapper can tell of the layer in it. Not of classes derived from these: they may compute
# otherwise. All of them compute in the precision of their policy.
_SHAPES: dict[type, Shape] = {
    **dict.fromkeys(
        (
            K.AveragePooling2D,
            K.BatchNormalization,
            K.GlobalAveragePooling2D,
            K.GlobalMaxPooling2D,
            K.MaxPooling2D,
            K.ReLU,
            K.ZeroPadding2D,
            own.AddConstant,
            own.Affine,
            own.CappedRelu,
            own.HardSwish,
            own.LoneBatchNormalization,
            own.Rsqrt,
        ),
        _computed,
    ),
    **dict.fromkeys(
        (K.Activation, K.Conv1D, K.Conv2D, K.Dense, K.DepthwiseConv2D),
        _activated,
    ),
    K.Concatenate: _joined,
    **dict.fromkeys(
        (K.Add, K.Average, K.Maximum, K.Minimum, K.Multiply, K.Subtract, own.SquaredDifference),
        _broadcast,
    ),
}


def told(layer: Any, inner: Any, inputs: Any, arguments: Any, masks: Any) -> Any:
    """Build a layer, and return what it gives for symbolic inputs; None if that is not known.

    Args:
        layer: the one that is called; it changes no shape and no type.
        inner: the layer in it, whose output it passes on; None if that is its input.
        inputs: Keras tensors.
        arguments: what else it is called with: by position, and by name.
        masks: those of the inputs.
    """
    shaping = _SHAPES.get(type(inner)) if inner is not None else lambda _, shape: shape
    regular = all(x is None or x.activity_regularizer is None for x in (layer, inner))
    if shaping is None or not regular or not layer._autocast:
        return None
    if any(x is not None for x in tf.nest.flatten(masks)):
        return None
    if not all(map(_is_plain, tf.nest.flatten(inputs))) or any(map(_is_symbolic, arguments)):
        return None
    shape = shaping(inner, tf.nest.map_structure(lambda x: x.shape, inputs))
    if shape is None:
        return None
    # Tracing begins in a graph of its own, outside of whatever scope the caller has opened.
    with tf.name_scope(""), keras.backend.name_scope(layer._name_scope()), _telling():
        layer._maybe_build(inputs)
    layer._set_save_spec(inputs, *arguments)
    return keras.__internal__.KerasTensor(tf.TensorSpec(shape, layer.compute_dtype))


_told = ContextVar("told", default=False)


@contextmanager
def _telling() -> Iterator[None]:
    token = _told.set(True)
    try:
        yield
    finally:
        _told.reset(token)


def is_told() -> bool:
    """Whether a layer is built at the moment whose output and weights are those of its class."""
    return _told.get()


def _is_symbolic(arguments: Any) -> bool:
    return any(isinstance(x, keras.__internal__.KerasTensor) for x in tf.nest.flatten(arguments))


def _is_plain(x: Any) -> bool:
    """Whether an input is dense and of numbers that layers cast to their own precision."""
    return (
        isinstance(x, keras.__internal__.KerasTensor)
        and isinstance(x.type_spec, tf.TensorSpec)
        and x.dtype.is_floating
        and x.shape.rank is not None
    )
