"""What stands behind a recurrent layer is int8, too, by training and after it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from int8_files import check_int8

from optim._keras import keras, tf

K = keras.layers

BEHIND: dict[str, Any] = {
    "flatten": lambda x: K.Dense(3)(K.Flatten()(x)),
    "flatten, the output": lambda x: K.Flatten()(x),
    "reshape and permute": lambda x: K.Conv1D(3, 2)(K.Permute((2, 1))(K.Reshape((12, 2))(x))),
    "normalization": lambda x: K.Conv1D(3, 2)(K.BatchNormalization()(x)),
    "pooling": lambda x: K.Conv1D(3, 2)(K.MaxPooling1D(2)(x)),
    "largest": lambda x: K.Dense(3)(K.GlobalMaxPooling1D()(x)),
    "padding": lambda x: K.Conv1D(3, 2)(K.ZeroPadding1D(1)(x)),
    "cropping": lambda x: K.Dense(3)(K.Flatten()(K.Cropping1D(1)(x))),
    "twice": lambda x: [K.Dense(3)(K.Flatten()(x)), K.Conv1D(3, 2)(x)],
    "reshaped twice": lambda x: [K.Dense(3)(K.Flatten()(x)), K.Conv1D(2, 2)(K.Reshape((12, 2))(x))],
    "halves": lambda x: K.Dense(3)(tf.multiply(*tf.split(x, 2, -1))),
    "last step": lambda x: K.Dense(3)(x[:, -1]),
    "backwards": lambda x: K.Conv1D(3, 2)(tf.reverse(x, [1])),
    "stacked": lambda x: K.Conv2D(3, 1)(tf.stack([x, x * 0.5], 1)),
}


@pytest.mark.parametrize("layer", [K.GRU, K.LSTM])
@pytest.mark.parametrize("name", BEHIND)
def test_it_is_int8(name: str, layer: Any, rng: np.random.Generator) -> None:
    samples = rng.normal(size=(32, 6, 8)).astype(np.float32)
    inputs = keras.Input((6, 8))
    model = keras.Model(inputs, BEHIND[name](layer(4, return_sequences=True)(inputs)))
    check_int8(model, samples)
