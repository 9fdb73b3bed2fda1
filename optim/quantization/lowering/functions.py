"""Rules for functions that LiteRT runs in int8 in another, equal form."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras
from optim.graph.graph import Graph, Node, Value
from optim.graph.parameter import Parameter
from optim.quantization.layers import Convolve, Rsqrt
from optim.quantization.lowering.calls import add_parameter, arguments, function_layer
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import axes_of, constant, sources_of, weights_of

K = keras.layers

# -- squares, powers, sums --------------------------------------------------------------


def _square(graph: Graph, x: Value, name: str, spec: Any) -> Value:
    """LiteRT has no int8 SQUARE, but MUL."""
    return graph.add(K.Multiply(name=name), [x, x], specs=spec).output


@rule("math.square")
def square(graph: Graph, node: Node) -> Result:
    (x,) = node.inputs
    return _square(graph, x, node.name, node.output.spec) if _has_batch(x) else None


@rule("math.pow")
def power(graph: Graph, node: Node) -> Result:
    call = arguments(node, "x", "y")
    x, exponent = call["x"], constant(call["y"])
    if not isinstance(x, Value) or exponent is None or exponent.size != 1:
        return None
    if float(exponent) == 2.0 and _has_batch(x):
        return _square(graph, x, node.name, node.output.spec)
    if float(exponent) == 0.5:
        layer = function_layer("math.sqrt", node.name)
        return graph.add(layer, x, specs=node.output.spec).output
    return None


@rule("math.truediv", "math.divide", "compat.v1.div", "realdiv")
def quotient_by_a_root(graph: Graph, node: Node) -> Result:
    """`x / sqrt(y)` is `x * rsqrt(y)`, which bears a zero in int8."""
    x, root = arguments(node, "x", "y").values()
    if not isinstance(x, Value) or not isinstance(root, Value) or not x.is_float:
        return None
    if root.node.symbol != "math.sqrt" or not root.rank or graph.sole_use(root) is not node:
        return None
    layer = Rsqrt(1e-6, name=graph.unique_name(f"{node.name}_rsqrt"))
    factor = graph.add(layer, root.node.inputs[0], specs=root.spec).output
    product = function_layer("math.multiply", node.name)
    return graph.add(product, x, factor, specs=node.output.spec).output


@rule("math.reduce_euclidean_norm")
def euclidean_norm_by_name(graph: Graph, node: Node) -> Result:
    """Without axes it goes over all, the batch among them."""
    call = arguments(node, "input_tensor", "axis", "keepdims")
    x, axes = call["input_tensor"], axes_of(node)
    if not isinstance(x, Value) or not _has_batch(x) or not axes or 0 in axes:
        return None
    return _length(graph, node, x, axes, bool(call["keepdims"]))


@rule("norm", "compat.v1.norm")
def euclidean_norm(graph: Graph, node: Node) -> Result:
    call = arguments(node, "tensor", "ord", "axis", "keepdims")
    x, axes = call["tensor"], axes_of(node, 2)
    if not isinstance(x, Value) or not _has_batch(x) or not axes or 0 in axes:
        return None
    # Of a matrix, 2 is its largest singular value.
    euclidean = ("euclidean", 2) if len(axes) == 1 else ("euclidean", "fro")
    if len(axes) > 2 or (call["ord"] or "euclidean") not in euclidean:
        return None
    keeps = bool(call["keepdims"] or node.kwargs.get("keep_dims"))
    return _length(graph, node, x, axes, keeps)


def _length(graph: Graph, node: Node, x: Value, axes: list[int], keeps: bool) -> Value:
    """The root of the sum of squares."""
    squares = _square(graph, x, graph.unique_name(f"{node.name}_squares"), x.spec)
    total = graph.add(
        function_layer("math.reduce_sum", graph.unique_name(f"{node.name}_sum")),
        squares,
        specs=node.output.spec,
        kwargs={"axis": axes, "keepdims": keeps},
    ).output
    return graph.add(function_layer("math.sqrt", node.name), total, specs=node.output.spec).output


@rule("math.add_n", "math.reduce_sum")
def sum_of_a_list(graph: Graph, node: Node) -> Result:
    """A sum of several tensors, however it is written, is a chain of additions."""
    terms = node.args[0] if node.args else None
    if not isinstance(terms, (list, tuple)) or not all(isinstance(t, Value) for t in terms):
        return None
    axis = arguments(node, "input_tensor", "axis", "keepdims")
    if node.symbol == "math.reduce_sum" and (axis["axis"] != 0 or axis["keepdims"]):
        return None
    total = terms[0]
    for i, term in enumerate(terms[1:], 2):
        name = node.name if i == len(terms) else graph.unique_name(f"{node.name}_part")
        layer = function_layer("math.add", name)
        total = graph.add(layer, total, term, specs=node.output.spec).output
    return total if len(terms) > 1 else None


def _has_batch(x: Value) -> bool:
    """Whether Keras' merge layers can take it."""
    return x.is_float and bool(x.rank)


# -- convolutions -----------------------------------------------------------------------

