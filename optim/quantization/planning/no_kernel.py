"""Options of layers and functions that LiteRT has no kernels for, not even float ones."""

from __future__ import annotations

from typing import Any

from optim._keras import keras, tf
from optim.graph.graph import Node
from optim.quantization.node_facts import hierarchy

K = keras.layers

_OF_VOLUMES = {K.Conv3D, K.ConvLSTM3D}
_KERNELS = ("bilinear", "nearest")
_V2, _V1 = tf.image.ResizeMethod, tf.compat.v1.image.ResizeMethod
_NAMES = {
    getattr(methods, key): getattr(_V2, key)
    for methods in (_V1, _V2)
    for key in vars(methods)
    if key.isupper()
}
# function -> place of the method among its arguments, and of `antialias`
_FUNCTIONS: dict[str, tuple[int, int | None]] = {
    "image.resize": (2, 4),
    "image.resize_with_pad": (3, 4),
    "compat.v1.image.resize": (2, None),
    "compat.v1.image.resize_images": (2, None),
    "compat.v1.image.resize_image_with_pad": (3, None),
}


def lacking(node: Node) -> str:
    """What a layer or function does that LiteRT has no kernel for; an empty string for nothing."""
    method = unknown_method(node)
    if method:
        return f"the interpolation {method!r}"
    if node.symbol or not _OF_VOLUMES & set(hierarchy(node.layer)):
        return ""
    if set(node.layer.dilation_rate) != {1}:
        return "a dilation over three dimensions"
    return "groups over three dimensions" if getattr(node.layer, "groups", 1) > 1 else ""


def unknown_method(node: Node) -> str:
    """How a layer or function resizes, if LiteRT has no kernel for that; else an empty string."""
    if node.symbol in _FUNCTIONS:
        place, smooth = _FUNCTIONS[node.symbol]
        given = _given(node, "method", place, "bilinear")
        method = _NAMES.get(given, str(given))
        if method == "bilinear" and smooth and _given(node, "antialias", smooth, False):
            return "bilinear with antialias"
    elif not node.symbol and {K.Resizing, K.UpSampling2D} & set(hierarchy(node.layer)):
        method = str(node.layer.interpolation)
    else:
        return ""
    return "" if method in _KERNELS else method


def _given(node: Node, name: str, place: int, default: Any) -> Any:
    return node.kwargs.get(name, node.args[place] if len(node.args) > place else default)
