"""Functions of TensorFlow in place of operations: how each is called.

A maker gives a name, the arguments of the operation and the operation itself, and returns what the
layer made of the function returns.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.graph.einsum import Einsum
from optim.keras3.raw import attribute_of, function, is_symbolic, raw, typed

Make = Callable[[str, list[Any], Any], Any]
"""`(name of the layer, arguments, operation) -> what it returns`."""


def make_plain(symbol: str, count: int | None = None) -> Make:
    """A function of the operation's arguments alone, of the first `count`."""

    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        return function(symbol, name)(*typed(operation, inputs)[:count])

    return make


def make_with(symbol: str, **attributes: str) -> Make:
    """A function that takes attributes, too: parameter of the function -> attribute."""

    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        extra = {key: attribute_of(operation, attr) for key, attr in attributes.items()}
        return function(symbol, name)(*inputs, **extra)

    return make


def _numbers(value: Any) -> Any:
    """A constant as a number or a list of numbers."""
    return np.asarray(value).tolist()


def make_reduction(symbol: str) -> Make:
    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        x, axis = inputs
        keep = bool(operation.get_attr("keep_dims"))
        return function(symbol, name)(x, axis=_numbers(axis), keepdims=keep)

    return make


def make_matmul(name: str, inputs: list[Any], operation: Any) -> Any:
    flags = {"MatMul": ("transpose_a", "transpose_b")}.get(operation.type, ("adj_x", "adj_y"))
    given = zip(("transpose_a", "transpose_b"), flags, strict=True)
    extra = {key: True for key, flag in given if operation.get_attr(flag)}
    return function("linalg.matmul", name)(*inputs, **extra)


def make_reshape(name: str, inputs: list[Any], operation: Any) -> Any:
    known = _sizes(operation.outputs[0])
    if known is not None and known.count(-1) <= 1:
        return function("reshape", name)(inputs[0], known)
    return function("reshape", name)(inputs[0], _shape(inputs[1]))


def _sizes(tensor: Any) -> list[int] | None:
    """Static shape with -1 for what is unknown; None if the rank is."""
    if tensor.shape.rank is None:
        return None
    return [-1 if n is None else n for n in tensor.shape.as_list()]


def _shape(value: Any) -> Any:
    return value if is_symbolic(value) else _numbers(value)


def make_moving(symbol: str, *names: str) -> Make:
    """A function whose arguments but the first are numbers: shapes, axes, paddings."""

    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        given = dict(zip(names, map(_shape, inputs[1:]), strict=True))
        return function(symbol, name)(inputs[0], **given)

    return make


def make_squeeze(name: str, inputs: list[Any], operation: Any) -> Any:
    axis = attribute_of(operation, "squeeze_dims") or None
    return function("squeeze", name)(inputs[0], axis=axis)


def make_concat(name: str, inputs: list[Any], operation: Any) -> Any:
    terms, axis = inputs
    if all(is_symbolic(x) for x in terms) and _whole_batches(terms) and int(axis) != 0:
        return keras.layers.Concatenate(axis=int(axis), name=name, dtype=terms[0].dtype)(terms)
    return function("concat", name)(list(terms), axis=int(axis))


def _whole_batches(terms: list[Any]) -> bool:
    first = terms[0].shape
    return all(
        x.shape.rank == first.rank and first.rank > 1 and x.shape[0] == first[0] for x in terms
    )


def make_pack(name: str, inputs: list[Any], operation: Any) -> Any:
    return function("stack", name)(list(inputs[0]), axis=int(operation.get_attr("axis")))


def make_unpack(name: str, inputs: list[Any], operation: Any) -> Any:
    count, axis = (int(operation.get_attr(key)) for key in ("num", "axis"))
    return function("unstack", name)(inputs[0], num=count, axis=axis)


def make_split(name: str, inputs: list[Any], operation: Any) -> Any:
    axis, x = inputs
    return function("split", name)(x, int(operation.get_attr("num_split")), axis=int(axis))


def make_split_sizes(name: str, inputs: list[Any], operation: Any) -> Any:
    x, sizes, axis = inputs
    return function("split", name)(x, _numbers(sizes), axis=int(axis))


def make_pad(name: str, inputs: list[Any], operation: Any) -> Any:
    value = float(inputs[2]) if len(inputs) > 2 and not is_symbolic(inputs[2]) else 0
    extra = {"constant_values": value} if value else {}
    return function("pad", name)(inputs[0], _shape(inputs[1]), **extra)


def make_mirror_pad(name: str, inputs: list[Any], operation: Any) -> Any:
    mode = attribute_of(operation, "mode")
    return function("pad", name)(inputs[0], _shape(inputs[1]), mode=mode)


def make_gather(name: str, inputs: list[Any], operation: Any) -> Any:
    x, indices, axis = inputs
    batch = int(operation.get_attr("batch_dims"))
    return function("gather", name)(x, indices, axis=int(axis), batch_dims=batch)


