"""What becomes of each operation of a graph: one entry per type of operation.

Most are a function that Keras keeps in a model as a layer, so that it can be written to a file and
the quantizer knows it. One that is in no table is an `Operation` layer, which runs it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.keras3.layers import Operation

Make = Callable[[str, list[Any], Any], Any]
"""`(name of the layer, arguments, operation) -> what it returns`."""


def function(symbol: str, name: str) -> Any:
    """A new op layer for a function of TensorFlow, given by its public name."""
    # The class has no public name.
    op_layer = import_module("tf_keras.src.layers.core.tf_op_layer").TFOpLambda
    target: Any = tf
    for part in symbol.split("."):
        target = getattr(target, part)
    return op_layer(target, name=name)


def _plain(symbol: str, count: int | None = None) -> Make:
    """A function of the operation's arguments alone, of the first `count`."""

    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        return function(symbol, name)(*inputs[:count])

    return make


def _with(symbol: str, **attributes: str) -> Make:
    """A function that takes attributes, too: parameter of the function -> attribute."""

    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        extra = {key: _attribute(operation, attr) for key, attr in attributes.items()}
        return function(symbol, name)(*inputs, **extra)

    return make


def _attribute(operation: Any, name: str) -> Any:
    value = operation.get_attr(name)
    if isinstance(value, bytes):
        return value.decode()
    return list(value) if isinstance(value, (list, tuple)) else value


def _numbers(value: Any) -> Any:
    """A constant as a number or a list of numbers."""
    return np.asarray(value).tolist()


def _reduction(symbol: str) -> Make:
    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        x, axis = inputs
        keep = bool(operation.get_attr("keep_dims"))
        return function(symbol, name)(x, axis=_numbers(axis), keepdims=keep)

    return make


def _matmul(name: str, inputs: list[Any], operation: Any) -> Any:
    flags = {"MatMul": ("transpose_a", "transpose_b")}.get(operation.type, ("adj_x", "adj_y"))
    given = zip(("transpose_a", "transpose_b"), flags, strict=True)
    extra = {key: True for key, flag in given if operation.get_attr(flag)}
    return function("linalg.matmul", name)(*inputs, **extra)


def _reshape(name: str, inputs: list[Any], operation: Any) -> Any:
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
    return value if _symbolic(value) else _numbers(value)


def _symbolic(x: Any) -> bool:
    return isinstance(x, keras.__internal__.KerasTensor)


def _moving(symbol: str, *names: str) -> Make:
    """A function whose arguments but the first are numbers: shapes, axes, paddings."""

    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        given = dict(zip(names, map(_shape, inputs[1:]), strict=True))
        return function(symbol, name)(inputs[0], **given)

    return make


def _squeeze(name: str, inputs: list[Any], operation: Any) -> Any:
    axis = _attribute(operation, "squeeze_dims") or None
    return function("squeeze", name)(inputs[0], axis=axis)


def _concat(name: str, inputs: list[Any], operation: Any) -> Any:
    terms, axis = inputs
    if all(_symbolic(x) for x in terms) and _whole_batches(terms) and int(axis) != 0:
        return keras.layers.Concatenate(axis=int(axis), name=name, dtype=terms[0].dtype)(terms)
    return function("concat", name)(list(terms), axis=int(axis))


def _whole_batches(terms: list[Any]) -> bool:
    first = terms[0].shape
    return all(
        x.shape.rank == first.rank and first.rank > 1 and x.shape[0] == first[0] for x in terms
    )


def _pack(name: str, inputs: list[Any], operation: Any) -> Any:
    return function("stack", name)(list(inputs[0]), axis=int(operation.get_attr("axis")))


def _unpack(name: str, inputs: list[Any], operation: Any) -> Any:
    count, axis = (int(operation.get_attr(key)) for key in ("num", "axis"))
    return function("unstack", name)(inputs[0], num=count, axis=axis)


def _split(name: str, inputs: list[Any], operation: Any) -> Any:
    axis, x = inputs
    return function("split", name)(x, int(operation.get_attr("num_split")), axis=int(axis))


def _split_sizes(name: str, inputs: list[Any], operation: Any) -> Any:
    x, sizes, axis = inputs
    return function("split", name)(x, _numbers(sizes), axis=int(axis))


def _pad(name: str, inputs: list[Any], operation: Any) -> Any:
    value = float(inputs[2]) if len(inputs) > 2 and not _symbolic(inputs[2]) else 0
    extra = {"constant_values": value} if value else {}
    return function("pad", name)(inputs[0], _shape(inputs[1]), **extra)


def _mirror_pad(name: str, inputs: list[Any], operation: Any) -> Any:
    mode = _attribute(operation, "mode")
    return function("pad", name)(inputs[0], _shape(inputs[1]), mode=mode)


def _gather(name: str, inputs: list[Any], operation: Any) -> Any:
    x, indices, axis = inputs
    batch = int(operation.get_attr("batch_dims"))
    return function("gather", name)(x, indices, axis=int(axis), batch_dims=batch)


