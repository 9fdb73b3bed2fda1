"""Parts of tensors that one int8 scale loses: said at calibration, and only where it matters."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf
from optim.quantization.calibration.weighing import shares

K = keras.layers


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def times(layer: Any, factor: Any) -> None:
    layer.kernel.assign(layer.kernel * factor)


def branches(join: Callable[[Any, Any], Any], ratio: float = 1000.0) -> Any:
    """Two branches, one `ratio` times the other, and what becomes of them."""
    inputs = keras.Input((8,))
    large, small = K.Dense(6, name="large")(inputs), K.Dense(6, name="small")(inputs)
    model = keras.Model(inputs, K.Dense(4, name="head")(join(large, small)))
    times(model.get_layer("large"), ratio)
    return model


def joined(weighed: bool, ratio: float = 1000.0) -> Any:
    """A concatenation; `weighed` is one whose kernel makes both branches count alike."""
    model = branches(lambda a, b: K.Concatenate(name="join")([a, b]), ratio)
    if weighed:
        times(model.get_layer("head"), np.where(np.arange(12) < 6, 1 / ratio, 1.0)[:, None])
    return model


def table(norm: bool = False, weighed: bool = True) -> tuple[Any, np.ndarray]:
    """Columns of which one is 10,000 times the others."""
    sizes = np.array([1.0, 1e4, 1.0, 1.0], "float32")
    x = normal(256, 4) * sizes
    inputs = y = keras.Input((4,), name="table")
    if norm:
        layer = K.Normalization(name="norm")
        layer.adapt(x)
        y = layer(y)
    model = keras.Model(inputs, K.Dense(3)(K.Dense(16, "relu", name="first")(y)))
    if weighed and not norm:
        times(model.get_layer("first"), 1 / sizes[:, None])
    return model, x


def calibrated(model: Any, x: np.ndarray, **options: Any) -> tuple[float, list[str]]:
    """How close a calibrated model is, in dB, and what was said of lost parts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        qat = optim.quantize_model(model, calibration_data=x, **options)
    wanted, got = model(x).numpy(), qat(x).numpy()
    noise = np.mean((wanted - got) ** 2)
    said = [str(w.message) for w in caught if "parts of a tensor are lost" in str(w.message)]
    return float(10 * np.log10(wanted.var() / noise)), said


def test_a_small_branch_of_a_concatenation() -> None:
    decibels, said = calibrated(joined(weighed=True), normal(256, 8))
    assert decibels < 5
    assert len(said) == 1
    assert "head gets channels 6-11 (small) of join" in said[0]


def test_a_small_branch_that_counts_for_as_little_as_it_is() -> None:
    decibels, said = calibrated(joined(weighed=False), normal(256, 8))
    assert decibels > 30
    assert not said


@pytest.mark.parametrize("ratio", [1.0, 4.0, 10.0])
def test_branches_that_differ_a_little(ratio: float) -> None:
    decibels, said = calibrated(joined(weighed=True, ratio=ratio), normal(256, 8))
    assert decibels > 15
    assert not said


def test_leaving_what_is_named_float_helps() -> None:
    decibels, said = calibrated(joined(weighed=True), normal(256, 8), skip=["join", "head"])
    assert decibels > 30
    assert not said


def test_a_signal_and_ids_that_are_parted() -> None:
    """The planner knows ids: it parts the input in float, and nothing is lost."""
    inputs = keras.Input((5,), name="both")
    looked_up = K.Embedding(1000, 4)(tf.cast(inputs[:, 0], tf.int32))
    signal = K.Dense(4, name="signal")(inputs[:, 1:])
    model = keras.Model(inputs, K.Dense(3)(K.Add()([looked_up, signal])))
    x = normal(256, 5)
    x[:, 0] = np.random.default_rng(1).integers(0, 1000, 256)
    decibels, said = calibrated(model, x)
    assert decibels > 30
    assert not said


def test_columns_of_unequal_ranges() -> None:
    decibels, said = calibrated(*table())
    assert decibels < 5
    assert len(said) == 1
    assert "first gets channels 0, 2-3 of table" in said[0]
    assert calibrated(*table(weighed=False))[1] == []


def test_a_normalization_of_the_input_comes_in_time() -> None:
    """It stays float: rounded to one scale before it, three columns of four would be lost."""
    model, x = table(norm=True)
    decibels, said = calibrated(model, x)
    assert decibels > 30
    assert not said