def make_slices(name: str, inputs: list[Any], operation: Any) -> Any:
    """`x[...]`, written as a slice if all numbers are known."""
    x, begin, end, strides = inputs
    masks = {
        key: int(operation.get_attr(key))
        for key in (
            "begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask",
        )
    }  # fmt: skip
    if any(is_symbolic(v) for v in (begin, end, strides)):
        return function("strided_slice", name)(x, begin, end, strides, **masks)
    parts: list[Any] = []
    for i, (a, b, s) in enumerate(
        zip(_numbers(begin), _numbers(end), _numbers(strides), strict=True)
    ):
        bit = 1 << i
        if masks["ellipsis_mask"] & bit:
            taken = sum(not masks["new_axis_mask"] & (1 << j) for j in range(len(_numbers(begin))))
            parts += [_slice(None, None, None) for _ in range(x.shape.rank - taken + 1)]
        elif masks["new_axis_mask"] & bit:
            parts.append(None)
        elif masks["shrink_axis_mask"] & bit:
            parts.append(a)
        else:
            start = None if masks["begin_mask"] & bit else a
            stop = None if masks["end_mask"] & bit else b
            parts.append(_slice(start, stop, None if s == 1 else s))
    layer = import_module("tf_keras.src.layers.core.tf_op_layer").SlicingOpLambda
    return layer(tf.__operators__.getitem, name=name)(x, tuple(parts))


def _slice(start: int | None, stop: int | None, step: int | None) -> dict[str, int | None]:
    """A slice as Keras keeps it among the arguments of a call, and writes it to a file."""
    return {"start": start, "stop": stop, "step": step}


def make_resize(method: str) -> Make:
    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        whole = not operation.get_attr("align_corners")
        half = operation.get_attr("half_pixel_centers")
        x, size = inputs
        # tf.image.resize gives float32, whatever it is given.
        same = method == "nearest" or x.dtype == tf.float32
        if not (whole and half and same) or is_symbolic(size):
            return raw(name, inputs, operation)
        return function("image.resize", name)(x, _numbers(size), method=method)

    return make


def make_pool(symbol: str) -> Make:
    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        return function(symbol, name)(
            inputs[0],
            attribute_of(operation, "ksize"),
            attribute_of(operation, "strides"),
            attribute_of(operation, "padding"),
            data_format=attribute_of(operation, "data_format"),
        )

    return make


def make_convolution(symbol: str) -> Make:
    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        if attribute_of(operation, "data_format") != "NHWC":
            return raw(name, inputs, operation)
        padding = attribute_of(operation, "padding")
        if padding not in ("SAME", "VALID"):
            return raw(name, inputs, operation)
        dilations = attribute_of(operation, "dilations")
        rates = dilations if symbol == "nn.conv2d" else dilations[1:3]
        return function(symbol, name)(
            *inputs, strides=attribute_of(operation, "strides"), padding=padding, dilations=rates
        )

    return make


def make_cast(name: str, inputs: list[Any], operation: Any) -> Any:
    return function("cast", name)(inputs[0], operation.get_attr("DstT").name)


def make_pass(name: str, inputs: list[Any], operation: Any) -> Any:
    return inputs[0]


def make_fill(name: str, inputs: list[Any], operation: Any) -> Any:
    return function("fill", name)(_shape(inputs[0]), inputs[1])


def make_one_hot(name: str, inputs: list[Any], operation: Any) -> Any:
    x, depth, on, off = inputs
    return function("one_hot", name)(
        x,
        int(depth),
        _numbers(on),
        _numbers(off),
        axis=int(operation.get_attr("axis")),
        dtype=operation.get_attr("T").name,
    )


def make_shape_of(name: str, inputs: list[Any], operation: Any) -> Any:
    return function("shape", name)(inputs[0], out_type=operation.get_attr("out_type").name)


def make_arg(symbol: str) -> Make:
    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        dtype = operation.get_attr("output_type").name
        return function(symbol, name)(inputs[0], axis=int(inputs[1]), output_type=dtype)

    return make


def make_bias(name: str, inputs: list[Any], operation: Any) -> Any:
    if attribute_of(operation, "data_format") != "NHWC":
        return raw(name, inputs, operation)
    return function("nn.bias_add", name)(*inputs)


def make_softmax(name: str, inputs: list[Any], operation: Any) -> Any:
    return function("nn.softmax", name)(inputs[0])


def make_einsum(name: str, inputs: list[Any], operation: Any) -> Any:
    equation = attribute_of(operation, "equation")
    if not all(map(is_symbolic, inputs[0])):
        return raw(name, inputs, operation)
    return Einsum(equation, name=name, dtype=operation.get_attr("T").name)(inputs[0])


def make_patches(name: str, inputs: list[Any], operation: Any) -> Any:
    keys = ("ksizes", "strides", "rates", "padding")
    return function("image.extract_patches", name)(
        inputs[0], *(attribute_of(operation, key) for key in keys)
    )
