"""Grouped convolutions of one shape are compiled once in a process.

TensorFlow has the gradient of a grouped convolution on CPUs in compiled functions only, so each
layer of tf_keras compiles its own: a quarter of a second for every shape of its input, forward
and backward. A network has dozens of such layers in a few shapes, and each technique makes them
anew. What is compiled is the same function of the same options, and so are its results.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GroupedConvolution:
    """What a convolution is compiled for; the options have the names that a layer gives them."""

    padding: Any
    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    _tf_data_format: str
    inputs: Any
    kernel: Any


def share_compiled() -> None:
    """Have layers that are called eagerly share what is compiled, if it is the same."""
    import tensorflow as tf
    from tf_keras.src.layers.convolutional import base_conv

    own = base_conv.Conv._jit_compiled_convolution_op
    plain = base_conv.Conv.convolution_op
    if getattr(own, "__module__", "") == __name__:
        return

    @functools.cache
    def compiled(wanted: GroupedConvolution) -> Any:
        signature = (wanted.inputs, wanted.kernel)
        return tf.function(functools.partial(plain, wanted), signature, jit_compile=True)

    @functools.wraps(plain)
    def shared(self: Any, inputs: Any, kernel: Any) -> Any:
        if not tf.executing_eagerly() or type(self).convolution_op is not plain:
            return own.__get__(self, type(self))(inputs, kernel)
        wanted = GroupedConvolution(
            _frozen(self.padding),
            _frozen(self.strides),
            _frozen(self.dilation_rate),
            self._tf_data_format,
            *(tf.TensorSpec(one.shape, one.dtype) for one in (inputs, kernel)),
        )
        return compiled(wanted)(inputs, kernel)

    shared.__module__ = __name__
    base_conv.Conv._jit_compiled_convolution_op = shared


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value
