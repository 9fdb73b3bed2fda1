"""Conditioned weights and reference inputs: what makes a whole-network figure mean something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.stages.inputs import photographs
from harness.stages.inputs.conditioning import BRANCH, SIGNAL, condition


def test_photographs_are_the_same_every_time_and_not_the_same_each() -> None:
    images = photographs.crops((5, 24, 32, 3), seed=7)
    assert images.shape == (5, 24, 32, 3)
    assert images.dtype == np.float32
    assert 0 <= images.min() < 40
    assert 200 < images.max() <= 255
    np.testing.assert_array_equal(images, photographs.crops((5, 24, 32, 3), seed=7))
    assert np.abs(images - photographs.crops((5, 24, 32, 3), seed=8)).mean() > 5
    assert np.abs(images[0] - images[4]).mean() > 5, "the first source again, cropped otherwise"


@pytest.mark.parametrize("channels", [1, 5])
def test_photographs_of_other_depths(channels: int) -> None:
    images = photographs.crops((1, 16, 16, channels), seed=0)
    assert images.shape == (1, 16, 16, channels)
    colours = photographs.crops((1, 16, 16, 3), seed=0)
    if channels == 1:
        luminance = colours @ [0.2126, 0.7152, 0.0722]
        np.testing.assert_allclose(images[..., 0], luminance, rtol=1e-4)
    else:
        np.testing.assert_array_equal(images[..., 3:], colours[..., :2])


@pytest.fixture(scope="module")
def network() -> Any:
    """Inverted bottlenecks with swish and residuals: as deep as the difficulty begins."""
    import tf_keras as keras

    import optim  # noqa: F401  (chooses the Keras module)

    layers = keras.layers

    def make() -> Any:
        keras.utils.set_random_seed(1)
        inputs = keras.Input((48, 48, 3))
        x = layers.Rescaling(1 / 127.5, -1)(inputs)
        x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        for number in range(12):
            shortcut = x
            for block in (
                layers.Conv2D(48, 1, use_bias=False),
                layers.DepthwiseConv2D(3, padding="same", use_bias=False),
            ):
                x = layers.Activation("swish")(layers.BatchNormalization()(block(x)))
            x = layers.BatchNormalization()(layers.Conv2D(16, 1, use_bias=False)(x))
            x = layers.Add()([shortcut, x]) if number % 2 else x
        return keras.Model(inputs, x)

    return make


def simulated_sqnr(model: Any, images: Any) -> float:
    """SQNR, in dB, of the calibrated fake-quant model against the float one."""
    from optim import quantize_model
    from optim.verification.compare import sqnr

    expected = model(images, training=False).numpy()
    found = quantize_model(model, calibration_data=[images])(images, training=False).numpy()
    return sqnr(expected, found)


def test_a_deep_network_keeps_its_signal_when_conditioned(network: Any) -> None:
    import tf_keras as keras

    images = photographs.crops((8, 48, 48, 3), seed=0)
    conditioned, centred = network(), network()
    condition(conditioned, images)
    norms = [x for x in centred.layers if isinstance(x, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    centred(images, training=True)  # what everybody tries first: statistics from the data
    assert simulated_sqnr(conditioned, images) >= 22
    assert simulated_sqnr(centred, images) <= 12


def test_what_leaves_a_normalization_has_the_size_of_the_signal(network: Any) -> None:
    import tf_keras as keras

    images = photographs.crops((4, 48, 48, 3), seed=0)
    model = network()
    condition(model, images)
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    outputs = keras.Model(model.input, [x.output for x in norms])(images, training=False)
    sizes = [float(np.sqrt(np.mean(np.square(x)))) for x in outputs]
    assert sizes == pytest.approx([SIGNAL] * len(norms), rel=0.05)
    assert all((x.moving_mean.numpy() == 0).all() for x in norms)


def test_filters_are_smooth_and_depthwise_ones_have_unit_gain() -> None:
    import tf_keras as keras

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="spatial")(inputs)
    x = keras.layers.BatchNormalization()(keras.layers.DepthwiseConv2D(3, name="depthwise")(x))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="pointwise")(x))
    before = [w.numpy() for w in model.get_layer("pointwise").weights]
    condition(model, photographs.crops((1, 8, 8, 3), seed=0))
    spatial = model.get_layer("spatial").kernel.numpy()
    assert (np.sign(spatial) == np.sign(spatial[1, 1])).all()
    assert len(np.unique(np.sign(spatial[1, 1]))) == 2, "the signs of the centres are kept"
    gains = model.get_layer("depthwise").depthwise_kernel.numpy().sum((0, 1))
    np.testing.assert_allclose(np.abs(gains), 1, rtol=1e-6)
    for old, new in zip(before, model.get_layer("pointwise").weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_a_layer_scale_that_hides_its_branch_is_raised() -> None:
    import tf_keras as keras
    from tf_keras.src.applications.convnext import LayerScale

    inputs = keras.Input((4, 4, 6))
    hidden = LayerScale(1e-6, 6)
    model = keras.Model(inputs, keras.layers.Add()([inputs, hidden(inputs)]))
    condition(model, np.ones((1, 4, 4, 6), np.float32))
    np.testing.assert_allclose(hidden.gamma.numpy(), BRANCH)


def plain(normalization: Any = None, activation: Any = None) -> Any:
    """A deep network of convolutions and matrix products, with at most one normalization."""
    import tf_keras as keras

    import optim  # noqa: F401  (chooses the Keras module)

    layers = keras.layers
    keras.utils.set_random_seed(1)
    inputs = x = keras.Input((32, 32, 3))
    for number in range(8):
        x = layers.Conv2D(64, 3, padding="same", activation="relu", name=f"conv_{number}")(x)
        if number == 2 and normalization is not None:
            x = normalization(x)
    x = layers.Flatten()(layers.MaxPooling2D(8)(x))
    return keras.Model(inputs, layers.Dense(10, activation, name="last")(x))


def test_without_normalization_each_kernel_gets_a_gain_of_one() -> None:
    import tf_keras as keras

    images = photographs.crops((4, 32, 32, 3), seed=0)
    model = plain(activation="softmax")
    condition(model, images)
    found = [model.get_layer(name) for name in ("conv_0", "conv_7", "last")]
    inputs = keras.Model(model.inputs, [layer.input for layer in found])(images)
    for layer, x in zip(found, inputs, strict=True):
        activation, layer.activation = layer.activation, keras.activations.linear
        assert np.sqrt(np.mean(layer(x).numpy() ** 2)) == pytest.approx(1, rel=1e-3)
        layer.activation = activation
    kernel = model.get_layer("conv_3").kernel.numpy()
    assert (kernel * kernel[1, 1] >= 0).all(), "still smooth"
    assert type(model.get_layer("conv_0")).call is model.get_layer("conv_0").call.__func__

    model.compile(keras.optimizers.legacy.SGD(1e-3), "mse", run_eagerly=True)
    before = model.get_layer("conv_0").kernel.numpy()
    history = model.fit(images, np.random.default_rng(0).uniform(size=(4, 10)), verbose=0)
    assert history.history["loss"][0] < 10
    assert (model.get_layer("conv_0").kernel.numpy() != before).any()


@pytest.mark.parametrize("kind", ["BatchNormalization", "LayerNormalization"])
def test_a_normalization_anywhere_leaves_the_kernels_alone(kind: str) -> None:
    import tf_keras as keras

    model = plain(getattr(keras.layers, kind)())
    kernels = [np.abs(layer.kernel.numpy()) for layer in model.layers if hasattr(layer, "kernel")]
    condition(model, photographs.crops((2, 32, 32, 3), seed=0))
    after = [np.abs(layer.kernel.numpy()) for layer in model.layers if hasattr(layer, "kernel")]
    for old, new in zip(kernels, after, strict=True):
        np.testing.assert_array_equal(old, new)
