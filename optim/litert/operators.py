"""LiteRT's operators: one row for each, with all that this project knows of it.

A test compares the rows with the schema: an operator that has none fails it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from optim.litert import flatbuffer

Shapes = Sequence[tuple[int, ...]]  # () also where an input is left out
Count = Callable[[Any, Shapes, Shapes], int]


@dataclass(frozen=True)
class Linear:
    """How an operator has its operands that multiplies by a kernel and adds a bias.

    Attributes:
        places: of input, kernel and bias among its inputs.
        stored: of a Keras kernel, the order of the file, output channels first.
    """

    places: tuple[int, int, int]
    stored: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        kernels: its operands that are kernels -> the axis of their inputs, None if none.
        channels: the axis of its kernel that counts the outputs; None: it has none.
        linear: its operands, if it adds a bias that int8 needs a scale for.
        macs: counts its multiply-accumulates; None: it does not multiply matrices.
        not_int16: why it must not work on int16 tensors; empty: it may, or the converter
            itself refuses.
        converts: whether it goes between float and integer, or between scales.
        branches: whether it runs other subgraphs.
    """

    kernels: Mapping[int, int | None] = field(default_factory=dict)
    channels: int | None = None
    linear: Linear | None = None
    macs: Count | None = None
    not_int16: str = ""
    converts: bool = False
    branches: bool = False


# -- multiply-accumulates of one run, from the shapes of the tensors --------------------