def _slices(name: str, inputs: list[Any], operation: Any) -> Any:
    """`x[...]`, written as a slice if all numbers are known."""
    x, begin, end, strides = inputs
    masks = {
        key: int(operation.get_attr(key))
        for key in (
            "begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask",
        )
    }  # fmt: skip
    if any(_symbolic(v) for v in (begin, end, strides)):
        return function("strided_slice", name)(x, begin, end, strides, **masks)
    parts: list[Any] = []
    for i, (a, b, s) in enumerate(
        zip(_numbers(begin), _numbers(end), _numbers(strides), strict=True)
    ):
        bit = 1 << i
        if masks["ellipsis_mask"] & bit:
            taken = sum(not masks["new_axis_mask"] & (1 << j) for j in range(len(_numbers(begin))))
            parts += [slice(None)] * (x.shape.rank - taken + 1)
        elif masks["new_axis_mask"] & bit:
            parts.append(None)
        elif masks["shrink_axis_mask"] & bit:
            parts.append(a)
        else:
            start = None if masks["begin_mask"] & bit else a
            stop = None if masks["end_mask"] & bit else b
            parts.append(slice(start, stop, None if s == 1 else s))
    layer = import_module("tf_keras.src.layers.core.tf_op_layer").SlicingOpLambda
    return layer(tf.__operators__.getitem, name=name)(x, tuple(parts))


def _resize(method: str) -> Make:
    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        whole = not operation.get_attr("align_corners")
        half = operation.get_attr("half_pixel_centers")
        x, size = inputs
        # tf.image.resize gives float32, whatever it is given.
        same = method == "nearest" or x.dtype == tf.float32
        if not (whole and half and same) or _symbolic(size):
            return raw(name, inputs, operation)
        return function("image.resize", name)(x, _numbers(size), method=method)

    return make


def _pool(symbol: str) -> Make:
    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        return function(symbol, name)(
            inputs[0],
            _attribute(operation, "ksize"),
            _attribute(operation, "strides"),
            _attribute(operation, "padding"),
            data_format=_attribute(operation, "data_format"),
        )

    return make


def _convolution(symbol: str) -> Make:
    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        if _attribute(operation, "data_format") != "NHWC":
            return raw(name, inputs, operation)
        padding = _attribute(operation, "padding")
        if padding not in ("SAME", "VALID"):
            return raw(name, inputs, operation)
        dilations = _attribute(operation, "dilations")
        rates = dilations if symbol == "nn.conv2d" else dilations[1:3]
        return function(symbol, name)(
            *inputs, strides=_attribute(operation, "strides"), padding=padding, dilations=rates
        )

    return make


def _cast(name: str, inputs: list[Any], operation: Any) -> Any:
    return function("cast", name)(inputs[0], operation.get_attr("DstT").name)


def _pass(name: str, inputs: list[Any], operation: Any) -> Any:
    return inputs[0]


def _fill(name: str, inputs: list[Any], operation: Any) -> Any:
    return function("fill", name)(_shape(inputs[0]), inputs[1])


def _one_hot(name: str, inputs: list[Any], operation: Any) -> Any:
    x, depth, on, off = inputs
    return function("one_hot", name)(
        x,
        int(depth),
        _numbers(on),
        _numbers(off),
        axis=int(operation.get_attr("axis")),
        dtype=operation.get_attr("T").name,
    )


def _shape_of(name: str, inputs: list[Any], operation: Any) -> Any:
    return function("shape", name)(inputs[0], out_type=operation.get_attr("out_type").name)


def _arg(symbol: str) -> Make:
    def make(name: str, inputs: list[Any], operation: Any) -> Any:
        dtype = operation.get_attr("output_type").name
        return function(symbol, name)(inputs[0], axis=int(inputs[1]), output_type=dtype)

    return make


def _bias(name: str, inputs: list[Any], operation: Any) -> Any:
    if _attribute(operation, "data_format") != "NHWC":
        return raw(name, inputs, operation)
    return function("nn.bias_add", name)(*inputs)


def _softmax(name: str, inputs: list[Any], operation: Any) -> Any:
    return function("nn.softmax", name)(inputs[0])


def _patches(name: str, inputs: list[Any], operation: Any) -> Any:
    keys = ("ksizes", "strides", "rates", "padding")
    return function("image.extract_patches", name)(
        inputs[0], *(_attribute(operation, key) for key in keys)
    )


def _same_names(names: str) -> dict[str, Make]:
    """Operations of one or two arguments, by `type=function`."""
    pairs = (word.partition("=") for word in names.split())
    return {kind: _plain(symbol) for kind, _, symbol in pairs}


