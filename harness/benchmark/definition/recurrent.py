"""Recurrent networks that read an image row by row: constructors like those of Keras.

Each has the arguments that the benchmark gives to all: weights (None), classes, the activation
behind the last layer, and the shape of its images, with values from 0 to 255.
"""

from __future__ import annotations

from typing import Any


def _built(name: str, shape: Any, classes: int, activation: Any, body: Any) -> Any:
    from optim._keras import keras

    layers = keras.layers
    inputs = keras.Input(shape)
    grey = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    outputs = layers.Dense(classes, activation=activation)(body(layers, grey))
    return keras.Model(inputs, outputs, name=name)


def _rows(layers: Any, x: Any) -> Any:
    """One step a row: `(rows, columns * channels)`."""
    height, width, channels = x.shape[1:]
    return layers.Reshape((height, width * channels))(x)


def lstm_rows(
    weights: None = None,
    classes: int = 10,
    input_shape: Any = (32, 32, 3),
    classifier_activation: Any = "softmax",
    units: int = 64,
) -> Any:
    """Return an LSTM over the rows of an image."""

    def body(layers: Any, x: Any) -> Any:
        return layers.LSTM(units)(_rows(layers, x))

    return _built("lstm_rows", input_shape, classes, classifier_activation, body)


def gru_rows(
    weights: None = None,
    classes: int = 10,
    input_shape: Any = (32, 32, 3),
    classifier_activation: Any = "softmax",
    units: int = 64,
) -> Any:
    """Return a GRU over the rows of an image."""

    def body(layers: Any, x: Any) -> Any:
        return layers.GRU(units)(_rows(layers, x))

    return _built("gru_rows", input_shape, classes, classifier_activation, body)


def bigru_rows(
    weights: None = None,
    classes: int = 10,
    input_shape: Any = (32, 32, 3),
    classifier_activation: Any = "softmax",
    units: int = 48,
) -> Any:
    """Return a GRU over the rows from above and from below."""

    def body(layers: Any, x: Any) -> Any:
        both = layers.Bidirectional(layers.GRU(units, return_sequences=True))
        return layers.GlobalAveragePooling1D()(both(_rows(layers, x)))

    return _built("bigru_rows", input_shape, classes, classifier_activation, body)


def cnn_gru(
    weights: None = None,
    classes: int = 10,
    input_shape: Any = (32, 32, 3),
    classifier_activation: Any = "softmax",
    units: int = 48,
) -> Any:
    """Return convolutions along the rows, as over a spectrogram, and a GRU behind them."""

    def body(layers: Any, x: Any) -> Any:
        x = _rows(layers, x)
        for filters in (32, 48):
            x = layers.Conv1D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
        return layers.GRU(units)(x)

    return _built("cnn_gru", input_shape, classes, classifier_activation, body)


def crnn(
    weights: None = None,
    classes: int = 10,
    input_shape: Any = (32, 32, 3),
    classifier_activation: Any = "softmax",
    units: int = 32,
) -> Any:
    """Return convolutions of the image, and recurrent layers in both directions over columns."""

    def body(layers: Any, x: Any) -> Any:
        for filters in (16, 32):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.MaxPooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
        x = layers.Permute((2, 1, 3))(x)
        x = _rows(layers, x)
        return layers.Bidirectional(layers.LSTM(units))(layers.Dense(32, activation="relu")(x))

    return _built("crnn", input_shape, classes, classifier_activation, body)
