"""Static shapes that TensorFlow does not see: of what is reshaped by the size of the batch."""

from __future__ import annotations

import math
from typing import Any

from optim._keras import tf

_UNKNOWN = "unknown"
_BATCH = "batch"


def settle_reshape(result: Any) -> None:
    """Set the static shape of a reshaped tensor, where the new shape names the batch and a -1.

    `reshape(x, (shape(x)[0], -1, 4))` has two unknown sizes for TensorFlow, which does not see
    that the first is the batch of `x`.
    """
    operation = getattr(result, "op", None)
    if operation is None or operation.type != "Reshape" or result.shape.rank is None:
        return
    known = operation.inputs[0].shape
    if known.rank is None or known.as_list().count(None) != 1 or known.as_list()[0] is not None:
        return
    sizes = _sizes(operation.inputs[1])
    if sizes is None or sizes.count(_BATCH) != 1 or _UNKNOWN in sizes or sizes.count(-1) > 1:
        return
    inner = math.prod(known.as_list()[1:])
    given = math.prod(n for n in sizes if isinstance(n, int) and n != -1)
    rest = inner // given if given and inner % given == 0 else None
    if rest is None:
        return
    result.set_shape([None if n == _BATCH else rest if n == -1 else n for n in sizes])


def _sizes(shape: Any) -> list[Any] | None:
    """The entries of a shape: numbers, the batch, or unknown."""
    static = tf.get_static_value(shape)
    if static is not None:
        return [int(n) for n in static]
    if shape.op.type in ("Cast", "Identity"):
        return _sizes(shape.op.inputs[0])
    if shape.op.type != "Pack":
        return None
    return [_size(x) for x in shape.op.inputs]


def _size(x: Any) -> Any:
    static = tf.get_static_value(x)
    if static is not None:
        return int(static)
    if x.op.type in ("Cast", "Identity"):
        return _size(x.op.inputs[0])
    if x.op.type != "StridedSlice" or x.op.inputs[0].op.type != "Shape":
        return _UNKNOWN
    source = x.op.inputs[0].op.inputs[0]
    place = tf.get_static_value(x.op.inputs[1])
    whole = source.shape.rank is not None and source.shape.as_list().count(None) == 1
    first = place is not None and list(place) == [0] and whole and source.shape[0] is None
    return _BATCH if first else _UNKNOWN
