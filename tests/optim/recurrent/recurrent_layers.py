"""Models of one recurrent layer, each with what is special about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from optim._keras import keras

K = keras.layers
STEPS, FEATURES, UNITS = 6, 4, 5

Make = Callable[[Any], Any]
"""Of an input `(batch, STEPS, FEATURES)`, what the model puts out."""


def _stacked(*cells: Any, **options: Any) -> Make:
    return lambda x: K.RNN(list(cells), **options)(x)


def _continued(layer: Callable[..., Any]) -> Make:
    """A decoder that goes on from the states of an encoder."""

    def made(x: Any) -> Any:
        _, *states = layer(UNITS, return_state=True)(x)
        return layer(UNITS, return_sequences=True)(x, initial_state=states)

    return made


def _from_another(layer: Callable[..., Any], count: int) -> Make:
    """Initial states that a layer of another kind makes."""

    def made(x: Any) -> Any:
        state = K.Dense(UNITS, activation="tanh")(K.GlobalAveragePooling1D()(x))
        return layer(UNITS)(x, initial_state=[state] * count)

    return made


def _both_given(x: Any) -> Any:
    states = [K.Dense(3)(K.Flatten()(x)), K.Dense(3)(K.GlobalAveragePooling1D()(x))]
    return K.Bidirectional(K.GRU(3))(x, initial_state=states)


def _twice(x: Any) -> Any:
    layer = K.GRU(UNITS)
    return K.Add()([layer(x), layer(K.Dense(FEATURES)(x))])


def _unlike(x: Any) -> Any:
    """Another class of layer in each direction."""
    backward = K.LSTM(3, go_backwards=True, return_sequences=True)
    forward = K.GRU(UNITS, return_sequences=True)
    return K.Bidirectional(forward, backward_layer=backward)(x)


def _both(layer: Any, **options: Any) -> Make:
    return lambda x: K.Bidirectional(layer, **options)(x)


LAYERS: dict[str, Make] = {
    "lstm": lambda x: K.LSTM(UNITS)(x),
    "lstm sequences": lambda x: K.LSTM(UNITS, return_sequences=True)(x),
    "lstm backwards": lambda x: K.LSTM(UNITS, go_backwards=True, return_sequences=True)(x),
    "lstm unrolled": lambda x: K.LSTM(UNITS, unroll=True)(x),
    "lstm without bias": lambda x: K.LSTM(UNITS, use_bias=False)(x),
    "lstm states": lambda x: K.LSTM(UNITS, return_state=True)(x),
    "lstm relu": lambda x: K.LSTM(UNITS, activation="relu")(x),
    "lstm linear": lambda x: K.LSTM(UNITS, activation="linear")(x),
    "lstm hard sigmoid": lambda x: K.LSTM(UNITS, recurrent_activation="hard_sigmoid")(x),
    "lstm dropout": lambda x: K.LSTM(UNITS, dropout=0.2, recurrent_dropout=0.2)(x),
    "lstm continued": _continued(K.LSTM),
    "gru": lambda x: K.GRU(UNITS)(x),
    "gru sequences": lambda x: K.GRU(UNITS, return_sequences=True)(x),
    "gru backwards": lambda x: K.GRU(UNITS, go_backwards=True, return_sequences=True)(x),
    "gru reset before": lambda x: K.GRU(UNITS, reset_after=False)(x),
    "gru without bias": lambda x: K.GRU(UNITS, use_bias=False, return_sequences=True)(x),
    "gru states": lambda x: K.GRU(UNITS, return_state=True, return_sequences=True)(x),
    "gru relu": lambda x: K.GRU(UNITS, activation="relu")(x),
    "gru hard sigmoid": lambda x: K.GRU(UNITS, recurrent_activation="hard_sigmoid")(x),
    "gru continued": _continued(K.GRU),
    "simple": lambda x: K.SimpleRNN(UNITS)(x),
    "simple relu": lambda x: K.SimpleRNN(UNITS, activation="relu", return_sequences=True)(x),
    "simple sigmoid": lambda x: K.SimpleRNN(UNITS, activation="sigmoid")(x),
    "cell": lambda x: K.RNN(K.GRUCell(UNITS), return_sequences=True)(x),
    "stacked": _stacked(K.LSTMCell(3), K.GRUCell(UNITS), return_state=True),
    "stacked sequences": _stacked(K.SimpleRNNCell(3), K.LSTMCell(UNITS), return_sequences=True),
    "stacked three": _stacked(K.GRUCell(3), K.LSTMCell(7), K.SimpleRNNCell(2)),
    "lstm from another": _from_another(K.LSTM, 2),
    "gru from another": _from_another(K.GRU, 1),
    "gru twice": _twice,
    "both given": _both_given,
    "both unlike": _unlike,
    "both lstm": _both(K.LSTM(UNITS, return_sequences=True)),
    "both gru last": _both(K.GRU(UNITS)),
    "both sum": _both(K.GRU(UNITS, return_sequences=True), merge_mode="sum"),
    "both mul": _both(K.LSTM(UNITS), merge_mode="mul"),
    "both ave": _both(K.SimpleRNN(UNITS, return_sequences=True), merge_mode="ave"),
    "both apart": _both(K.GRU(UNITS, return_state=True), merge_mode=None),
    "both states": _both(K.LSTM(UNITS, return_state=True, return_sequences=True)),
    "each step": lambda x: K.TimeDistributed(K.Dense(3))(K.GRU(UNITS, return_sequences=True)(x)),
    "masked lstm": lambda x: K.LSTM(UNITS, return_sequences=True)(K.Masking()(x)),
    "masked gru": lambda x: K.GRU(UNITS)(K.Masking()(x)),
    "masked, zero output": lambda x: K.GRU(
        UNITS, zero_output_for_mask=True, return_sequences=True
    )(K.Masking()(x)),
    "masked two": lambda x: K.LSTM(3)(K.GRU(UNITS, return_sequences=True)(K.Masking()(x))),
    "masked each step": lambda x: K.LSTM(3)(
        K.TimeDistributed(K.Dense(4))(K.GRU(UNITS, return_sequences=True)(K.Masking()(x)))
    ),
    "masked both": lambda x: K.Bidirectional(K.LSTM(UNITS, return_sequences=True))(K.Masking()(x)),
}  # fmt: skip


def of_features(make: Make, batch: int | None = None, steps: int = STEPS) -> Any:
    """A model of one layer, with weights that move its states."""
    inputs = keras.Input((steps, FEATURES), batch_size=batch)
    return with_weights(keras.Model(inputs, make(inputs)))


def with_weights(model: Any, spread: float = 0.5) -> Any:
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.normal(0, spread, weight.shape))
    return model


def signals(count: int = 12, steps: int = STEPS) -> np.ndarray:
    """Inputs; masks have a gap at the end of some, and in the middle of one."""
    found = np.random.default_rng(0).normal(size=(count, steps, FEATURES)).astype("float32")
    found[::3, 4:] = 0
    found[1, 2:3] = 0
    return found


CONVOLUTIONS: dict[str, tuple[tuple[int, ...], Make]] = {
    "conv 1d": ((4, 6, 2), lambda x: K.ConvLSTM1D(3, 3, return_sequences=True)(x)),
    "conv 2d": ((4, 5, 6, 2), lambda x: K.ConvLSTM2D(3, 3, padding="same")(x)),
    "conv 2d strides": ((3, 6, 6, 2), lambda x: K.ConvLSTM2D(3, 3, strides=2, use_bias=False)(x)),
    "conv 2d states": (
        (3, 5, 5, 1),
        lambda x: K.ConvLSTM2D(2, (3, 2), return_state=True, return_sequences=True)(x),
    ),
}  # fmt: skip


def of_images(name: str) -> tuple[Any, np.ndarray]:
    """A convolutional one, and inputs."""
    shape, make = CONVOLUTIONS[name]
    inputs = keras.Input(shape)
    x = np.random.default_rng(0).normal(size=(6, *shape)).astype("float32")
    return with_weights(keras.Model(inputs, make(inputs)), 0.4), x
