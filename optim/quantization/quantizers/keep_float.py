"""Where float meets int8: a layer that the converter to LiteRT does not look through."""

from __future__ import annotations

from typing import Any

from optim._keras import keras, tf
from optim.quantization.layers import Stateless

__all__ = ["KeepFloat", "is_exported"]


@keras.utils.register_keras_serializable(package="optim")
class KeepFloat(Stateless):
    """Passes its input on, and keeps what is on one side of it float in the file.

    The converter quantizes an operation whose inputs and outputs all are, whatever was asked for,
    and carries ranges on through those that only move values. In the graph of a file this layer
    is a detour by way of the bits of the numbers, which nothing is carried over; export takes it
    out of the file.

    Args:
        leaves: whether float ends here; False: it begins.
    """

    def __init__(self, leaves: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.leaves = bool(leaves)

    def call(self, inputs: Any) -> Any:
        if inputs.dtype != tf.float32 or not is_exported():
            return tf.identity(inputs)
        bits = tf.bitcast(inputs, tf.int32)
        bits = tf.bitwise.bitwise_xor(bits, _zeros(inputs.shape))  # the same bits
        return tf.bitcast(bits, tf.float32)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "leaves": self.leaves}


def _zeros(shape: Any) -> Any:
    """Zeros to combine bits with: one, or as many as there are bits.

    LiteRT spreads a number over no more than four dimensions. Over more, a calibrator, which runs
    the detour before it is taken out, would end the process.
    """
    spread = shape.rank is not None and shape.rank > 4 and shape.is_fully_defined()
    return tf.zeros(shape if spread else (), tf.int32)


def is_exported() -> bool:
    """Whether this is the graph that `optim.export` makes, whose variables become constants."""
    return getattr(tf.compat.v1.get_default_graph(), "name", "") == "export"
