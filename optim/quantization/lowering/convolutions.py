"""Rules for linear layers that LiteRT runs better in another, equal form."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.quantization.lowering.registry import Result, rule
from optim.quantization.node_facts import config_of, has_plain_call, sources_of, weights_of

K = keras.layers
_LEARNT = (
    "activation",
    "activity_regularizer",
    "bias_constraint",
    "bias_regularizer",
    "kernel_constraint",
    "kernel_regularizer",
)
_SPATIAL = ("kernel_size", "strides", "padding", "data_format", "dilation_rate")


def _config(layer: Any, *keys: str, **more: Any) -> dict[str, Any]:
    config = config_of(layer)
    return {**{k: config[k] for k in (*keys, "dtype", "trainable") if k in config}, **more}


@rule(K.SeparableConv2D, K.SeparableConv1D)
def separable(graph: Graph, node: Node) -> Result:
    """A separable convolution is a depthwise and a pointwise one."""
    layer, x = node.layer, node.inputs[0]
    causal = layer.padding == "causal"
    if not has_plain_call(node) or (causal and layer.data_format != "channels_last"):
        return None
    flat = isinstance(layer, K.SeparableConv1D)
    first_class = K.DepthwiseConv1D if flat else K.DepthwiseConv2D
    second_class = K.Conv1D if flat else K.Conv2D
    # A depthwise layer wants as many strides as dimensions.
    config = _config(
        layer,
        *_SPATIAL,
        "depth_multiplier",
        use_bias=False,
        name=graph.unique_name(f"{node.name}_depthwise"),
    )
    if causal:  # no depthwise layer has that
        x = _padded_before(graph, node)
        config["padding"] = "valid"
    for name in ("regularizer", "constraint"):
        config[f"depthwise_{name}"] = getattr(layer, f"depthwise_{name}")
    first = graph.derive(node, "depthwise", lambda: first_class.from_config(config))
    second = graph.derive(
        node,
        "pointwise",
        lambda: second_class.from_config(
            _config(
                layer,
                "activation",
                "use_bias",
                "data_format",
                "activity_regularizer",
                "bias_regularizer",
                "bias_constraint",
                filters=layer.filters,
                kernel_size=1,
                name=node.name,
                kernel_regularizer=layer.pointwise_regularizer,
                kernel_constraint=layer.pointwise_constraint,
            )
        ),
    )
    depthwise, *rest = weights_of(node)
    shape = first.compute_output_shape(x.spec.shape)
    y = graph.add(
        first, x, specs=tf.TensorSpec(shape, node.output.spec.dtype), weights=[depthwise]
    ).output
    return graph.add(second, y, specs=node.output.spec, weights=rest).output


def _padded_before(graph: Graph, node: Node) -> Value:
    """Append the zeros that a causal layer sees before the first step."""
    layer, x = node.layer, node.inputs[0]
    count = (layer.kernel_size[0] - 1) * layer.dilation_rate[0]
    batch, steps, channels = x.shape or ()
    spec = tf.TensorSpec((batch, steps and steps + count, channels), x.spec.dtype)
    padding = K.ZeroPadding1D((count, 0), name=graph.unique_name(f"{node.name}_padded"))
    return graph.add(padding, x, specs=spec).output


@rule(K.Conv2D)
def grouped_as_depthwise(graph: Graph, node: Node) -> Result:
    """One group per input channel is a depthwise convolution, which has a fast kernel."""
    layer, x = node.layer, node.inputs[0]
    if isinstance(layer, (K.DepthwiseConv2D, K.Conv2DTranspose)) or not has_plain_call(node):
        return None
    channels = x.channels
    if layer.groups == 1 or layer.groups != channels or layer.data_format != "channels_last":
        return None
    if layer.strides[0] != layer.strides[1] or (max(layer.strides) > 1 < max(layer.dilation_rate)):
        return None  # the depthwise kernel of TensorFlow wants equal strides
    kernel, *rest = weights_of(node)
    config = _config(
        layer,
        *_SPATIAL,
        "activation",
        "use_bias",
        "bias_regularizer",
        "bias_constraint",
        depth_multiplier=layer.filters // channels,
        depthwise_regularizer=layer.kernel_regularizer,
        depthwise_constraint=layer.kernel_constraint,
        name=node.name,
    )
    new = graph.derive(node, "depthwise", lambda: K.DepthwiseConv2D.from_config(config))
    shape = (*kernel.shape[:2], channels, layer.filters // channels)
    weights = [kernel.reshape(shape), *rest]
    return graph.add(new, x, specs=node.output.spec, weights=weights).output


@rule(K.EinsumDense)
def einsum_dense(graph: Graph, node: Node) -> Result:
    """One that contracts the last axes of its input is a dense layer between reshapes."""
    layer, x, y = node.layer, node.inputs[0], node.output
    taken, _, made = layer.equation.partition("->")
    left, _, kernel_axes = taken.partition(",")
    inner = "".join(a for a in kernel_axes if a in left)
    outer = "".join(a for a in kernel_axes if a not in left)
    if not inner or not outer or kernel_axes != inner + outer or not left.endswith(inner):
        return None
    kept = left[: -len(inner)]
    if made != kept + outer or len(kept) not in (2, 3):
        return None
    several = len(inner) > 1 or len(outer) > 1
    calls = [n for n in graph.nodes if n.layer is layer] if graph.is_shared(node) else [node]
    if not all(_fits_einsum(n, len(kept), several) for n in calls):
        return None
    kernel, *rest = weights_of(node)
    out_shape = kernel.shape[len(inner) :]
    if rest and rest[0].shape != out_shape:
        return None
    batch, *steps = (x.shape or ())[: len(kept)]
    size_in = int(np.prod(kernel.shape[: len(inner)]))
    size_out = int(np.prod(out_shape))
    dtype = y.spec.dtype
    free = [-1 if n is None else n for n in steps]
    if len(inner) > 1:
        flat = K.Reshape((*free, size_in), name=graph.unique_name(f"{node.name}_flat"))
        x = graph.add(flat, x, specs=tf.TensorSpec((batch, *steps, size_in), dtype)).output
    cls = K.Conv1D if len(kept) == 2 else K.Conv2D
    config = _config(
        layer, *_LEARNT, filters=size_out, kernel_size=1, use_bias=bool(rest), name=node.name
    )
    conv = graph.derive(node, f"conv{len(kept)}", lambda: cls.from_config(config))
    ones = (1,) * len(steps)
    weights = [kernel.reshape(*ones, size_in, size_out), *(b.reshape(size_out) for b in rest)]
    spec = tf.TensorSpec((batch, *steps, size_out), dtype)
    z = graph.add(conv, x, specs=spec, weights=weights).output
    if len(outer) == 1:
        return z
    heads = K.Reshape((*free, *out_shape), name=graph.unique_name(f"{node.name}_heads"))
    return graph.add(heads, z, specs=y.spec).output


def _fits_einsum(node: Node, kept: int, several: bool) -> bool:
    """Whether a call can be a convolution; `several` axes become one, or one several."""
    steps = (node.inputs[0].shape or ())[1:kept]
    return has_plain_call(node) and not (several and steps.count(None) > 1)


@rule(K.Dense)
def dense_on_feature_map(graph: Graph, node: Node) -> Result:
    """A dense layer on a map or sequence is a convolution of size 1.

    In that form the kernel can be quantized per channel.
    """
    layer, x = node.layer, node.inputs[0]
    if x.rank not in (3, 4) or not has_plain_call(node) or x.channels is None:
        return None
    cls = K.Conv1D if x.rank == 3 else K.Conv2D
    config = _config(
        layer,
        *_LEARNT,
        "use_bias",
        filters=layer.units,
        kernel_size=1,
        data_format="channels_last",
        name=node.name,
    )
    new = graph.derive(node, f"conv{x.rank}", lambda: cls.from_config(config))
    kernel, *rest = sources_of(node)
    weights = [tf.reshape(kernel, (1,) * (x.rank - 2) + tuple(kernel.shape)), *rest]
    return graph.add(new, x, specs=node.output.spec, weights=weights).output
