"""Operations of whose inputs and output LiteRT requires one scale, whatever these come from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf

K = keras.layers

JOINS: dict[str, Callable[[Any, Any], Any]] = {
    "maximum": lambda a, b: K.Maximum()([a, b]),
    "minimum": lambda a, b: K.Minimum()([b, a]),
    "tf.maximum": tf.maximum,
    "concatenation": lambda a, b: K.Concatenate()([a, b]),
    "concatenation, turned": lambda a, b: K.Concatenate()([b, a]),
    "stack": lambda a, b: tf.stack([a, b], -1),
}

#: What the other branch may be, by what its scale is.
BRANCHES: dict[str, Callable[[Any], Any]] = {
    "a convolution": lambda x: K.Conv2D(4, 3, padding="same")(x),
    "a softmax, prescribed": lambda x: K.Softmax()(K.Conv2D(4, 1)(x)),
    "a sigmoid inside, prescribed": lambda x: K.Conv2D(4, 1, activation="sigmoid")(x),
    "a function, prescribed": lambda x: tf.tanh(K.Conv2D(4, 1)(x)),
    "small": lambda x: K.Conv2D(4, 1)(x) * 0.1,
    "the input": lambda x: K.Concatenate()([x, x[..., :1]]),
    "pooled": lambda x: K.MaxPooling2D(3, 1, "same")(K.Conv2D(4, 1)(x)),
    "joined before": lambda x: K.Maximum()([K.Conv2D(4, 1)(x), K.Conv2D(4, 1)(x)]),
    "moved": lambda x: K.Reshape((8, 8, 4))(tf.transpose(K.Conv2D(4, 1)(x), [0, 2, 1, 3])),
    "float": lambda x: K.ELU()(K.Conv2D(4, 1)(x)),
}


def images(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((16, 8, 8, 3)).astype("float32")


def joined(join: Callable[[Any, Any], Any], branch: Callable[[Any], Any]) -> Any:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    start = keras.initializers.Constant(-0.3)
    low = K.Conv2D(4, 1, bias_initializer=start)(K.Conv2D(4, 3, padding="same")(inputs))
    x = join(branch(inputs), low)
    return keras.Model(inputs, K.Dense(2)(K.Flatten()(x)))


def closeness(model: Any, data: np.ndarray) -> dict[str, float]:
    """SQNR in dB of both int8 files to the model, and of the first to its simulation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is float around
        quantized = optim.quantize_model(model, calibration_data=data)
        content = optim.export(quantized)
        other = optim.export(model, optimize="int8", representative_data=data)
    references = {"float": model, "simulation": quantized}
    report = optim.verify(content, references, data)
    found = {one.reference: one.sqnr for one in report.comparisons}
    found["post-training"] = optim.verify(other, {"float": model}, data).comparisons[0].sqnr
    return found


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("join", JOINS)
def test_a_branch_of_another_scale_clips_none_of_the_others(join: str, branch: str) -> None:
    """1 to 26 dB where the converter took the scale of the first branch for all of them."""
    found = closeness(joined(JOINS[join], BRANCHES[branch]), images())
    assert found["simulation"] > 36
    assert found["float"] > 30
    assert found["post-training"] > 30


@pytest.mark.parametrize("join", JOINS)
def test_what_is_taken_elsewhere_keeps_its_own_scale(join: str) -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    a = K.Conv2D(4, 1)(inputs)
    b = K.Conv2D(4, 3, padding="same")(inputs) * 0.05
    x = K.Dense(2, name="joined")(K.Flatten()(JOINS[join](a, b)))
    model = keras.Model(inputs, [x, K.Dense(2, name="alone")(K.Flatten()(a))])
    quantized = optim.quantize_model(model, calibration_data=images())
    for content in (
        optim.export(quantized),
        optim.export(model, optimize="int8", representative_data=images()),
    ):
        report = optim.verify(content, {"float": model}, images())
        assert min(one.sqnr for one in report.comparisons) > 30  # 13 dB alone, in the second


AVERAGING: dict[str, Callable[[], Any]] = {
    "pooling": lambda: K.AveragePooling2D(4),
    "overlapping": lambda: K.AveragePooling2D(3, 1, "same"),
    "bilinear": lambda: K.UpSampling2D(2, interpolation="bilinear"),
    "resizing": lambda: K.Resizing(4, 4),
}


