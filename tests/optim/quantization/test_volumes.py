"""Layers behind convolutions over volumes, whose tensors have more axes than some kernels take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras

K = keras.layers
SHAPE = (4, 6, 5, 2)


def network(*layers: Any, shape: tuple[int | None, ...] = SHAPE) -> Any:
    rng = np.random.default_rng(0)
    x = inputs = K.Input(shape)
    x = K.Conv3D(3, 3, padding="same", name="volume")(x)
    for layer in layers:
        x = layer(x)
    model = keras.Model(inputs, x)
    for layer in layers:
        layer.set_weights([rng.uniform(0.1, 0.6, w.shape) for w in layer.weights])
    return model


def images() -> Any:
    return np.random.default_rng(1).normal(size=(8, *SHAPE)).astype("float32")


def rectified(shared: Any, **more: Any) -> Any:
    return K.PReLU(shared_axes=shared, name="rectified", **more)


@pytest.mark.parametrize("shared", [[1, 2, 3], None, [1, 2], [2, 3], [3, 4], [1, 2, 3, 4]])
def test_prelu_of_volumes_is_one_of_four_axes(shared: Any) -> None:
    model, x = network(rectified(shared)), images()
    quantized = optim.quantize_model(model, calibration_data=x)
    assert quantized.output_names == model.output_names
    assert quantized.count_params() - model.count_params() < 10  # ranges: no alpha is spread
    references = {"simulation": quantized, "float": model}
    report = optim.verify(optim.export(quantized), references, x)
    simulation, floating = report.comparisons
    assert simulation.sqnr > 40
    assert floating.sqnr > 30
    assert report.histogram["PRELU"] == {"int8": 1}
    file = optim.export(model, optimize="int8", representative_data=x)
    assert optim.verify(file, model, x).comparisons[0].sqnr > 30


def test_the_alpha_of_volumes_is_trained_as_it_was() -> None:
    layer = rectified([1, 2, 3], alpha_regularizer=keras.regularizers.L2(0.5))
    model = network(layer)
    quantized = optim.quantize_model(model, calibration_data=images())
    losses = [float(x) for x in quantized.losses]
    assert losses == pytest.approx([0.5 * float(np.sum(layer.get_weights()[0] ** 2))])
    layer.trainable = False
    frozen = optim.quantize_model(model)
    assert not [w for w in frozen.trainable_weights if "alpha" in w.name]


@pytest.mark.parametrize("mode", [None, "dynamic", "float16"])
def test_a_file_that_cannot_have_it_names_the_layer(mode: Any) -> None:
    with pytest.raises(optim.ExportError) as caught:
        optim.export(network(rectified([1, 2, 3])), optimize=mode)
    (problem,) = caught.value.problems
    assert problem.layer == "rectified"
    assert "four axes at most" in problem.reason
    assert "Reshape" in problem.remedy


@pytest.mark.parametrize("layer", [K.LeakyReLU, K.ELU, K.Softmax, K.LayerNormalization])
def test_others_of_five_axes_are_written(layer: Any) -> None:
    model, x = network(layer()), images()
    quantized = optim.quantize_model(model, calibration_data=x)
    for file in (
        optim.export(quantized),
        optim.export(model, optimize="int8", representative_data=x),
    ):
        assert optim.verify(file, model, x).comparisons[0].sqnr > 25
