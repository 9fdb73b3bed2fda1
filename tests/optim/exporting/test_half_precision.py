"""Models of half precision: in a file they are int8, or float32 where the plan says float."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf

K = keras.layers
POLICIES = ("mixed_float16", "mixed_bfloat16")


@pytest.fixture(autouse=True)
def _precision() -> Iterator[None]:
    before = keras.mixed_precision.global_policy()
    yield
    keras.mixed_precision.set_global_policy(before)


def series() -> np.ndarray:
    return np.random.default_rng(0).random((16, 12, 8)).astype("float32")


def attention(x: Any) -> Any:
    return K.MultiHeadAttention(2, 4)(x, x)


PARTS: dict[str, Callable[[Any], Any]] = {
    "dense": lambda x: K.Dense(8, activation="relu")(x),
    "lone normalization": lambda x: K.BatchNormalization()(K.Dense(8, activation="relu")(x)),
    "layer normalization": lambda x: K.LayerNormalization()(x),
    "float32 behind float": lambda x: K.Dense(4, dtype="float32")(tf.nn.elu(x)),
    "swish": lambda x: K.Conv1D(4, 3, activation="swish")(x),
    "attention": attention,
    "casts": lambda x: tf.cast(tf.cast(x, "float32") * 2.0, x.dtype),
    "functions": lambda x: tf.nn.relu(tf.einsum("bij,bkj->bik", x, x) + 1.0),
    "several outputs": lambda x: K.Concatenate()(list(reversed(tf.split(x, 2, -1)))),
    "recurrent": lambda x: K.LSTM(4, return_sequences=True)(x),
}


def network(part: str, policy: str) -> Any:
    keras.mixed_precision.set_global_policy(policy)
    inputs = K.Input((12, 8))
    x = PARTS[part](K.Conv1D(8, 3, name="before")(inputs))
    return keras.Model(inputs, [K.Conv1D(3, 1, name="after")(x), tf.nn.relu(x)])


def inner_casts(report: Any) -> list[Any]:
    """Casts whose results the file goes on with; those of outputs that are to be half are right."""
    taken = {number for op in report.operations for number in op.inputs}
    return [op for op in report.operations if op.name == "CAST" and op.outputs[0] in taken]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("part", PARTS)
def test_what_is_float_in_the_file_is_float_by_plan(part: str, policy: str) -> None:
    model = network(part, policy)
    data = series()
    floats = {e.node.path.split("/")[0] for e in optim.plan(model).floats}
    quantized = optim.quantize_model(model, calibration_data=data)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="export: the file has float")
        content = optim.export(quantized)
    report = optim.verify(content, {"float": model}, data)
    assert bool(report.islands) == bool(floats)
    assert not inner_casts(report)
    assert min(c.sqnr for c in report.comparisons) > 20


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("wrap", [optim.prune_low_magnitude, optim.cluster_weights])
def test_pruned_and_clustered_files_compute_in_float32(part: str, policy: str, wrap: Any) -> None:
    wrapped = wrap(network(part, policy))
    report = optim.verify(optim.export(wrapped), {"wrapped": wrapped}, series())
    assert not inner_casts(report)
    assert min(c.sqnr for c in report.comparisons) > 30


@pytest.mark.parametrize("policy", ["mixed_float16", "float16"])
def test_inputs_and_outputs_keep_their_types(policy: str) -> None:
    keras.mixed_precision.set_global_policy(policy)
    inputs = K.Input((12, 8), dtype="float16")
    x = attention(K.Conv1D(8, 3)(inputs))
    model = keras.Model(inputs, [tf.cast(x, "float16"), tf.cast(tf.nn.relu(x), "float32")])
    report = optim.verify(optim.export(model), {"float": model}, series().astype("float16"))
    assert [one.dtype for one in report.inputs] == ["float16"]
    assert [one.dtype for one in report.outputs] == ["float16", "float32"]
    assert min(c.sqnr for c in report.comparisons) > 40
