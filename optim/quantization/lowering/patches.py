"""Windows of images: LiteRT has no operation that cuts them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value
from optim.quantization.lowering.calls import arguments, function_layer
from optim.quantization.lowering.functions import spatial
from optim.quantization.lowering.registry import Result, rule

K = keras.layers

#: Most weights that a rule makes where the model has none: 1 MB of a file in int8.
_MOST_WEIGHTS = 1 << 20


@dataclass(frozen=True)
class _Windows:
    """Height and width each of windows, of the steps between them and within them."""

    size: list[int]
    strides: list[int]
    rates: list[int]
    padding: str


@rule("image.extract_patches")
def patches(graph: Graph, node: Node) -> Result:
    """Tiles are moved; of windows that overlap, each place is a slice, or a channel of a kernel.

    The kernel is of ones and zeros, one of them per value of a window: small ones only.
    """
    call = arguments(node, "images", "sizes", "strides", "rates", "padding")
    x = call["images"]
    if not isinstance(x, Value) or x.rank != 4 or x.channels is None or not x.is_float:
        return None
    size, strides, rates = (spatial(call[key], 2) for key in ("sizes", "strides", "rates"))
    if size is None or strides is None or rates is None:
        return None
    windows = _Windows(size, strides, rates, str(call["padding"]).lower())
    known = x.shape is not None and None not in x.shape[1:]
    if known and _is_tiled(x, windows):
        return _tiles(graph, node, x, windows)
    few = (size[0] * size[1] * x.channels) ** 2 <= _MOST_WEIGHTS
    if few and not max(strides) > 1 < max(rates):
        return _convolution(graph, node, x, windows)
    return _slices(graph, node, x, windows) if known else None


def _is_tiled(x: Value, windows: _Windows) -> bool:
    sizes = (x.shape or ())[1:3]
    fits = all((n or 1) % k == 0 for n, k in zip(sizes, windows.size, strict=True))
    return fits and windows.strides == windows.size and windows.rates == [1, 1]


def _tiles(graph: Graph, node: Node, x: Value, windows: _Windows) -> Value:
    batch, height, width, channels = x.shape or ()
    (rows, columns), dtype = windows.size, x.spec.dtype
    split = (height // rows, rows, width // columns, columns * channels)  # type: ignore[operator]
    moved = (split[0], split[2], split[1], split[3])

    def spec(sizes: tuple[int, ...]) -> tf.TensorSpec:
        return tf.TensorSpec((batch, *sizes), dtype)

    def name(part: str) -> str:
        return graph.unique_name(f"{node.name}_{part}")

    y = graph.add(K.Reshape(split, name=name("split")), x, specs=spec(split)).output
    y = graph.add(K.Permute((1, 3, 2, 4), name=name("moved")), y, specs=spec(moved)).output
    flat = (split[0], split[2], split[1] * split[3])
    return graph.add(K.Reshape(flat, name=node.name), y, specs=node.output.spec).output


def _convolution(graph: Graph, node: Node, x: Value, windows: _Windows) -> Value:
    channels = x.channels or 0
    count = windows.size[0] * windows.size[1] * channels
    kernel = np.eye(count, dtype="float32").reshape(*windows.size, channels, count)
    layer = K.Conv2D(
        count,
        windows.size,
        strides=windows.strides,
        dilation_rate=windows.rates,
        padding=windows.padding,
        use_bias=False,
        trainable=False,
        name=node.name,
    )
    return graph.add(layer, x, specs=node.output.spec, weights=[kernel]).output


def _slices(graph: Graph, node: Node, x: Value, windows: _Windows) -> Value | None:
    batch, height, width, channels = x.shape or ()
    sizes, counts = [height or 0, width or 0], [n or 0 for n in (node.output.shape or ())[1:3]]
    if 0 in counts:
        return None
    reach = [(k - 1) * r + 1 for k, r in zip(windows.size, windows.rates, strict=True)]
    spans = [(n - 1) * s + 1 for n, s in zip(counts, windows.strides, strict=True)]
    if windows.padding == "same":
        lacking = [max(s + r - 1 - n, 0) for s, r, n in zip(spans, reach, sizes, strict=True)]
        pads = [(n // 2, n - n // 2) for n in lacking]
        sizes = [n + sum(pad) for n, pad in zip(sizes, pads, strict=True)]
        padding = K.ZeroPadding2D(pads, name=graph.unique_name(f"{node.name}_padded"))
        spec = tf.TensorSpec((batch, *sizes, channels), x.spec.dtype)
        x = graph.add(padding, x, specs=spec).output
    spec = tf.TensorSpec((batch, *counts, channels), x.spec.dtype)
    parts = []
    for place in np.ndindex(*windows.size):
        begin = [int(i) * r for i, r in zip(place, windows.rates, strict=True)]
        end = [b + s for b, s in zip(begin, spans, strict=True)]
        layer = function_layer("strided_slice", graph.unique_name(f"{node.name}_slice"))
        options = {"begin_mask": 0b1001, "end_mask": 0b1001}  # batch and channels whole
        part = graph.add(
            layer, x, [0, *begin, 0], [0, *end, 0], [1, *windows.strides, 1],
            specs=spec, kwargs=options,
        )  # fmt: skip
        parts.append(part.output)
    return graph.add(K.Concatenate(name=node.name), parts, specs=node.output.spec).output
