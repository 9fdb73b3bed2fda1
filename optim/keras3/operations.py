"""What becomes of each operation of a graph: one entry per type of operation.

Most are a function that Keras keeps in a model as a layer, so that it can be written to a file and
the quantizer knows it. One that is in no table is an `Operation` layer, which runs it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from optim.keras3.makers import (
    Make,
    make_arg,
    make_bias,
    make_cast,
    make_concat,
    make_convolution,
    make_einsum,
    make_fill,
    make_gather,
    make_matmul,
    make_mirror_pad,
    make_moving,
    make_one_hot,
    make_pack,
    make_pad,
    make_pass,
    make_patches,
    make_plain,
    make_pool,
    make_reduction,
    make_reshape,
    make_resize,
    make_shape_of,
    make_slices,
    make_softmax,
    make_split,
    make_split_sizes,
    make_squeeze,
    make_unpack,
    make_with,
)


def _same_names(names: str) -> dict[str, Make]:
    """Operations of one or two arguments, by `type=function`."""
    pairs = (word.partition("=") for word in names.split())
    return {kind: make_plain(symbol) for kind, _, symbol in pairs}


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
    **dict.fromkeys(("Identity", "Snapshot", "PreventGradient", "EnsureShape"), make_pass),
    "LeakyRelu": make_with("nn.leaky_relu", alpha="alpha"),
    "Softmax": make_softmax,
    "MatMul": make_matmul,
    "BatchMatMul": make_matmul,
    "BatchMatMulV2": make_matmul,
    "BatchMatMulV3": make_matmul,
    "Mean": make_reduction("math.reduce_mean"),
    "Sum": make_reduction("math.reduce_sum"),
    "Max": make_reduction("math.reduce_max"),
    "Min": make_reduction("math.reduce_min"),
    "Prod": make_reduction("math.reduce_prod"),
    "All": make_reduction("math.reduce_all"),
    "Any": make_reduction("math.reduce_any"),
    "Reshape": make_reshape,
    "Transpose": make_moving("transpose", "perm"),
    "ExpandDims": make_moving("expand_dims", "axis"),
    "Tile": make_moving("tile", "multiples"),
    "BroadcastTo": make_moving("broadcast_to", "shape"),
    "ReverseV2": make_moving("reverse", "axis"),
    "Slice": make_moving("slice", "begin", "size"),
    "Squeeze": make_squeeze,
    "ConcatV2": make_concat,
    "Pack": make_pack,
    "Unpack": make_unpack,
    "Split": make_split,
    "SplitV": make_split_sizes,
    "Pad": make_pad,
    "PadV2": make_pad,
    "MirrorPad": make_mirror_pad,
    "GatherV2": make_gather,
    "StridedSlice": make_slices,
    "Cast": make_cast,
    "Fill": make_fill,
    "OneHot": make_one_hot,
    "Shape": make_shape_of,
    "ArgMax": make_arg("math.argmax"),
    "ArgMin": make_arg("math.argmin"),
    "BiasAdd": make_bias,
    "ResizeBilinear": make_resize("bilinear"),
    "ResizeNearestNeighbor": make_resize("nearest"),
    "ResizeBicubic": make_resize("bicubic"),
    "MaxPool": make_pool("nn.max_pool2d"),
    "AvgPool": make_pool("nn.avg_pool2d"),
    "Conv2D": make_convolution("nn.conv2d"),
    "DepthwiseConv2dNative": make_convolution("nn.depthwise_conv2d"),
    "DepthToSpace": make_with("nn.depth_to_space", block_size="block_size"),
    "SpaceToDepth": make_with("nn.space_to_depth", block_size="block_size"),
    "ExtractImagePatches": make_patches,
    "Einsum": make_einsum,
}
