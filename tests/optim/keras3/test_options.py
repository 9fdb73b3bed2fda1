"""Options, masks and kinds of numbers with which a layer is another thing in the two Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras as keras3
import numpy as np
import pytest

from optim import from_keras3
from optim.errors import UnsupportedModelError

L, ops = keras3.layers, keras3.ops

Made = Callable[..., Any]


def masked(x: Any) -> Any:
    return L.Masking()(x)


def twice(make: Made) -> Made:
    """Self-attention."""
    return lambda x: make()(x, x)


#: What is called on series of which some steps are zeros.
SERIES: dict[str, Made] = {
    "a mask that is a constant": lambda x: L.MultiHeadAttention(2, 3)(
        x, x, attention_mask=np.tri(8, dtype=bool)[None]
    ),
    "sliding window": twice(lambda: L.MultiHeadAttention(2, 3, sliding_window=3)),
    "gates": twice(lambda: L.MultiHeadAttention(2, 3, use_gate=True)),
    "causal with dropout": lambda x: L.MultiHeadAttention(2, 3, dropout=0.3)(
        x, x, use_causal_mask=True
    ),
    "causal groups": lambda x: L.GroupQueryAttention(4, 4, 2)(x, x, use_causal_mask=True),
    "attention to what is masked": lambda x: L.MultiHeadAttention(2, 3)(masked(x), masked(x)),
    "spectrogram": lambda x: L.STFTSpectrogram(frame_length=4, frame_step=2, fft_length=4)(x),
    "LSTM, zeros": lambda x: L.LSTM(3, return_sequences=True, zero_output_for_mask=True)(masked(x)),
    "GRU, zeros": lambda x: L.GRU(3, return_sequences=True, zero_output_for_mask=True)(masked(x)),
    "RNN, zeros": lambda x: L.RNN(L.LSTMCell(3), return_sequences=True, zero_output_for_mask=True)(
        masked(x)
    ),
    "both ways": lambda x: L.Bidirectional(L.GRU(3, return_sequences=True))(masked(x)),
    "unrolled": lambda x: L.LSTM(3, activation="hard_tanh", unroll=True)(x),
    "maximum": lambda x: L.Maximum()([masked(x), masked(-x[:, ::-1])]),
    "minimum": lambda x: L.Minimum()([masked(x), x + 1]),
    "a mask that is computed": lambda x: L.GRU(2)(x, mask=ops.any(x > 0, axis=-1)),
    "function with a mask": lambda x: L.LSTM(2)(
        L.Lambda(lambda x: x + 1, mask=lambda inputs, mask: mask)(masked(x))
    ),
    **{
        f"{kind.__name__} {what}": lambda x, kind=kind, other=other: L.LSTM(2)(
            kind()([masked(x), other(x)])
        )
        for kind in (L.Add, L.Average, L.Concatenate, L.Multiply, L.Subtract)
        for what, other in {
            "with a mask": lambda x: masked(x[:, ::-1]),
            "without": lambda x: x + 1,
        }.items()
    },
}

VOLUMES: dict[str, Made] = {
    "dilated, same": lambda x: L.Conv3DTranspose(3, 3, dilation_rate=2, padding="same")(x),
    "dilated, valid": lambda x: L.Conv3DTranspose(3, 3, dilation_rate=2)(x),
    "strided": lambda x: L.Conv3DTranspose(3, 3, strides=2)(x),
}

#: What is called on images of bytes.
BYTES: dict[str, Made] = {
    kind.__name__: lambda x, kind=kind, given=given: kind(*given)(x)
    for kind, given in {
        L.BatchNormalization: (),
        L.CenterCrop: (4, 4),
        L.GlobalAveragePooling2D: (),
        L.GlobalMaxPooling2D: (),
        L.LayerNormalization: (),
        L.Masking: (),
        L.MaxPooling2D: (2,),
        L.RandomFlip: (),
        L.Rescaling: (0.1,),
        L.UpSampling2D: (2,),
        L.ZeroPadding2D: (1,),
    }.items()
}


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def converted(make: Made, data: np.ndarray, twin: Any, **kwargs: Any) -> None:
    import tensorflow as tf

    inputs = keras3.Input(data.shape[1:], dtype=data.dtype.name)
    model = keras3.Model(inputs, make(inputs))
    try:
        model(data)
    except tf.errors.InvalidArgumentError as error:
        # oneDNN, which TensorFlow only uses on processors with AVX-512, dilates more than Eigen.
        if "does not yet support dilation" not in str(error):
            raise
        pytest.skip("TensorFlow cannot run the model of Keras 3 on this processor")
    twin(model, data, **kwargs)


@pytest.mark.parametrize("name", SERIES)
def test_series(name: str, twin: Any) -> None:
    data = numbers(3, 8, 4)
    data[:, -2:] = 0
    data[1, 3] = 0
    converted(SERIES[name], data, twin)


@pytest.mark.parametrize("name", VOLUMES)
def test_volumes(name: str, twin: Any) -> None:
    converted(VOLUMES[name], numbers(2, 5, 5, 5, 2), twin)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
@pytest.mark.parametrize("name", BYTES)
def test_whole_numbers(name: str, dtype: str, twin: Any) -> None:
    converted(BYTES[name], (40 * np.abs(numbers(3, 8, 8, 4))).astype(dtype), twin)


def test_constants_are_those_that_the_layer_computes_with(twin: Any) -> None:
    inputs = keras3.Input((4,), dtype="float64")
    layer = L.Normalization(mean=[0.1, 0.2, 0.3, 0.4], variance=[0.7] * 4, dtype="float64")
    model = keras3.Model(inputs, layer(inputs))
    twin(model, numbers(3, 4).astype("float64"), tolerance=1e-14)


def adapted(layer: Any, words: Any) -> Any:
    layer.adapt(np.asarray(words))
    return layer


#: A layer with a vocabulary, and what it is called on.
LOOKUPS: dict[str, tuple[Made, Any]] = {
    "numbers": (lambda: L.IntegerLookup(vocabulary=[1, 2, 4]), [[1, 4, 7]]),
    "numbers, adapted": (lambda: adapted(L.IntegerLookup(), [3, 3, 8]), [[3, 8, 7]]),
    "numbers, several": (
        lambda: L.IntegerLookup(vocabulary=[1, 2], output_mode="multi_hot", num_oov_indices=2),
        [[1, 5, 7]],
    ),
    "back": (lambda: L.IntegerLookup(vocabulary=[5, 6, 7], invert=True), [[0, 1, 3]]),
    "words": (lambda: L.StringLookup(vocabulary=["a", "b"], mask_token=""), [["b", "c", ""]]),
    "words, counted": (
        lambda: adapted(L.StringLookup(output_mode="count"), ["a", "b", "b"]),
        [["b", "c", "b"]],
    ),
    "text": (
        lambda: L.TextVectorization(vocabulary=["cat", "dog"], output_sequence_length=4),
        [["A dog, a cat."]],
    ),
    "text, adapted": (
        lambda: adapted(L.TextVectorization(output_mode="multi_hot"), ["a cat", "a dog"]),
        [["the dog"]],
    ),
    "hashes": (lambda: L.Hashing(4, salt=[1, 2]), [["a", "b"]]),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_vocabularies(name: str) -> None:
    import tensorflow as tf

    make, given = LOOKUPS[name]
    data = tf.constant(given)
    inputs = keras3.Input(data.shape[1:], dtype=data.dtype.name)
    model = keras3.Model(inputs, make()(inputs))
    wanted, got = model(data), from_keras3(model)(data)
    assert np.asarray(got).tolist() == np.asarray(wanted).tolist()


class Cell(L.Layer):  # type: ignore[misc]
    state_size = output_size = 3

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 3))

    def call(self, x: Any, states: Any) -> Any:
        y = ops.tanh(x @ self.kernel + 0.5 * states[0])
        return y, [y]


def test_a_cell_of_ones_own_is_written_out_where_there_is_no_loop(twin: Any) -> None:
    converted(lambda x: L.RNN(Cell(), unroll=True)(x), numbers(3, 8, 4), twin)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda: L.RNN(Cell(), name="loop"),
            "loop: a RNN has no equal: 'cell.*' inside it, a Cell",
        ),
        (
            lambda: L.LSTM(3, activation="hard_tanh", name="loop"),
            "loop: a LSTM has no equal: tf_keras has no activation 'hard_tanh'",
        ),
    ],
)
def test_a_loop_without_equal_is_refused_with_the_reason(make: Any, told: str) -> None:
    inputs = keras3.Input((8, 4))
    model = keras3.Model(inputs, make()(inputs))
    with pytest.raises(UnsupportedModelError, match=f"{told}.* -> build it with unroll=True"):
        from_keras3(model)


def test_operations_run_with_the_arguments_that_graphs_have() -> None:
    import tensorflow as tf

    from optim.keras3.layers import run_operation

    x = np.arange(6.0, dtype="float32").reshape(1, 2, 3)
    assert run_operation("ExpandDims", [x, 0], {}).shape == (1, 1, 2, 3)
    assert run_operation("Sum", [x, [2]], {"keep_dims": False}).numpy().tolist() == [[3, 12]]
    assert run_operation("Squeeze", [x], {"squeeze_dims": [0]}).shape == (2, 3)
    assert run_operation("Where", [x > 4], {}).numpy().tolist() == [[0, 1, 2]]
    assert run_operation("Select", [x > 4, x, -x], {}).numpy().ravel().tolist() == [
        0, -1, -2, -3, -4, 5,
    ]  # fmt: skip
    assert tf.is_tensor(run_operation("All", [x > 4, [0]], {"keep_dims": True}))
