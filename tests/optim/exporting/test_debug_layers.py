"""`debug` points at the layer that does the damage."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toys

import optim
from optim._keras import keras, tfmot
from optim.errors import ConfigError, MissingPackageError

K = keras.layers


@pytest.fixture
def chain(images: np.ndarray) -> Any:
    x = keras.Input((8, 8, 4), name="image")
    y = x
    for i in range(4):
        y = K.Conv2D(6, 3, padding="same", activation="relu", name=f"conv_{i}")(y)
    model = toys.randomize(keras.Model(x, K.Conv2D(2, 1, name="head")(y), name="chain"))
    return optim.quantize_model(model, calibration_data=[images])


def range_of(model: Any, name: str) -> dict[str, Any]:
    variables: dict[str, Any] = model.get_layer(name)._output_quantizer_vars[0]
    return variables


def test_a_narrow_range_is_the_worst_layer(chain: Any, images: np.ndarray) -> None:
    healthy = optim.debug(chain, images).frame
    assert healthy["local_sqnr"].min() > 30
    variables = range_of(chain, "conv_2")
    variables["max_var"].assign(0.1 * variables["max_var"])
    result = optim.debug(chain, images)
    worst = result.frame.iloc[0]
    assert worst.name == "conv_2"
    assert worst["local_sqnr"] < 10
    assert worst["saturated"] > 0.5
    assert worst["used"] == pytest.approx(1, abs=0.01)
    assert worst["range_max"] == pytest.approx(float(variables["max_var"].numpy()))
    assert worst["seen_max"] == pytest.approx(10 * worst["range_max"], rel=0.02)
    # What comes after suffers, but does no harm of its own.
    after = result.frame.loc["conv_3"]
    assert after["sqnr"] < 15
    assert after["local_sqnr"] == pytest.approx(healthy.loc["conv_3", "local_sqnr"])
    before = result.frame.loc["conv_1"]
    assert before["sqnr"] == pytest.approx(healthy.loc["conv_1", "sqnr"])


def test_a_wide_range_wastes_bits(chain: Any, images: np.ndarray) -> None:
    variables = range_of(chain, "conv_1")
    variables["max_var"].assign(64 * variables["max_var"])
    worst = optim.debug(chain, images).frame.iloc[0]
    assert worst.name == "conv_1"
    assert worst["bits"] == 8
    assert worst["used"] == pytest.approx(1 / 64, rel=0.05)
    assert worst["effective_bits"] == pytest.approx(2, abs=0.1)
    assert worst["saturated"] == 0


def test_numbers_are_those_of_the_definition(images: np.ndarray) -> None:
    x = keras.Input((8, 8, 4), name="image")
    model = toys.randomize(keras.Model(x, K.Conv2D(6, 3, name="conv")(x)))
    qat = optim.quantize_model(model, calibration_data=[images])
    row = optim.debug(qat, [images[:8], images[8:]]).frame.loc["conv"]
    exact, quantized = np.asarray(model(images)), np.asarray(qat(images, training=False))
    noise = np.sum((exact - quantized).astype("float64") ** 2)
    expected = 10 * math.log10(np.sum(exact.astype("float64") ** 2) / noise)
    assert row["sqnr"] == pytest.approx(expected, abs=1e-3)
    assert row["local_sqnr"] > row["sqnr"]  # the input is not quantized there
    assert 40 < row["weight_sqnr"] < 60
    assert row["class"] == "Conv2D"


def test_float_models_are_quantized_first(small: Any, images: np.ndarray) -> None:
    frame = optim.debug(small, images).frame
    assert {"conv", "mean", "logits"} <= set(frame.index)
    assert frame["local_sqnr"].is_monotonic_increasing
    assert sorted(frame["order"]) == list(frame.sort_values("order")["order"])
    assert optim.debug(small, images, scheme="int16x8").frame["bits"].max() == 16


def test_models_of_tfmot(small: Any, images: np.ndarray) -> None:
    qat = optim.calibrate(tfmot.quantization.keras.quantize_model(small), images)
    frame = optim.debug(qat, images).frame
    assert frame["local_sqnr"].min() > 25
    assert math.isfinite(frame.loc["quant_conv", "weight_sqnr"])


@pytest.mark.parametrize("name", ["nested_twice", "dictionaries", "mixer_block", "joins"])
def test_models_of_every_kind(name: str) -> None:
    model = toys.randomize(toys.TOYS[name]())
    batch = toys.batch_for(model, size=4)
    result = optim.debug(model, [batch])
    assert result.samples == 4
    assert result.frame["local_sqnr"].min() > 25


def test_the_model_is_left_as_it_was(
    chain: Any, images: np.ndarray, state_of: Callable[[Any], Any]
) -> None:
    before, outputs = state_of(chain), chain(images, training=False).numpy()
    optim.debug(chain, images)
    assert state_of(chain) == before
    np.testing.assert_array_equal(chain(images, training=False), outputs)
    quantizers = tfmot.quantization.keras.quantizers
    assert quantizers.MovingAverageQuantizer.__call__.__module__.startswith("tensorflow_model")


def test_printing_and_plotting(chain: Any, images: np.ndarray, tmp_path: Path) -> None:
    result = optim.debug(chain, images, steps=1)
    assert "local_sqnr" in str(result)
    figure = result.plot(tmp_path / "layers.png")
    assert (tmp_path / "layers.png").read_bytes().startswith(b"\x89PNG")
    names = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert names[-1] == "head"


def test_plotting_without_matplotlib(
    chain: Any, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = optim.debug(chain, images)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackageError, match=r"tfmot-matrix\[plot\]"):
        result.plot()


def test_what_makes_no_sense(chain: Any, images: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="data is empty"):
        optim.debug(chain, [])
    with pytest.raises(ConfigError, match="has the shape"):
        optim.debug(chain, images[..., :3])
    with pytest.raises(ConfigError, match="steps"):
        optim.debug(chain, images, steps=0)


def test_each_tensor_of_a_chain_of_concatenations_has_a_row() -> None:
    layers = keras.layers
    keras.utils.set_random_seed(2)
    inputs = x = keras.Input((8, 8, 4))
    for i in range(3):
        y = layers.Conv2D(2, 3, padding="same", activation="relu")(x)
        x = layers.Concatenate(name=f"join_{i}")([x, y])
    images = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 4)).astype("f4")
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
    found = optim.debug(model, images).frame
    rows = found[found["class"] == "ChainQuantizeLayer"].sort_values("order")
    assert sorted(rows.index) == [f"join_2_quantize:{i}" for i in range(3)]
    assert list(rows["seen_max"]) == sorted(rows["seen_max"])
    used = (rows["seen_max"] - rows["seen_min"]) / (rows["range_max"] - rows["range_min"])
    assert used.between(1 / 1.6, 1.01).all()  # a level is two thirds of the next
    assert rows["local_sqnr"].min() > 35
