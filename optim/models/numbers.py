"""The numbers of a variable, whatever it was made under."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._keras import tf

__all__ = ["numbers"]


def numbers(variable: Any) -> np.ndarray:
    """Return the numbers of a variable, or of any tensor that is there.

    NumPy itself makes nothing of the variables of a `tf.distribute` strategy.
    """
    with tf.init_scope():
        return np.asarray(tf.convert_to_tensor(variable))
