"""Applications with recurrent layers: what speech, sensors and text are read with, in small."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

L = keras.layers

STEPS, FEATURES, CLASSES = 20, 12, 4


def Keywords() -> Any:
    """A convolution over time, then a GRU."""
    inputs = keras.Input((STEPS, FEATURES))
    x = L.Conv1D(16, 3, strides=2, padding="same", activation="relu")(inputs)
    return keras.Model(inputs, L.Dense(CLASSES)(L.GRU(16)(x)), name="keywords")


def Gestures() -> Any:
    """Two LSTMs."""
    inputs = keras.Input((STEPS, FEATURES))
    x = L.LSTM(16, return_sequences=True)(inputs)
    return keras.Model(inputs, L.Dense(CLASSES)(L.LSTM(16)(x)), name="gestures")


def Tagger() -> Any:
    """A GRU in both directions, and a class for each step."""
    inputs = keras.Input((STEPS, FEATURES))
    x = L.Bidirectional(L.GRU(12, return_sequences=True))(inputs)
    return keras.Model(inputs, L.TimeDistributed(L.Dense(CLASSES))(x), name="tagger")


def Lines() -> Any:
    """Convolutions over an image, whose columns are the steps of an LSTM in both directions."""
    inputs = keras.Input((16, 24, 3))
    x = L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = L.ReLU()(L.BatchNormalization()(x))
    x = L.Reshape((12, 64))(L.Permute((2, 1, 3))(x))
    x = L.Bidirectional(L.LSTM(12, return_sequences=True))(x)
    return keras.Model(inputs, L.Dense(CLASSES)(x), name="lines")


def Anomalies() -> Any:
    """A SimpleRNN that gives each step anew."""
    inputs = keras.Input((STEPS, FEATURES))
    x = L.SimpleRNN(16, return_sequences=True)(inputs)
    return keras.Model(inputs, L.Dense(FEATURES)(x), name="anomalies")