_INPUT = ("input", "filters", "strides", "padding")
# function -> names of its parameters, in order
_CONVOLUTIONS = {
    "nn.convolution": (*_INPUT, "data_format", "dilations"),
    "nn.conv2d": (*_INPUT, "data_format", "dilations"),
    "nn.conv1d": (*_INPUT, "data_format", "dilations"),
    "nn.depthwise_conv2d": (*_INPUT, "data_format", "dilations"),
    "compat.v1.nn.conv2d": (*_INPUT, "use_cudnn_on_gpu", "data_format", "dilations"),
    "compat.v1.nn.depthwise_conv2d": (*_INPUT, "rate", "name", "data_format", "dilations"),
}
_OTHER_NAMES = {"filter": "filters", "stride": "strides", "rate": "dilations"}


@rule(*_CONVOLUTIONS)
def convolution(graph: Graph, node: Node) -> Result:
    """A convolution by a weight is a layer; by anything else, one with a kernel as input."""
    given = {**dict(zip(_CONVOLUTIONS[node.symbol], node.args, strict=False)), **node.kwargs}
    call = {_OTHER_NAMES.get(k, k): v for k, v in given.items() if v is not None}
    x, kernel, padding = call.get("input"), call.get("filters"), call.get("padding")
    if not isinstance(x, Value) or not isinstance(padding, str):
        return None
    if call.get("data_format", "NHWC") not in ("NHWC", "NWC"):
        return None
    space = (x.rank or 0) - 2
    strides, dilations = (spatial(call.get(k), space) for k in ("strides", "dilations"))
    if space not in (1, 2) or strides is None or dilations is None:
        return None
    depthwise = node.symbol.endswith("depthwise_conv2d")
    array = constant(kernel)
    if array is not None:
        kernel = add_parameter(graph, array.astype("float32"), f"{node.name}_kernel", False)
    if not isinstance(kernel, Value) or None in (kernel.shape or (None,)):
        return None
    layer = Convolve(strides, padding, dilations, depthwise, name=node.name)
    return graph.add(layer, [x, kernel], specs=node.output.spec).output


def spatial(given: Any, space: int) -> list[int] | None:
    """Strides or dilations as one number per spatial dimension."""
    if given is None:
        return [1] * space
    numbers = [int(n) for n in given] if isinstance(given, (list, tuple)) else [int(given)]
    if len(numbers) == space + 2:
        numbers = numbers[1:-1]
    return numbers * space if len(numbers) == 1 else numbers if len(numbers) == space else None


@rule("nn.bias_add")
def bias_of_a_convolution(graph: Graph, node: Node) -> Result:
    call = arguments(node, "value", "bias", "data_format")
    x, bias = call["value"], call["bias"]
    if not isinstance(x, Value) or call["data_format"] not in (None, "NHWC", "N..C"):
        return None
    producer = x.node
    fits = isinstance(producer.layer, Convolve) and len(producer.inputs) == 2
    if fits and graph.sole_use(x) is node and not graph.is_shared(producer):
        if not isinstance(bias, Value):
            bias = add_parameter(graph, np.asarray(bias), f"{node.name}_bias", False)
        layer = Convolve.from_config(producer.layer.get_config())
        new = graph.add(layer, [*producer.inputs, bias], specs=x.spec, name=producer.name)
        new.path = producer.path
        return new.output
    add = function_layer("math.add", node.name)
    return graph.add(add, x, bias, specs=node.output.spec).output


@rule(Convolve)
def convolution_by_a_weight(graph: Graph, node: Node) -> Result:
    """With a plain weight as its kernel, it is the layer that Keras has for it."""
    layer, (x, *weights) = node.layer, node.inputs
    follower = graph.sole_use(node.output)
    if len(weights) == 1 and follower is not None and follower.symbol == "nn.bias_add":
        return None  # until it has its bias
    sources = [w.node for w in weights]
    if graph.is_shared(node) or not all(
        isinstance(n.layer, Parameter) and graph.sole_use(n.output) and not graph.is_shared(n)
        for n in sources
    ):
        return None
    shape = weights[0].shape or ()
    known: dict[str, Any] = {
        "strides": layer.strides,
        "padding": layer.padding,
        "dilation_rate": layer.dilations,
        "use_bias": len(weights) > 1,
        "trainable": any(n.layer.learnt and n.layer.trainable for n in sources),
        "name": node.name,
    }
    if layer.depthwise:
        new = K.DepthwiseConv2D(shape[:2], depth_multiplier=shape[3], **known)
    elif len(shape) == 3:
        new = K.Conv1D(shape[2], shape[0], **known)
    else:
        groups = (x.channels or 0) // (shape[2] or 1)
        new = K.Conv2D(shape[3], shape[:2], groups=groups, **known)
    arrays = [w for n in sources for w in weights_of(n)]
    return graph.add(new, x, specs=node.output.spec, weights=arrays).output


@rule("linalg.matmul")
def product_with_a_weight(graph: Graph, node: Node) -> Result:
    """`x @ w` is a dense layer."""
    call = arguments(node, "a", "b")
    x, w = call["a"], call["b"]
    extra = {k: v for k, v in node.kwargs.items() if k not in ("a", "b", "name") and v}
    if extra or len(node.args) > 2 or not isinstance(x, Value) or not isinstance(w, Value):
        return None
    source = w.node
    if not isinstance(source.layer, Parameter) or w.rank != 2 or not 2 <= (x.rank or 0) <= 4:
        return None
    if not graph.sole_use(w) or graph.is_shared(source) or x.channels is None:
        return None
    learnt = source.layer.learnt and source.layer.trainable
    new = K.Dense(w.channels, use_bias=False, trainable=learnt, name=node.name)
    return graph.add(new, x, specs=node.output.spec, weights=sources_of(source)).output
