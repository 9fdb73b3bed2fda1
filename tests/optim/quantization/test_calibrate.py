"""Ranges from data: their values, and agreement with tfmot where tfmot is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import toys

from optim._keras import keras, tf, tfmot
from optim.errors import ConfigError
from optim.quantization.api import quantize_model
from optim.quantization.calibration.calibrate import calibrate, estimate_batch_norm

K = keras.layers


def relu_model() -> Any:
    x = keras.Input((1,))
    return quantize_model(keras.Model(x, K.ReLU(name="r")(x)))


def range_of(model: Any, name: str) -> tuple[float, float]:
    low, high = (float(w) for w in model.get_layer(name).weights[-2:])
    return low, high


def test_minmax_takes_the_extremes_of_all_batches() -> None:
    model = relu_model()
    calibrate(model, [np.array([[1.0], [-2.0]], "f"), np.array([[5.0]], "f")])
    assert range_of(model, "r") == (0.0, 5.0)
    assert range_of(model, "input_1_quantize") == (-2.0, 5.0)


def test_percentile_and_error_ignore_an_outlier() -> None:
    data = np.linspace(0, 1, 10_000, dtype="f")[:, None]
    data[0] = 50.0
    for method, most in (("percentile", 1.2), ("mse", 49.5)):
        model = relu_model()
        calibrate(model, [data], method, percentile=99.9)
        low, high = range_of(model, "r")
        assert low == 0.0
        assert 0.9 < high < most


def test_tuples_datasets_arrays_and_steps() -> None:
    data = np.array([[1.0], [2.0], [3.0], [9.0]], "f")
    for given in (data, tf.data.Dataset.from_tensor_slices((data, data)).batch(2)):
        assert range_of(calibrate(relu_model(), given), "r") == (0.0, 9.0)
    batches = [data[:2], data[2:]]
    assert range_of(calibrate(relu_model(), batches, steps=1), "r") == (0.0, 2.0)


class Counted:
    """Batches that can be had several times; counts how many are alive, and how often."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.passes = 0

    def __iter__(self) -> Any:
        self.passes += 1
        return (np.full((2, 8, 8, 4), i, "f") for i in range(self.count))


def test_what_can_be_iterated_again_is_and_an_iterator_is_kept() -> None:
    x = toys.image()
    model = quantize_model(keras.Model(x, K.BatchNormalization()(K.Conv2D(3, 1)(x))))
    data = Counted(4)
    calibrate(model, data, batch_norm=True)
    assert data.passes == 2
    ranges = [w.numpy() for w in model.weights]
    calibrate(model, iter(Counted(4)), batch_norm=True)
    for a, b in zip(ranges, model.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_other_models_run_as_ever_during_a_calibration() -> None:
    model, other = relu_model(), relu_model()
    calibrate(other, np.array([[1.0], [-1.0]], "f"))

    def batches() -> Any:
        yield np.array([[1.0]], "f")
        result = np.asarray(other(np.array([[9.0]], "f"), training=False))
        assert result.item() == 1.0  # clipped: it is quantized as ever
        yield np.array([[5.0]], "f")

    class Lazy:
        def __iter__(self) -> Any:
            return batches()

    calibrate(model, Lazy())
    assert range_of(model, "r") == (0.0, 5.0)


def test_the_progress_bar_knows_the_number_of_batches(capsys: Any) -> None:
    calibrate(relu_model(), [np.ones((1, 1), "f")] * 3, progress=True)
    assert "3/3" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "at least one batch"),
        ([np.zeros((0, 1), "f")], "empty"),
        ([np.zeros((2, 3), "f")], "fit"),
    ],
)
def test_data_that_cannot_be_used(data: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        calibrate(relu_model(), data)


def test_an_unknown_method() -> None:
    with pytest.raises(ConfigError, match="percentile"):
        calibrate(relu_model(), np.ones((1, 1), "f"), "best")


def test_weights_are_not_clipped_before_the_first_step(outputs: Any) -> None:
    x = keras.Input((2,))
    model = keras.Model(x, K.Dense(1, use_bias=False, name="d")(x))
    model.set_weights([np.array([[100.0], [-30.0]], "f")])
    quantized = quantize_model(model, calibration_data=np.eye(2, dtype="f"))
    np.testing.assert_allclose(
        outputs(quantized, np.eye(2, dtype="f"))[0], [[100.0], [-30.0]], atol=0.6
    )


def test_batch_norm_is_estimated_from_the_data() -> None:
    x = toys.image()
    y = K.Conv2D(3, 1)(x)
    model = quantize_model(keras.Model(x, K.BatchNormalization(name="b")(y)))
    rng = np.random.default_rng(0)
    batches = [rng.normal(i, 2, (4, 8, 8, 4)).astype("f") for i in range(3)]
    momentum = model.get_layer("b").layer.momentum
    estimate_batch_norm(model, batches)
    norm = model.get_layer("b").layer
    seen = [model.get_layer(model.layers[2].name).layer(b) for b in batches]
    np.testing.assert_allclose(
        norm.moving_mean, np.mean([s.numpy().mean((0, 1, 2)) for s in seen], 0), rtol=0.02
    )
    assert norm.momentum == momentum


def plain_network() -> Any:
    x = toys.image(channels=3)
    y = K.ReLU()(K.BatchNormalization()(K.Conv2D(8, 3, use_bias=False, padding="same")(x)))
    z = K.BatchNormalization()(K.Conv2D(8, 3, padding="same")(y))
    y = K.Activation("relu")(K.Add()([y, z]))
    return toys.randomize(keras.Model(x, K.Conv2D(4, 1)(K.MaxPooling2D()(y))))


def test_after_the_same_calibration_it_agrees_with_tfmot(outputs: Any) -> None:
    model = plain_network()
    batch = toys.batch_for(model)
    ours = quantize_model(model, calibration_data=batch)
    theirs = calibrate(tfmot.quantization.keras.quantize_model(model), batch)
    a, b = outputs(ours, batch)[0], outputs(theirs, batch)[0]
    assert np.abs(a - b).max() <= 1e-4 * np.abs(b).max()


def test_deliberate_differences_from_tfmot() -> None:
    """Depthwise and dense kernels: a range per channel, where tfmot has one for all."""
    x = toys.image()
    y = K.Dense(5, name="dense")(K.Flatten()(K.DepthwiseConv2D(3, name="depthwise")(x)))
    model = keras.Model(x, y)
    ours, theirs = quantize_model(model), tfmot.quantization.keras.quantize_model(model)

    def ranges(layer: Any) -> int:
        return next(int(np.size(w)) for w in layer.weights if w.name.endswith("kernel_max:0"))

    assert ranges(ours.get_layer("depthwise")) == 4
    assert ranges(theirs.get_layer("quant_depthwise")) == 1
    assert ranges(ours.get_layer("dense")) == 5
    assert ranges(theirs.get_layer("quant_dense")) == 1
