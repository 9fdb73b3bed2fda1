"""What each layer is to the quantizer: one table by layer class, one by function.

A role says where LiteRT quantizes, not what the layer computes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from optim._keras import keras
from optim.graph.graph import Node, Value
from optim.graph.masks import CarryMask
from optim.graph.parameter import Parameter
from optim.keras3.layers import TrainingSwitch
from optim.quantization import layers as own
from optim.quantization.activation_facts import (
    ACTIVATIONS,
    FIXED,
    FIXED_SYMBOLS,
    FUSED,
    activation_name,
)
from optim.quantization.node_facts import (
    hierarchy,
    is_fusable_relu,
    is_linear,
    is_unit_kernel,
)
from optim.quantization.planning.no_kernel import lacking
from optim.quantization.recurrent.joined import OnGrid
from optim.quantization.recurrent.layer import Recurrent
from optim.quantization.recurrent.step_shapes import BatchAsSteps, StepsAsBatch

K = keras.layers

#: Begins the reasons of what can be trained, but not exported, even as float.
NO_KERNEL = "LiteRT has no kernel at all"


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
    TABLE = "its weights are quantized; its output has their scale"
    RECURRENT = "its kernels, and all that its steps compute, are quantized inside it"
    WEIGHT = "derived from weights alone; quantized where it meets data"
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
    (Assignment(Role.WEIGHT, "a weight used in arithmetic"), [Parameter]),
    (
        Assignment(Role.OP, "convolution by a computed kernel: output range", absorbs_relu=True),
        [own.Convolve],
    ),
    (_OP, [own.Einsum, own.Rsqrt, own.SquaredDifference]),
    (_SUM, [own.AddConstant, *_classes("Add Multiply Subtract")]),
    (_LUT, [own.HardSwish, *_classes("LeakyReLU PReLU")]),
    (
        Assignment(Role.AFFINE, "1x1 depthwise convolution: output range", absorbs_relu=True),
        [own.Affine, own.LoneBatchNormalization],
    ),
    (_MEAN, [own.Mean, *_classes("GlobalAveragePooling1D GlobalAveragePooling2D")]),
    (_MEAN, _classes("GlobalAveragePooling3D")),
    (_OP, _classes("Dot")),
    (_JOIN, _classes("Concatenate Maximum Minimum")),
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
            "AveragePooling1D AveragePooling2D MaxPooling1D MaxPooling2D "
            "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D"
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
    (_IDENTITY, [own.Identity, TrainingSwitch]),
    (Assignment(Role.OP, "beside a concatenation: range of its own"), [OnGrid]),
    (_SAME, [BatchAsSteps, StepsAsBatch]),
    (
        _float("LiteRT has no int8 kernel for it"),
        _classes("Conv3D Conv3DTranspose ELU ThresholdedReLU LocallyConnected1D"),
    ),
    (_float(f"{NO_KERNEL} for it"), _classes("AveragePooling3D MaxPooling3D")),
    (Assignment(Role.RECURRENT, "steps of int8 operations"), [Recurrent]),
    (_float("recurrent: its loop is not quantized"), _classes("RNN Bidirectional ConvLSTM2D")),
    (_float("makes a mask, which no quantizing wrapper hands on"), _classes("Embedding")),
    (_float("a composite layer that cannot be taken apart here"), _classes("MultiHeadAttention")),
    (_float("applies a layer to each step of a sequence"), _classes("TimeDistributed")),
    (
        _float("its axes, shape or precision have no int8 form"),
        _classes("LayerNormalization GroupNormalization UnitNormalization"),
    ),
    (_float("computes a mask from the values"), _classes("Masking")),
    (_float("makes numbers of categories"), _classes("CategoryEncoding Discretization")),
    (
        _float("changes the weights of the layer within on every training step"),
        _classes("SpectralNormalization"),
    ),
)

_CONSTANT = Assignment(Role.SAME, "the same number everywhere: scale of what it meets")
_NO_INT8 = _float("LiteRT has no int8 kernel for this function")
_DIVISION = _float("divides by data, which int8 could turn into zero")
_OTHER_AXES = _float("LiteRT's int8 kernel is for the axes of a sample, and a small epsilon")
_CLIPPED = _float("LiteRT's int8 kernel clips it at -15.94")
_NO_KERNEL = _float(f"{NO_KERNEL} for this function")

# What functions do, by public name; every one is free of side effects and randomness.
_BY_SYMBOL_NAMES: tuple[tuple[Assignment, str], ...] = (
    (
        _SAME,
        "__operators__.getitem nn.embedding_lookup compat.v1.nn.embedding_lookup broadcast_to "
        "cast compat.v1.gather_nd expand_dims gather gather_nd identity image.central_crop "
        "image.crop_to_bounding_box image.flip_left_right image.flip_up_down "
        "image.pad_to_bounding_box image.resize image.resize_with_crop_or_pad image.rot90 "
        "nn.depth_to_space nn.space_to_depth pad repeat reshape reverse roll slice split squeeze "
        "stop_gradient strided_slice tile transpose unstack linalg.matrix_transpose "
        "batch_to_space compat.v1.batch_to_space_nd space_to_batch space_to_batch_nd "
        "compat.v1.pad compat.v1.transpose compat.v1.squeeze compat.v1.expand_dims "
        "compat.v1.gather compat.v1.nn.depth_to_space compat.v1.nn.space_to_depth "
        "compat.v1.image.resize_bilinear compat.v1.image.resize_nearest_neighbor "
        "compat.v1.image.resize image.extract_patches compat.v1.image.resize_images "
        "image.resize_with_pad compat.v1.stop_gradient ensure_shape compat.v1.strided_slice",
    ),
    (
        _POOL,
        "nn.avg_pool nn.avg_pool1d nn.avg_pool2d nn.max_pool nn.max_pool1d nn.max_pool2d nn.pool "
        "math.reduce_max math.reduce_min compat.v1.reduce_max compat.v1.reduce_min "
        "compat.v1.nn.avg_pool compat.v1.nn.max_pool compat.v1.nn.pool",
    ),
    (_JOIN, "concat stack where compat.v1.where math.maximum math.minimum clip_by_value"),
    (_MEAN, "math.reduce_mean math.reduce_sum compat.v1.reduce_mean compat.v1.reduce_sum"),
    (_SUM, "__operators__.add math.add math.subtract math.multiply nn.bias_add"),
    (
        _OP,
        "linalg.matmul linalg.matvec tensordot einsum "
        "math.squared_difference math.rsqrt math.abs math.negative "
        "math.exp math.log math.sqrt math.reduce_prod",
    ),
    (_LUT, "nn.gelu nn.leaky_relu"),
    (_CONSTANT, "zeros_like ones_like compat.v1.zeros_like compat.v1.ones_like fill zeros ones"),
    (
        _NO_INT8,
        "math.square math.pow math.sin math.cos math.floor math.ceil math.round math.cumsum "
        "math.sign math.softplus nn.softplus nn.softsign nn.elu nn.selu math.reduce_logsumexp "
        "math.reduce_std math.reduce_variance norm compat.v1.norm "
        "nn.local_response_normalization nn.conv3d nn.swish math.add_n math.top_k sort "
        "math.floormod math.floordiv math.log1p math.expm1 math.atan2 "
        "nn.convolution nn.conv2d nn.conv1d nn.depthwise_conv2d nn.conv2d_transpose "
        "compat.v1.nn.conv2d compat.v1.nn.depthwise_conv2d nn.separable_conv2d nn.crelu "
        "one_hot linspace range eye",
    ),
    (_DIVISION, "math.truediv math.divide compat.v1.div realdiv math.divide_no_nan"),
    (_CLIPPED, "nn.log_softmax"),
    (
        _NO_KERNEL,
        "math.erf math.erfc math.cumprod math.atan math.tan math.sinh math.cosh math.asin "
        "math.acos math.asinh math.acosh math.atanh math.digamma math.erfinv math.bessel_i0 "
        "math.igamma math.reduce_euclidean_norm compat.v1.image.resize_bicubic "
        "compat.v1.image.resize_area image.crop_and_resize",
    ),
)
BY_SYMBOL: dict[str, Assignment] = {
    symbol: assignment for assignment, names in _BY_SYMBOL_NAMES for symbol in names.split()
}
# Functions of shapes and truth values: nothing to quantize about them, but they may be there.
_HARMLESS_NAMES = (
    "shape rank size compat.v1.shape compat.v1.size compat.v1.rank math.equal math.not_equal "
    "math.greater math.greater_equal math.less math.less_equal math.logical_and "
    "math.logical_or math.logical_not __operators__.eq __operators__.ne math.argmax "
    "math.argmin math.reduce_any math.reduce_all math.is_nan math.is_finite sequence_mask"
)
HARMLESS = set(_HARMLESS_NAMES.split())

# Divisions: what they divide by is not quantized either.
DIVISIONS = {symbol for symbol, found in BY_SYMBOL.items() if found is _DIVISION}
DIVISOR = _float("a divisor: int8 could turn it into zero")

_MASKED = _float("goes by a mask, which has no int8 form")
_CARRIES = Assignment(Role.SAME, "hands a mask on: scale of its input")
_NO_FLOAT = Assignment(Role.SAME, "no floating-point output: nothing to quantize")
_OF_INTEGERS = _float("makes floating-point numbers of integers")
_LINEAR = Assignment(Role.LINEAR, "kernel is quantized", absorbs_relu=True)
_TABLE = Assignment(Role.TABLE, "table is quantized; what is looked up has its scale")
_NORM = Assignment(Role.NORM, "folds into the layer before it", absorbs_relu=True)
_RELU = Assignment(Role.RELU, "rectifier")
_CAPPED = Assignment(Role.RELU, "rectifier with a cap: RELU and MINIMUM")
_FIXED = Assignment(Role.FIXED, "range fixed by LiteRT")


def assign(node: Node) -> Assignment:
    """Return the role of a node's layer, by function or along the class hierarchy."""
    layer = node.layer
    if not any(value.is_float for value in node.outputs):
        return _NO_FLOAT
    given = not node.symbol and isinstance(node.kwargs.get("mask"), Value)
    if (given or any(node.masks)) and not isinstance(layer, Recurrent):
        return _float(node.note) if node.note else _MASKED
    if isinstance(layer, CarryMask):
        return _CARRIES
    if node.inert:
        return _IDENTITY
    lacks = lacking(node)
    if lacks:
        return _float(f"{NO_KERNEL} for {lacks.what}")
    if node.symbol:
        if not any(value.is_float for value in node.inputs):
            return _OF_INTEGERS
        if node.symbol == "math.l2_normalize" and not is_unit_kernel(node):
            return _OTHER_AXES
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
    if own.CappedRelu in classes:
        return _LUT if layer.slope else _CAPPED
    if K.ReLU in classes:
        return _float("a rectifier with a threshold, for which LiteRT has no int8 kernel")
    if K.Embedding in classes and not layer.mask_zero:
        return _TABLE
    if K.Activation in classes:
        return _activation(activation_name(layer.activation))
    if K.Softmax in classes:
        several = not isinstance(layer.axis, int) and len(layer.axis) > 1
        return _float("softmax over several axes") if several else _FIXED
    for cls in classes:
        if cls in BY_CLASS:
            found = BY_CLASS[cls]
            return _float(node.note) if node.note and found.role is Role.FLOAT else found
    if node.note:
        return _float(node.note)
    what = "with weights" if layer.weights else "without weights"
    return _float(f"no rule for a {type(layer).__name__} {what}")


def is_idle(node: Node) -> bool:
    """Whether the layer hands its input on unchanged in inference."""
    return assign(node) is _IDENTITY


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
    if name in ACTIVATIONS and ACTIVATIONS[name].table:
        return _LUT
    return _float(f"LiteRT has no int8 kernel for {name or 'this activation'}")