def _conv_2d(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    return prod(outputs[0]) * prod(inputs[1][1:])  # kernel (out, h, w, in / groups)


def _depthwise(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    return prod(outputs[0]) * prod(inputs[1][1:3])  # kernel (1, h, w, out)


def _fully_connected(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    return prod(outputs[0]) * inputs[1][-1]  # kernel (out, in)


def _transpose_conv(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    # Inputs: output shape, kernel (out, h, w, in), input.
    return prod(inputs[2]) * prod(inputs[1][:3])


def _batch_matmul(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    options = flatbuffer.schema().BatchMatMulOptions()
    table = operator.BuiltinOptions()
    if table is not None:
        options.Init(table.Bytes, table.Pos)
    inner = inputs[0][-2 if table is not None and options.AdjX() else -1]
    return prod(outputs[0]) * inner


def _conv_3d(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    return prod(outputs[0]) * prod(inputs[1][:4])  # kernel (d, h, w, in, out)


def _conv_3d_transpose(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    # Inputs: output shape, kernel (d, h, w, out, in), input.
    return prod(inputs[2]) * prod(inputs[1][:4])


def _sequence(operator: Any, inputs: Shapes, outputs: Shapes) -> int:
    """A recurrent layer in one operation: its matrices, once per sample and step.

    Behind its kernels come biases and, with two axes as well, states.
    """
    kernels = inputs[1 : 9 if len(inputs) > 9 else 3]
    return prod(inputs[0][:-1]) * sum(prod(x) for x in kernels if len(x) == 2)


# -- the table --------------------------------------------------------------------------

_SCALES = "LiteRT takes its int16 inputs for numbers of one scale"
_NO_INT16 = "LiteRT has no int16 kernel for it, though the converter thinks so"

_COMPARES = Operator(not_int16=_SCALES)
_CONVERTS = Operator(converts=True)
_BRANCHES = Operator(branches=True)

#: Of which there is nothing to know here.
_PLAIN = (
    "ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE ATAN2 AVERAGE_POOL_2D BATCH_TO_SPACE_ND "
    "BITCAST BITWISE_XOR BROADCAST_ARGS BROADCAST_TO BUCKETIZE CALL CALL_ONCE CAST CEIL "
    "COMPLEX_ABS CONCATENATION CONCAT_EMBEDDINGS COS CUMSUM DENSIFY DEPTH_TO_SPACE DILATE DIV "
    "DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP_SPARSE EXP EXPAND_DIMS FAKE_QUANT FILL FLOOR "
    "FLOOR_DIV FLOOR_MOD GATHER_ND GELU HARD_SWISH HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT "
    "HASHTABLE_LOOKUP HASHTABLE_SIZE IMAG L2_NORMALIZATION L2_POOL_2D LEAKY_RELU "
    "LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX "
    "LSH_PROJECTION MATRIX_DIAG MATRIX_SET_DIAG MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD "
    "MUL MULTINOMIAL NEG NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 ONE_HOT PACK PAD POW "
    "PRELU RANDOM_STANDARD_NORMAL RANDOM_UNIFORM RANGE RANK READ_VARIABLE REAL REDUCE_ALL "
    "REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_WINDOW RELU RELU6 RELU_0_TO_1 "
    "RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_SEQUENCE REVERSE_V2 "
    "RFFT2D RIGHT_SHIFT ROUND RSQRT SCATTER_ND SEGMENT_SUM SHAPE SIGN SIN SKIP_GRAM SLICE "
    "SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPARSE_TO_DENSE SPLIT SPLIT_V SQRT SQUARE "
    "SQUEEZE STRIDED_SLICE SUB TANH TILE TOPK_V2 TRANSPOSE UNIQUE UNPACK UNSORTED_SEGMENT_MAX "
    "UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM VAR_HANDLE WHERE "
    "ZEROS_LIKE "
)

#: Recurrent layers in forms that the converter does not write for Keras models.
_UNWRITTEN = "BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN LSTM RNN SVDF "

OPERATORS: Mapping[str, Operator] = {
    **dict.fromkeys((*_PLAIN.split(), *_UNWRITTEN.split()), Operator()),
    "CONV_2D": Operator({1: 3}, 0, Linear((0, 1, 2), lambda k: np.moveaxis(k, -1, 0)), _conv_2d),
    "CONV_3D": Operator({1: 3}, 4, macs=_conv_3d),
    "CONV_3D_TRANSPOSE": Operator({1: 4}, 3, macs=_conv_3d_transpose),
    "DEPTHWISE_CONV_2D": Operator(
        {1: None},
        3,
        Linear((0, 1, 2), lambda k: k.reshape(-1, k.shape[-2] * k.shape[-1]).T),
        _depthwise,
    ),
    "FULLY_CONNECTED": Operator({1: 1}, 0, Linear((0, 1, 2), lambda k: k.T), _fully_connected),
    "TRANSPOSE_CONV": Operator(
        {1: 3}, 0, Linear((2, 1, 3), lambda k: np.moveaxis(k, -2, 0)), _transpose_conv
    ),
    "BATCH_MATMUL": Operator({1: -2}, macs=_batch_matmul),
    "EMBEDDING_LOOKUP": Operator({1: None}),
    "GATHER": Operator({0: None}),
    "UNIDIRECTIONAL_SEQUENCE_RNN": Operator({1: 1, 2: 1}, macs=_sequence),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Operator(
        dict.fromkeys(range(1, 9), 1), macs=_sequence, not_int16=_NO_INT16
    ),
    **dict.fromkeys(("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL"), _COMPARES),
    **dict.fromkeys(("LESS", "LESS_EQUAL", "SELECT", "SELECT_V2"), _COMPARES),
    "SQUARED_DIFFERENCE": Operator(not_int16=_NO_INT16),
    "PADV2": Operator(not_int16=_NO_INT16),
    "SUM": Operator(not_int16="LiteRT's int16 kernel computes wrong numbers"),
    "QUANTIZE": _CONVERTS,
    "DEQUANTIZE": _CONVERTS,
    "WHILE": _BRANCHES,
    "IF": _BRANCHES,
}

#: Codes of the schema that are no operator, and those of another set, which only files in
#: StableHLO's own form have.
NO_OPERATORS = ("CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES")
FOREIGN = "STABLEHLO_"

_UNKNOWN = Operator()


def operator(name: str) -> Operator:
    """Return what is known of an operator; of a custom one, nothing."""
    return OPERATORS.get(name, _UNKNOWN)


def macs(name: str, table: Any, inputs: Shapes, outputs: Shapes) -> int:
    """Return the multiply-accumulates of one run; open sizes count as 1.

    Args:
        name: of the operation; one that does not multiply matrices has none.
        table: of the operation in the file, for options.
        inputs, outputs: shapes of its tensors; () for an input that is left out.
    """
    count = operator(name).macs
    return abs(count(table, inputs, outputs)) if count else 0
