"""Which form a recurrent layer has in the file, how large that is, and what is refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from recurrent_layers import FEATURES, LAYERS, STEPS, UNITS, of_features, signals, with_weights

import optim
from optim._keras import keras, tf
from optim.errors import ConfigError, UnsupportedModelError
from optim.litert.writer import unpack
from optim.verification.compare import sqnr

K = keras.layers


def exported(model: Any, x: np.ndarray, **options: Any) -> bytes:
    return optim.export(optim.quantize_model(model, calibration_data=[x]), **options)


def names(content: bytes) -> Counter[str]:
    return Counter(op.name for op in optim.verify(content).operations)


def test_an_lstm_is_one_operation() -> None:
    found = names(exported(of_features(LAYERS["lstm"]), signals()))
    assert found["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 1
    assert "WHILE" not in found


@pytest.mark.parametrize("name", ["gru", "simple", "lstm states", "lstm relu"])
def test_others_are_loops(name: str) -> None:
    found = names(exported(of_features(LAYERS[name]), signals()))
    assert found["WHILE"] == 1


def test_one_step_is_no_loop() -> None:
    model = of_features(lambda x: K.GRU(UNITS)(x), steps=1)
    assert "WHILE" not in names(exported(model, signals(steps=1)))


def both(units: int, **options: Any) -> Any:
    return K.Bidirectional(K.GRU(units, **options))


# Of a SimpleRNN of 64 units names, shapes and ranges are as much as its 5,120 weights.
@pytest.mark.parametrize(
    ("layer", "units"), [(K.LSTM, 64), (K.GRU, 64), (both, 64), (K.SimpleRNN, 96)]
)
@pytest.mark.parametrize("steps", [49, 512])
def test_the_file_is_a_third_of_the_float_one(layer: Any, units: int, steps: int) -> None:
    inputs = keras.Input((steps, 16))
    model = keras.Model(inputs, layer(units, return_sequences=True)(inputs))
    x = np.random.default_rng(0).normal(size=(4, steps, 16)).astype("float32")
    content = exported(model, x)
    assert len(content) <= 0.35 * len(optim.export(model))
    kernels = [
        b for b in unpack(content).buffers if b.data is not None and len(b.data) >= units * 16
    ]
    gates = {K.LSTM: 4, K.GRU: 3, both: 6, K.SimpleRNN: 1}[layer]
    assert sum(len(b.data) for b in kernels) <= gates * units * (units + 16) * 1.05  # once each


def by_the_converter(model: Any, x: np.ndarray) -> bytes:
    """What LiteRT's own post-training quantization makes of a model."""
    spec = tf.TensorSpec((1, *x.shape[1:]))
    traced = tf.function(lambda one: model(one)).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([one[None]] for one in x)
    return bytes(converter.convert())


@pytest.mark.parametrize(("units", "steps"), [(32, 49), (64, 20)])
def test_an_lstm_is_as_close_as_that_of_the_converter(units: int, steps: int) -> None:
    """Their kernel is the same: ranges from the same data have to be as good, but for chance."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((steps, 16))
    model = keras.Model(inputs, K.LSTM(units, return_sequences=True)(inputs))
    rng = np.random.default_rng(0)
    x, other = rng.normal(size=(2, 16, steps, 16)).astype("float32")
    wanted = np.asarray(model(other))
    ours, theirs = (
        sqnr(wanted, optim.litert.Runtime(content).run(other)[0])
        for content in (exported(model, x), by_the_converter(model, x))
    )
    assert ours >= theirs - 0.5


def test_multiplications_of_a_loop_count_as_often_as_it_runs() -> None:
    report = optim.verify(exported(of_features(LAYERS["gru"]), signals()))
    assert report.macs == STEPS * 3 * UNITS * (FEATURES + UNITS)
    assert report.int8_macs == 1


def test_the_plan_says_what_becomes_of_it() -> None:
    plan = optim.plan(of_features(LAYERS["both lstm"]))
    reasons = [row["reason"] for row in plan.rows() if row["class"] == "Recurrent"]
    assert len(reasons) == 2
    assert all("UNIDIRECTIONAL_SEQUENCE_LSTM" in one for one in reasons)
    assert not plan.floats


@pytest.mark.parametrize("name", ["lstm", "gru", "both gru last", "masked gru"])
def test_after_training_quantization_has_the_same_form(name: str) -> None:
    model, x = of_features(LAYERS[name]), signals()
    content = optim.export(model, optimize="int8", representative_data=[x])
    assert names(content) == names(exported(model, x))
    assert sqnr(np.asarray(model(x)), optim.litert.Runtime(content).run(x)[0]) >= 20
    assert optim.verify(content).int8_macs == 1


class Own(K.Layer):
    """A cell that nobody knows."""

    state_size = output_size = UNITS

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight("kernel", (shape[-1], UNITS))

    def call(self, x: Any, states: Any) -> Any:
        y = x @ self.kernel + states[0]
        return y, [y]

    def get_config(self) -> dict[str, Any]:
        return super().get_config()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: K.RNN(Own())(x), "cell Own is not known"),
        (lambda x: K.GRU(UNITS, activation="elu")(x), "elu has no int8 form"),
        (lambda x: K.RNN(K.GRUCell(UNITS), time_major=True)(x), "time_major=False"),
        (lambda x: K.Bidirectional(K.RNN(Own()), backward_layer=K.RNN(Own(), go_backwards=True))(x),
         "cell Own is not known"),
    ],
)  # fmt: skip
def test_what_stays_float_is_named_with_a_remedy(make: Any, words: str) -> None:
    (entry,) = (e for e in optim.plan(of_features(make)).floats)
    assert words in entry.reason


def test_an_open_length_is_refused_with_a_remedy() -> None:
    inputs = keras.Input((None, FEATURES))
    model = with_weights(keras.Model(inputs, K.GRU(UNITS)(inputs)))
    quantized = optim.quantize_model(model, calibration_data=[signals()])
    with pytest.raises(ConfigError, match="input_shape"):
        optim.export(quantized)
    content = optim.export(quantized, input_shape=(STEPS, FEATURES))
    got = optim.litert.Runtime(content).run(signals())[0]
    assert sqnr(np.asarray(quantized(signals())), got) >= 30


def test_ragged_data_is_refused_with_a_remedy() -> None:
    model = of_features(LAYERS["gru"])
    with pytest.raises(ConfigError, match=r"RaggedTensor.*fixed sizes.*to_tensor"):
        optim.quantize_model(model, calibration_data=[tf.RaggedTensor.from_tensor(signals())])
    with pytest.raises(ConfigError, match=r"SparseTensor.*to_dense"):
        optim.quantize_model(model, calibration_data=[tf.sparse.from_dense(signals())])


def test_a_mask_is_none_of_a_layer_within_that_takes_none() -> None:
    """So that a layer per step is int8 behind a mask, too."""
    model = of_features(LAYERS["masked each step"])
    floats = [entry for entry in optim.plan(model).floats if entry.node.layer.weights]
    assert not floats
    assert optim.verify(exported(model, signals())).int8_macs == 1


def test_sixteen_bits_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="int16 recurrent"):
        optim.plan(of_features(LAYERS["gru"]), "int16x8")