@pytest.mark.parametrize("averaging", AVERAGING)
@pytest.mark.parametrize("join", ["concatenation", "maximum"])
def test_means_that_are_joined_do_not_clip_what_they_are_of(join: str, averaging: str) -> None:
    """5 to 24 dB where the convolutions had the scale of what is joined."""
    data = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    a = AVERAGING[averaging]()(K.Conv2D(4, 3, padding="same")(inputs))
    b = AVERAGING[averaging]()(K.Conv2D(4, 1)(inputs) * 0.3)
    model = keras.Model(inputs, K.Dense(2)(K.Flatten()(JOINS[join](a, b))))
    found = closeness(model, data)
    assert min(found.values()) > 26  # LiteRT rounds means to the steps of what they are of


def test_a_constant_takes_the_scale_of_the_output() -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    x = K.Conv2D(4, 3, padding="same")(inputs)
    constant = np.linspace(-0.2, 0.2, 4).astype("float32")
    model = keras.Model(inputs, K.Conv2D(2, 1)(tf.maximum(x, constant)))
    found = closeness(model, images())
    assert found["simulation"] > 38
    assert min(found.values()) > 30


def test_choosing_is_planned_as_joining() -> None:
    plan = optim.plan(joined(JOINS["maximum"], BRANCHES["a convolution"]))
    entry = next(one for one in plan if isinstance(one.node.layer, K.Maximum))
    assert "one scale" in entry.reason
    before = [value.node for value in entry.node.inputs]
    assert all(one.output is None for one in plan if one.node in before)


BEFORE: dict[str, Callable[[Any], Any]] = {
    "float": lambda x: K.ELU()(x),
    "skipped": lambda x: K.Conv1D(4, 3, padding="same", name="skipped")(x),
    "of a recurrent layer": lambda x: K.GRU(4, return_sequences=True)(x),
    "moved": lambda x: K.Dropout(0.2)(K.GRU(4, return_sequences=True)(x)),
}


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("join", ["maximum", "concatenation", "stack"])
def test_what_the_converter_sees_as_float_goes_onto_the_scale(
    join: str, before: str, elsewhere: bool
) -> None:
    """It refused these: "its quantized inputs and output need one scale"."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 4))
    a = BEFORE[before](K.Conv1D(4, 3, padding="same")(inputs))
    b = K.Conv1D(4, 1)(a if elsewhere else inputs)
    x = JOINS[join](a, b)
    model = keras.Model(inputs, K.Dense(2)(K.Flatten()(x)))
    data = np.random.default_rng(0).normal(size=(16, 8, 4)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        skip = ["skipped"] if before == "skipped" else []
        quantized = optim.quantize_model(model, calibration_data=data, skip=skip)
        content = optim.export(quantized)
    report = optim.verify(content, {"simulation": quantized, "float": model}, data)
    simulation, original = report.comparisons
    assert simulation.sqnr > 34
    assert original.sqnr > 28


MOVED: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda x: x,
    "sliced": lambda x: x[:, 1:],
}

PICKED: dict[str, Callable[[Any], Any]] = {
    "clip": lambda x: tf.clip_by_value(x, -0.5, 1.5),
    "at least": lambda x: tf.maximum(x, -0.3),
    "at most": lambda x: tf.minimum(x, 0.5),
    "of small ones": lambda x: K.Maximum()([x, K.Conv2D(x.shape[-1], 1)(x) * 0.2]),
    "where": lambda x: tf.where(x > 0.1, x, 0.5 * x),
    "pooled": lambda x: K.MaxPooling2D(2, 1, "same")(x),
}

TOGETHER: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda a, b: K.Add()([a, K.Softmax()(b)]),
    "product": lambda a, b: K.Multiply()([a, b]),
    "minimum": lambda a, b: K.Minimum()([a, K.Softmax()(b)]),
}


@pytest.mark.parametrize("moved", MOVED)
@pytest.mark.parametrize("picked", PICKED)
@pytest.mark.parametrize("together", TOGETHER)
def test_what_is_picked_from_clips_nothing_for_others(
    together: str, picked: str, moved: str
) -> None:
    """-1 to 25 dB where a clip handed its scale on, through a slice, to all that take the slice."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 4))
    x = MOVED[moved](K.Conv2D(8, 1)(inputs))
    y = TOGETHER[together](PICKED[picked](x), x)
    model = keras.Model(inputs, K.Dense(3)(K.Flatten()(y)))
    data = np.random.default_rng(0).normal(0, 1.5, (16, 8, 8, 4)).astype("float32")
    found = closeness(model, data)
    # The smaller of something and a softmax is small: little is left above the steps of both.
    assert min(found.values()) > (22 if together == "minimum" else 28)
