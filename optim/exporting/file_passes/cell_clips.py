"""LSTM cells without the bound that the converter gives them.

TensorFlow's converter writes `cell_clip = 10` into the operation of every LSTM
(`ConvertKerasLSTMLayer` of tensorflow/compiler/mlir/lite/utils/lstm_utils.cc); Keras has no such
bound. A cell that counts for more than ten steps, or under inputs that are not normalized, would
end there: 53 instead of 130 dB for two LSTMs that read values up to 255.
"""

from __future__ import annotations

from typing import Any

__all__ = ["open_up"]

_CONVERTERS = 10.0


def open_up(file: Any) -> int:
    """Take the converter's bound from the cells of float LSTMs.

    Args:
        file: from `writer.unpack`. Modified in place.

    Returns:
        How many cells had it.
    """
    options = [op.builtinOptions for graph in file.subgraphs for op in graph.operators]
    bounded = [one for one in options if getattr(one, "cellClip", 0.0) == _CONVERTERS]
    for one in bounded:
        one.cellClip = 0.0  # LiteRT's word for none
    return len(bounded)
