"""Options of layers and functions that LiteRT has no kernels for, not even float ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optim._keras import keras, tf
from optim.graph.graph import Node
from optim.quantization.node_facts import hierarchy

K = keras.layers

REPLACE = "replace the layer by one made of supported operations"
_RESIZE = "resize by 'bilinear' or 'nearest', without antialias, or before the model"

_OF_WORDS = {
    getattr(K, name)
    for name in ["HashedCrossing", "Hashing", "IntegerLookup", "StringLookup", "TextVectorization"]
    if hasattr(K, name)
}
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


@dataclass(frozen=True)
class Lack:
    """What a layer or function does that LiteRT has no kernel for, and what to do about it."""

    what: str
    remedy: str


def lacking(node: Node) -> Lack | None:
    """What LiteRT cannot do of a layer or function; None if nothing is known."""
    method = unknown_method(node)
    if method:
        return Lack(f"the interpolation {method!r}", _RESIZE)
    if node.symbol:
        return _WORDS if node.symbol.startswith("strings.") else None
    layer, classes = node.layer, set(hierarchy(node.layer))
    if _OF_WORDS & classes:
        return _WORDS
    if K.CategoryEncoding in classes:
        return _COUNTS
    if K.Discretization in classes and layer.output_mode != "int":
        return _COUNTS
    if not _OF_VOLUMES & classes:
        return None
    if set(layer.dilation_rate) != {1}:
        return Lack("a dilation over three dimensions", REPLACE)
    groups = getattr(layer, "groups", 1) > 1
    return Lack("groups over three dimensions", REPLACE) if groups else None


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


_WORDS = Lack(
    "taking text apart, or looking it up",
    "export the model without the layer, and give it the numbers that this returns",
)
_COUNTS = Lack("counting categories", "use tf.one_hot, or count before the model")


def _given(node: Node, name: str, place: int, default: Any) -> Any:
    return node.kwargs.get(name, node.args[place] if len(node.args) > place else default)
