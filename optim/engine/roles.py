"""What each layer is to the quantizer: one table by layer class, one by function.

A role says where LiteRT quantizes, not what the layer computes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from optim._keras import keras
from optim.engine import layers as own
from optim.engine.graph import Node
from optim.engine.kinds import (
    FIXED,
    FUSED,
    activation_name,
    hierarchy,
    is_fusable_relu,
    is_linear,
)

K = keras.layers


class Role(Enum):
    """Where the quantizers of a layer go."""

    LINEAR = "weights and output are quantized; absorbs a BatchNormalization and a ReLU"
    AFFINE = "one depthwise convolution in LiteRT; output is quantized; absorbs a ReLU"
    NORM = "folds into the linear layer before it"
    RELU = "fuses into the operation before it"
    OP = "its output is quantized"
    FIXED = "its output has the range that LiteRT prescribes"
    SAME = "its output has the scale of its input"
    JOIN = "its inputs and its output share one scale"
    FLOAT = "stays float; its output is quantized for what follows"


@dataclass(frozen=True)
class Assignment:
    """A role, the reason for it, and whether a ReLU can fuse into the operation."""

    role: Role
    reason: str
    absorbs_relu: bool = False


_SAME = Assignment(Role.SAME, "only moves values: scale of its input")
_POOL = Assignment(Role.SAME, "LiteRT requires the scale of its input")
_IDENTITY = Assignment(Role.SAME, "does nothing in inference")
_JOIN = Assignment(Role.JOIN, "LiteRT requires one scale for all inputs and the output")
_OP = Assignment(Role.OP, "int8 operation: output range")
_SUM = Assignment(Role.OP, "int8 operation: output range", absorbs_relu=True)
_LUT = Assignment(Role.OP, "int8 look-up table: output range")
_MEAN = Assignment(Role.OP, "mean is rescaled: output range")


def _float(what: str) -> Assignment:
    return Assignment(Role.FLOAT, f"float: {what}")


def _classes(names: str) -> list[type]:
    return [getattr(K, name) for name in names.split() if hasattr(K, name)]


def _table(*entries: tuple[Assignment, Iterable[type]]) -> dict[type, Assignment]:
    return {cls: assignment for assignment, classes in entries for cls in classes}


BY_CLASS: dict[type, Assignment] = _table(
    (_OP, [own.Einsum, own.Rsqrt, own.SquaredDifference]),
    (_SUM, [own.AddConstant, *_classes("Add Multiply Subtract")]),
    (_LUT, [own.HardSwish, *_classes("LeakyReLU PReLU")]),
    (
        Assignment(Role.AFFINE, "1x1 depthwise convolution: output range", absorbs_relu=True),
        [own.Affine, own.LoneBatchNormalization],
    ),
    (_MEAN, [own.Mean, *_classes("GlobalAveragePooling1D GlobalAveragePooling2D")]),
    (_MEAN, _classes("GlobalAveragePooling3D")),
    (_OP, _classes("Maximum Minimum Dot")),
    (_JOIN, _classes("Concatenate")),
    (
        _SAME,
        _classes(
            "Cropping1D Cropping2D Cropping3D Flatten Permute RepeatVector Reshape "
            "UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D "
            "CenterCrop Resizing"
        ),
    ),
    (
        _POOL,
        _classes(
            "AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D "
            "MaxPooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D"
        ),
    ),
    (
        _IDENTITY,
        _classes(
            "ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise "
            "RandomBrightness RandomContrast RandomFlip RandomHeight RandomRotation "
            "RandomTranslation RandomWidth RandomZoom SpatialDropout1D SpatialDropout2D "
            "SpatialDropout3D"
        ),
    ),
    (_IDENTITY, [own.Identity]),
    (
        _float("LiteRT has no int8 kernel for it"),
        _classes("Conv3D Conv3DTranspose ELU ThresholdedReLU LocallyConnected1D"),
    ),
    (_float("recurrent: its loop is not quantized"), _classes("RNN Bidirectional ConvLSTM2D")),
    (_float("looks rows up in a float table"), _classes("Embedding")),
    (
        _float("a composite layer; no rule expands it"),
        _classes("MultiHeadAttention TimeDistributed"),
    ),
)

_BY_SYMBOL_NAMES: tuple[tuple[Assignment, str], ...] = (
    (
        _SAME,
        "__operators__.getitem broadcast_to expand_dims gather identity image.crop_to_bounding_box "
        "nn.depth_to_space nn.space_to_depth pad repeat reshape reverse roll slice split "
        "squeeze strided_slice tile transpose unstack linalg.matrix_transpose batch_to_space "
        "space_to_batch image.resize stop_gradient compat.v1.transpose compat.v1.pad "
        "compat.v1.squeeze compat.v1.expand_dims compat.v1.gather "
        "compat.v1.depth_to_space compat.v1.space_to_depth",
    ),
    (_POOL, "nn.avg_pool nn.avg_pool2d nn.max_pool nn.max_pool2d math.reduce_max"),
    (_JOIN, "concat stack"),
    (_MEAN, "math.reduce_mean math.reduce_sum"),
    (
        _SUM,
        "__operators__.add math.add math.subtract math.multiply",
    ),
    (
        _OP,
        "linalg.matmul einsum math.maximum math.minimum math.squared_difference math.rsqrt "
        "math.square math.abs math.negative math.l2_normalize",
    ),
    (_LUT, "nn.gelu nn.leaky_relu"),
)
BY_SYMBOL: dict[str, Assignment] = {
    symbol: assignment for assignment, names in _BY_SYMBOL_NAMES for symbol in names.split()
}
FIXED_SYMBOLS = {"math.sigmoid", "math.tanh", "nn.softmax"}

_NO_FLOAT = Assignment(Role.SAME, "no floating-point output: nothing to quantize")
_LINEAR = Assignment(Role.LINEAR, "kernel is quantized", absorbs_relu=True)
_NORM = Assignment(Role.NORM, "folds into the layer before it", absorbs_relu=True)
_RELU = Assignment(Role.RELU, "rectifier")
_FIXED = Assignment(Role.FIXED, "range fixed by LiteRT")


def assign(node: Node) -> Assignment:
    """Return the role of a node's layer, by function or along the class hierarchy."""
    layer = node.layer
    if not any(value.is_float for value in node.outputs):
        return _NO_FLOAT
    if node.symbol:
        if node.symbol in FIXED_SYMBOLS:
            return _FIXED
        return BY_SYMBOL.get(node.symbol) or _float(f"no rule for the function {node.symbol}")
    if is_linear(node):
        return _linear(node)
    classes = hierarchy(layer)
    if own.LoneBatchNormalization in classes:
        return BY_CLASS[own.LoneBatchNormalization]
    if K.BatchNormalization in classes:
        return _NORM
    if is_fusable_relu(node):
        return _RELU
    if K.Activation in classes:
        return _activation(activation_name(layer.activation))
    if K.Softmax in classes:
        axis = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
        last = [a % (node.output.rank or 1) for a in axis] == [(node.output.rank or 1) - 1]
        return _FIXED if last else _float("softmax over an axis other than the last")
    for cls in classes:
        if cls in BY_CLASS:
            return BY_CLASS[cls]
    what = "with weights" if layer.weights else "without weights"
    return _float(f"no rule for a {type(layer).__name__} {what}")


def _linear(node: Node) -> Assignment:
    name = activation_name(node.layer.activation)
    if name in FIXED:
        return Assignment(Role.LINEAR, f"{name} inside, range fixed by LiteRT")
    if name in FUSED:
        return _LINEAR
    return _float("its activation is not one that can be quantized inside it")


def _activation(name: str) -> Assignment:
    if name in FIXED:
        return _FIXED
    if name == "linear":
        return _IDENTITY
    if name == "gelu":
        return _LUT
    return _float(f"LiteRT has no int8 kernel for {name or 'this activation'}")
