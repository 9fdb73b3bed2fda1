"""Dropout of inputs and states of a cell: one mask for all steps of a call, as Keras has it."""

from __future__ import annotations

from typing import Any

from optim._keras import tf


def dropout_masks(cell: Any, x: Any, first: bool, training: Any) -> dict[str, Any]:
    """Return what inputs and states are multiplied by: "inputs" and "state" -> a mask.

    Keras' second implementation has one mask for all gates; so has this. Of the states of a
    convolution whole channels are dropped.

    Args:
        cell: of Keras, built.
        x: inputs of the lowest cell `(batch, steps, ...)`.
        first: whether this is that cell.
        training: whether anything is dropped; None: no.
    """
    rates = {"inputs": float(cell.dropout), "state": float(cell.recurrent_dropout)}
    off = training is None or (isinstance(training, (bool, int)) and not training)
    if off or not any(rates.values()):
        return {}
    width = int(cell.recurrent_kernel.shape[-2])
    inner = tf.shape(x)[2:] if first else [int(cell.kernel.shape[-2])]
    shapes = {"inputs": inner, "state": [*[1] * (len(x.shape) - 3), width]}
    found = {}
    for what, rate in rates.items():
        if rate:
            ones = tf.ones(tf.concat([tf.shape(x)[:1], shapes[what]], 0), x.dtype)
            dropped = tf.nn.dropout(ones, rate)
            if not isinstance(training, (bool, int)):
                dropped = tf.where(tf.cast(training, tf.bool), dropped, ones)
            found[what] = dropped
    return found