def test_a_normalization_further_on_comes_too_late() -> None:
    norm = K.Normalization(name="norm")
    sizes = np.array([1.0, 1e4, 1.0, 1.0], "float32")
    inputs = keras.Input((4,))
    y = K.Dense(4, name="before", kernel_initializer="identity")(inputs)
    norm.adapt(normal(256, 4) * sizes)
    model = keras.Model(inputs, K.Dense(3)(K.ReLU()(norm(K.ReLU()(y)))))
    decibels, said = calibrated(model, normal(256, 4) * sizes)
    assert decibels < 10
    assert len(said) >= 1


def test_columns_before_a_recurrent_layer() -> None:
    inputs = keras.Input((10, 3), name="series")
    model = keras.Model(inputs, K.GRU(4, name="gru")(inputs))
    sizes = np.array([1.0, 1000.0, 1.0], "float32")
    kernel = model.get_layer("gru").cell.kernel
    kernel.assign(kernel / sizes[:, None])
    _, said = calibrated(model, normal(64, 10, 3) * sizes)
    assert "gru gets channels 0, 2 of series" in said[0]
    kernel.assign(kernel * sizes[:, None])
    assert calibrated(model, normal(64, 10, 3))[1] == []


def test_small_times_large() -> None:
    def crossed(a: Any, b: Any) -> Any:
        return K.Multiply(name="product")([K.Concatenate()([a, b]), K.Concatenate()([b, a])])

    decibels, said = calibrated(branches(crossed), normal(256, 8))
    assert decibels < 5
    assert "product gets 50% of its places" in said[0]


def test_tokens_of_unequal_ranges_that_a_normalization_makes_alike() -> None:
    inputs = keras.Input((4, 8))
    large, small = K.Dense(8, name="large")(inputs), K.Dense(8, name="small")(inputs)
    normed = K.LayerNormalization(name="norm")(K.Concatenate(axis=1)([large, small]))
    model = keras.Model(inputs, K.Dense(3)(normed))
    x = normal(128, 4, 8)
    decibels, said = calibrated(model, x)
    assert decibels > 20
    assert not said
    times(model.get_layer("large"), 1000.0)
    decibels, said = calibrated(model, x)
    assert decibels < 5
    assert "norm" in said[0]


@pytest.mark.parametrize("joins", [K.Add, K.Maximum])
def test_sums_of_unequal_branches_lose_nothing(joins: type) -> None:
    decibels, said = calibrated(branches(lambda a, b: joins()([a, b])), normal(256, 8))
    assert decibels > 30
    assert not said


def test_a_batch_normalization_per_branch_helps() -> None:
    def normed(a: Any, b: Any) -> Any:
        return K.Concatenate()(
            [K.BatchNormalization(name=f"norm_{i}")(x) for i, x in enumerate([a, b])]
        )

    model = branches(normed)
    for i, branch in enumerate(("large", "small")):
        seen = keras.Model(model.input, model.get_layer(branch).output)(normal(256, 8)).numpy()
        norm = model.get_layer(f"norm_{i}")
        norm.moving_mean.assign(seen.mean(0))
        norm.moving_variance.assign(seen.var(0))
    decibels, said = calibrated(model, normal(256, 8))
    assert decibels > 25
    assert not said


@pytest.mark.parametrize("filters", [{"groups": 1}, {"groups": 3}])
def test_dead_channels_are_not_missed(filters: dict[str, int]) -> None:
    inputs = keras.Input((8, 8, 6))
    first = K.Conv2D(6, 3, activation="relu", name="first")
    model = keras.Model(inputs, K.Conv2D(6, 3, **filters)(first(inputs)))
    times(first, np.array([1.0, 1.0, 1e-6, 0.0, 1.0, 1e-3]))
    decibels, said = calibrated(model, normal(32, 8, 8, 6))
    assert decibels > 25
    assert not said


@pytest.mark.parametrize(
    "layer",
    [
        K.Conv2D(8, 3),
        K.Conv2D(8, 3, groups=2),
        K.Conv2DTranspose(8, 3),
        K.DepthwiseConv2D(3, depth_multiplier=2),
        K.Dense(8),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_share_is_what_a_channel_alone_adds(layer: Any) -> None:
    x = np.eye(4, dtype="float32")[:, None, None, :] * np.pad(np.ones((1, 1)), 4)[..., None]
    x = x.astype("float32")
    layer(x)
    alone = np.sum(layer(x).numpy() ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(shares(layer, 4), alone, rtol=1e-4)


def test_the_layers_are_left_as_they_were() -> None:
    model = optim.quantize_model(joined(weighed=True))
    with pytest.warns(UserWarning, match="parts of a tensor are lost"):
        optim.calibrate(model, normal(64, 8))
    assert not any("call" in layer.__dict__ for layer in model._flatten_layers())
