"""The file is what the plan says: skipped layers are float in it, and everything else is not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim import litert
from optim._keras import keras, tf
from optim.errors import ExportError
from optim.exporting import agreement
from optim.exporting.agreement import planned
from optim.litert import flatbuffer

K = keras.layers
Part = Callable[[Any], Any]


def images() -> np.ndarray:
    return np.random.default_rng(0).random((16, 12, 12, 3)).astype("float32")


def network(part: Part, *, last: bool = False) -> Any:
    inputs = K.Input((12, 12, 3))
    x = part(K.Conv2D(8, 3, activation="relu", name="before")(inputs))
    return keras.Model(inputs, x if last else K.Conv2D(8, 3, name="after")(x), name="network")


def kinds(content: bytes) -> dict[str, set[str]]:
    """Layer -> what its operations compute with."""
    found: dict[str, set[str]] = {}
    for op in optim.verify(content).operations:
        if op.name in ("QUANTIZE", "DEQUANTIZE"):
            continue
        found.setdefault(op.layer.split("/")[0], set()).add(op.kind)
    return found


def export(quantized: Any, scheme: str, io: str = "float32") -> bytes:
    data = images() if scheme == "int16x8" else None
    return optim.export(quantized, representative_data=data, io_dtype=io)


def with_own_range(x: Any) -> Any:
    return K.Concatenate(name="join")([K.MaxPooling2D(2, 1, "same", name="mid")(x), x])


SKIPPED: dict[str, Part] = {
    "convolution": lambda x: K.Conv2D(8, 3, name="mid")(x),
    "large": lambda x: K.Conv2D(64, 3, activation="relu", name="mid")(x),
    "separable": lambda x: K.SeparableConv2D(8, 3, activation="relu", name="mid")(x),
    "dense": lambda x: K.Dense(8, activation="relu", name="mid")(x),
    "depthwise": lambda x: K.DepthwiseConv2D(3, name="mid")(x),
    "transposed": lambda x: K.Conv2DTranspose(8, 3, activation="relu", name="mid")(x),
    "max pooling": lambda x: K.MaxPooling2D(2, name="mid")(x),
    "average pooling": lambda x: K.AveragePooling2D(2, name="mid")(x),
    "softmax": lambda x: K.Softmax(name="mid")(x),
    "sigmoid": lambda x: K.Activation("sigmoid", name="mid")(x),
    "rectifier": lambda x: K.ReLU(name="mid")(x),
    "swish": lambda x: K.Activation("swish", name="mid")(x),
    "normalization": lambda x: K.BatchNormalization(name="mid")(x),
    "sum": lambda x: K.Add(name="mid")([x, x]),
    "shape": lambda x: K.UpSampling2D(name="mid")(x),
    "two": lambda x: K.MaxPooling2D(name="mid_pool")(K.Conv2D(8, 3, name="mid")(x)),
    "dense in a concatenation": lambda x: K.Concatenate()([x, K.Dense(8, name="mid")(x)]),
    "pooling in a concatenation": with_own_range,
}


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("part", SKIPPED)
def test_a_skipped_layer_is_float_in_the_file(part: str, scheme: str) -> None:
    model = network(SKIPPED[part])
    quantized = optim.quantize_model(model, skip="mid*", scheme=scheme, calibration_data=images())
    content = export(quantized, scheme)
    found = kinds(content)
    assert found["mid"] == {"float"}
    assert found["before"] & {"int8", "int16x8"}
    (report,) = optim.verify(content, {"sim": quantized}, images()).comparisons
    assert report.sqnr > 38
    assert not any(op.name in ("BITCAST", "BITWISE_XOR") for op in optim.verify(content).operations)


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("part", ["convolution", "softmax", "sigmoid", "dense"])
def test_a_skipped_last_layer_is_float(part: str, scheme: str) -> None:
    model = network(SKIPPED[part], last=True)
    quantized = optim.quantize_model(model, skip="mid", scheme=scheme, calibration_data=images())
    content = export(quantized, scheme)
    assert kinds(content)["mid"] == {"float"}
    (report,) = optim.verify(content, {"sim": quantized}, images()).comparisons
    assert report.sqnr > 60


RULES: dict[str, Part] = {
    "elu": lambda x: K.ELU(name="mid")(x),
    "log-softmax": lambda x: K.Lambda(tf.nn.log_softmax, name="mid")(x),
    "threshold": lambda x: K.ReLU(threshold=0.1, name="mid")(x),
    "quotient": lambda x: x / (x + 1.0),
    "shared divisor": lambda x: (lambda d: K.Concatenate()([x / d, d]))(x + 1.0),
    "sigmoid as a divisor": lambda x: x / tf.sigmoid(x),
    "pooling of what is float": lambda x: K.MaxPooling2D(2, name="pool")(K.ELU(name="mid")(x)),
}


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("part", RULES)
def test_what_is_float_by_rule_is_float_in_the_file(part: str, scheme: str) -> None:
    model = network(RULES[part])
    quantized = optim.quantize_model(model, scheme=scheme, calibration_data=images())
    content = export(quantized, scheme)
    report = optim.verify(content, {"sim": quantized, "float": model}, images())
    floats = {op.name for op in report.operations if op.kind == "float"}
    assert floats
    assert min(one.sqnr for one in report.comparisons) > 30
    announced = {entry.node.path for entry in optim.plan(model, scheme).floats}
    assert {layer for island in report.islands for layer in island.layers if island.operations} <= {
        *announced, "mid", "pool", "tf.nn.log_softmax",
    }  # fmt: skip


def test_log_softmax_is_not_clipped() -> None:
    inputs = K.Input((8,))
    model = keras.Model(inputs, tf.nn.log_softmax(K.Dense(6, name="logits")(inputs)))
    model.get_layer("logits").kernel.assign(model.get_layer("logits").kernel * 60)
    data = np.random.default_rng(0).random((32, 8)).astype("float32")
    assert model(data).numpy().min() < -40
    assert "-15.94" in str(optim.plan(model))
    content = optim.export(optim.quantize_model(model, calibration_data=data))
    (report,) = optim.verify(content, {"float": model}, data).comparisons
    assert report.sqnr > 35


def test_a_layer_between_float_ones_says_so() -> None:
    inputs = K.Input((12, 12, 3))
    x = K.Conv2D(4, 3, name="before")(inputs)
    x = K.Reshape((100, 4), name="moves")(K.ELU()(x))
    model = keras.Model(inputs, K.Dense(3, name="after")(K.Flatten()(K.ELU()(x))))
    rows = {row["layer"]: row["reason"] for row in optim.plan(model).rows()}
    assert rows["moves"].startswith("float: ")


def test_float_layers_see_each_other_without_rounding() -> None:
    model = network(lambda x: K.Activation("tanh", name="mid_b")(K.ELU(name="mid_a")(x)))
    quantized = optim.quantize_model(model, skip="mid*", calibration_data=images())
    operations = optim.verify(optim.export(quantized)).operations
    names = [op.name for op in operations]
    assert names[names.index("ELU") + 1] == "TANH"


@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_integers_at_both_ends(io: str) -> None:
    quantized = optim.quantize_model(
        network(SKIPPED["convolution"]), skip="mid", calibration_data=images()
    )
    assert kinds(export(quantized, "int8", io))["mid"] == {"float"}


def test_it_lasts_through_training_and_saving(tmp_path: Any) -> None:
    quantized = optim.quantize_model(network(with_own_range), skip="mid", calibration_data=images())
    quantized.compile("adam", "mse")
    quantized.fit(images(), np.zeros((16, 8, 8, 8)), verbose=0)
    quantized.save(tmp_path / "model.keras")
    again = optim.load_model(tmp_path / "model.keras")
    content = optim.export(again)
    assert content == optim.export(quantized)
    assert kinds(content)["mid"] == {"float"}


def test_what_is_not_as_planned_is_refused_or_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quantized = optim.quantize_model(network(SKIPPED["dense"]), calibration_data=images())
    assert planned(quantized)["mid"] is False
    wrong = {**planned(quantized), "mid": True}
    content = optim.export(quantized)
    with pytest.raises(ExportError, match=r"mid: planned to be float, but .* is int8") as caught:
        agreement.check_agreement(litert.parse(content), "network", ("after",), wrong)
    assert [one.layer for one in caught.value.problems] == ["mid"]
    skipping = optim.quantize_model(
        network(SKIPPED["dense"]), skip="mid", calibration_data=images()
    )
    assert planned(skipping)["mid"] is True
    with pytest.warns(UserWarning, match="float islands: mid: planned to be quantized"):
        agreement.check_agreement(
            litert.parse(optim.export(skipping)),
            "network",
            ("after",),
            {**planned(skipping), "mid": False},
        )


def test_what_others_made_is_not_judged(images: np.ndarray) -> None:
    assert planned(network(SKIPPED["dense"])) == {}


def test_a_file_is_parsed_once_for_all_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    check = flatbuffer.check_tables

    def counting(model: Any, size: int) -> None:
        counted.append(size)
        check(model, size)

    monkeypatch.setattr(flatbuffer, "check_tables", counting)
    quantized = optim.quantize_model(network(K.ReLU(name="mid")), calibration_data=images())
    assert counted == []
    content = optim.export(quantized)
    assert counted == [len(content)]


def top(x: Any) -> Any:
    return tf.math.top_k(x, 3).values


JOINED: dict[str, Part] = {
    "best and int8": lambda x: tf.concat([top(x), K.Conv2D(4, 1)(x)], -1),
    "best and float": lambda x: K.Concatenate()([top(x), tf.sin(x)]),
    "best twice": lambda x: tf.concat([top(x), top(x * 2.0)], -1),
    "parts of float": lambda x: tf.concat(list(reversed(tf.split(tf.sin(x), 2, -1))), -1),
    "parts of int8": lambda x: tf.concat(list(reversed(tf.split(x, 2, -1))), -1),
}


@pytest.mark.parametrize("part", JOINED)
def test_what_is_joined_with_a_float_part_is_float_by_plan(part: str) -> None:
    model = network(JOINED[part])
    floats = {entry.node.path for entry in optim.plan(model).floats}
    quantized = optim.quantize_model(model, calibration_data=images())
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="export: the file has float")
        content = optim.export(quantized)
    report = optim.verify(content, {"float": model}, images())
    assert bool(report.islands) == bool(floats)
    assert report.comparisons[0].sqnr > 20


def test_bytes_are_moved_on_either_side_of_a_quantizer() -> None:
    age, other = K.Input((), name="age"), K.Input((4,), name="other")
    moved = K.Permute((2, 1), name="turned")(tf.expand_dims(tf.expand_dims(age, -1), -1))
    x = K.Concatenate()([K.Reshape((1,))(moved), K.Dense(8)(other)])
    model = keras.Model([age, other], K.Dense(3)(x), name="network")
    rng = np.random.default_rng(0)
    data = [rng.normal(size=16).astype("float32"), rng.normal(size=(16, 4)).astype("float32")]
    content = optim.export(optim.quantize_model(model, calibration_data=[data]))
    report = optim.verify(content, {"float": model}, data)
    assert not report.islands
    assert report.comparisons[0].sqnr > 20