BY_TYPE: Mapping[str, Make] = {
    **_same_names(
        "Relu=nn.relu Relu6=nn.relu6 Sigmoid=math.sigmoid Tanh=math.tanh Exp=math.exp Log=math.log "
        "Log1p=math.log1p Expm1=math.expm1 Sqrt=math.sqrt Rsqrt=math.rsqrt Square=math.square "
        "Neg=math.negative Abs=math.abs Sign=math.sign Floor=math.floor Ceil=math.ceil "
        "Round=math.round Erf=math.erf Erfc=math.erfc Sin=math.sin Cos=math.cos Tan=math.tan "
        "Asin=math.asin Acos=math.acos Atan=math.atan Sinh=math.sinh Cosh=math.cosh "
        "Asinh=math.asinh Acosh=math.acosh Atanh=math.atanh Softplus=math.softplus "
        "Softsign=nn.softsign Elu=nn.elu Selu=nn.selu LogicalNot=math.logical_not "
        "IsNan=math.is_nan IsFinite=math.is_finite IsInf=math.is_inf "
        "Reciprocal=math.reciprocal StopGradient=stop_gradient ZerosLike=zeros_like "
        "OnesLike=ones_like AddV2=math.add Add=math.add Sub=math.subtract Mul=math.multiply "
        "RealDiv=math.truediv Div=math.truediv Maximum=math.maximum Minimum=math.minimum "
        "Pow=math.pow SquaredDifference=math.squared_difference FloorDiv=math.floordiv "
        "FloorMod=math.floormod Less=math.less LessEqual=math.less_equal Greater=math.greater "
        "GreaterEqual=math.greater_equal Equal=math.equal NotEqual=math.not_equal "
        "LogicalAnd=math.logical_and LogicalOr=math.logical_or Atan2=math.atan2 "
        "DivNoNan=math.divide_no_nan LogSoftmax=nn.log_softmax SelectV2=where Range=range "
        "GatherNd=gather_nd Rank=rank Size=size"
    ),
    **dict.fromkeys(("Identity", "Snapshot", "PreventGradient", "EnsureShape"), _pass),
    "LeakyRelu": _with("nn.leaky_relu", alpha="alpha"),
    "Softmax": _softmax,
    "MatMul": _matmul,
    "BatchMatMul": _matmul,
    "BatchMatMulV2": _matmul,
    "BatchMatMulV3": _matmul,
    "Mean": _reduction("math.reduce_mean"),
    "Sum": _reduction("math.reduce_sum"),
    "Max": _reduction("math.reduce_max"),
    "Min": _reduction("math.reduce_min"),
    "Prod": _reduction("math.reduce_prod"),
    "All": _reduction("math.reduce_all"),
    "Any": _reduction("math.reduce_any"),
    "Reshape": _reshape,
    "Transpose": _moving("transpose", "perm"),
    "ExpandDims": _moving("expand_dims", "axis"),
    "Tile": _moving("tile", "multiples"),
    "BroadcastTo": _moving("broadcast_to", "shape"),
    "ReverseV2": _moving("reverse", "axis"),
    "Slice": _moving("slice", "begin", "size"),
    "Squeeze": _squeeze,
    "ConcatV2": _concat,
    "Pack": _pack,
    "Unpack": _unpack,
    "Split": _split,
    "SplitV": _split_sizes,
    "Pad": _pad,
    "PadV2": _pad,
    "MirrorPad": _mirror_pad,
    "GatherV2": _gather,
    "StridedSlice": _slices,
    "Cast": _cast,
    "Fill": _fill,
    "OneHot": _one_hot,
    "Shape": _shape_of,
    "ArgMax": _arg("math.argmax"),
    "ArgMin": _arg("math.argmin"),
    "BiasAdd": _bias,
    "ResizeBilinear": _resize("bilinear"),
    "ResizeNearestNeighbor": _resize("nearest"),
    "ResizeBicubic": _resize("bicubic"),
    "MaxPool": _pool("nn.max_pool2d"),
    "AvgPool": _pool("nn.avg_pool2d"),
    "Conv2D": _convolution("nn.conv2d"),
    "DepthwiseConv2dNative": _convolution("nn.depthwise_conv2d"),
    "DepthToSpace": _with("nn.depth_to_space", block_size="block_size"),
    "SpaceToDepth": _with("nn.space_to_depth", block_size="block_size"),
    "ExtractImagePatches": _patches,
}


def raw(name: str, inputs: list[Any], operation: Any) -> Any:
    """The operation as it is, in a layer."""
    definition = operation.op_def
    constants, lists, tensors = {}, {}, []
    for place, (argument, value) in enumerate(zip(definition.input_arg, inputs, strict=True)):
        if argument.number_attr or argument.type_list_attr:
            lists[str(place)] = len(value)
            tensors += value
        elif _symbolic(value):
            tensors.append(value)
        else:
            array = np.asarray(value)
            constants[str(place)] = [array.tolist(), array.dtype.name]
    layer = Operation(operation.type, attributes(operation), constants, lists, name=name)
    return layer(tensors if len(tensors) > 1 else tensors[0])


def attributes(operation: Any) -> dict[str, Any]:
    """The attributes that its function in `tf.raw_ops` takes, dtypes by name."""
    inferred = {
        key
        for argument in operation.op_def.input_arg
        for key in (argument.type_attr, argument.number_attr, argument.type_list_attr)
    }
    found = {}
    for attribute in operation.op_def.attr:
        if attribute.name in inferred:
            continue
        value = _attribute(operation, attribute.name)
        found[attribute.name] = f"dtype:{value.name}" if isinstance(value, tf.DType) else value
    return found
