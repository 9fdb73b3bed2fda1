"""Dropout of inputs and states of a cell: one mask for all steps of a call, as Keras has it."""

from __future__ import annotations

from typing import Any

from optim._keras import tf


def dropout_masks(cell: Any, x: Any, training: Any) -> dict[str, Any]:
    """Return what inputs and states are multiplied by: "inputs" and "state" -> a mask.

    Keras' second implementation has one mask for all gates; so has this.

    Args:
        cell: of Keras.
        x: inputs of the cell `(batch, steps, ...)`; None for a cell above others, whose inputs
            have the width of what its kernel takes.
        training: whether anything is dropped; None: no.
    """
    rates = {"inputs": float(cell.dropout), "state": float(cell.recurrent_dropout)}
    if x is None or not any(rates.values()):
        return {}
    if training is None or (isinstance(training, (bool, int)) and not training):
        return {}
    shapes = {"inputs": tf.shape(x)[2:], "state": None}
    found = {}
    for what, rate in rates.items():
        if not rate:
            continue
        shape = shapes[what]
        if shape is None:
            shape = tf.constant([_width(cell)])
            if len(x.shape) > 3:
                shape = tf.ones([len(x.shape) - 2], tf.int32)  # the same everywhere
        ones = tf.ones(tf.concat([tf.shape(x)[:1], shape], 0), x.dtype)
        dropped = tf.nn.dropout(ones, rate)
        if not isinstance(training, (bool, int)):
            dropped = tf.where(tf.cast(training, tf.bool), dropped, ones)
        found[what] = dropped
    return found


def _width(cell: Any) -> int:
    return int(getattr(cell, "units", None) or cell.filters)
