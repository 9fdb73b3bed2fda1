"""What wrappers tell of their outputs is what tracing them shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import toys

from optim import load_model
from optim._keras import keras, tf
from optim.quantization.api import quantize_model
from optim.quantization.building import signatures
from optim.quantization.quantizers import wrappers

K = keras.layers

TOYS = (
    "conv_bn_relu",
    "lone_normalization",
    "rescaling_chain",
    "hard_swish_forms",
    "activations_inside",
    "one_and_three_dimensions",
    "joins",
    "shared_layers_and_models",
    "dictionaries",
    "attention",
    "recurrent",
    "op_layers",
    "capped_rectifiers",
)


def specs(model: Any) -> dict[str, Any]:
    """Name of each layer -> types of its outputs, and names and shapes of its variables."""
    return {
        layer.name: (
            tf.nest.map_structure(lambda t: t.type_spec, [n.outputs for n in layer._inbound_nodes]),
            [(w.name, w.shape) for w in layer.weights],
        )
        for layer in model._flatten_layers(include_self=False)
    }


def loaded(path: Any) -> dict[str, Any]:
    keras.backend.clear_session()
    return specs(load_model(path))


def compare(model: Any, path: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """Compare a file of a model loaded by telling and by tracing; return how many were told."""
    told: list[Any] = []

    def tell(*args: Any) -> Any:
        told.append(signatures.told(*args))
        return told[-1]

    model.save(path)
    monkeypatch.setattr(wrappers, "told", tell)
    quick = loaded(path)
    monkeypatch.setattr(wrappers, "told", lambda *_: None)
    assert quick == loaded(path)
    return sum(x is not None for x in told)


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("name", TOYS)
def test_loaded_layers_are_as_if_traced(tmp_path, monkeypatch, name, suffix):
    model = quantize_model(toys.TOYS[name]())
    assert compare(model, tmp_path / f"model.{suffix}", monkeypatch) > 0


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_open_sizes_and_half_precision(tmp_path, monkeypatch, policy):
    x = inputs = K.Input((None, None, 3))
    options = {"dtype": policy}
    x = K.ZeroPadding2D(((0, 1), (1, 2)), **options)(x)
    x = K.Conv2D(4, 3, 2, **options)(x)
    x = K.BatchNormalization(**options)(x)
    x = K.ReLU(**options)(x)
    y = K.DepthwiseConv2D(3, padding="same", **options)(x)
    gate = K.Conv2D(4, 1, activation="sigmoid", **options)(
        K.GlobalAveragePooling2D(keepdims=True, **options)(y)
    )
    y = K.Multiply(**options)([gate, y])  # sizes that are open, and ones
    x = K.Concatenate(**options)([K.Add(**options)([x, y]), K.MaxPooling2D(1, **options)(x)])
    x = K.AveragePooling2D(2, padding="same", **options)(x)
    x = K.Dense(3, dtype="float32")(K.GlobalAveragePooling2D(**options)(x))
    model = quantize_model(keras.Model(inputs, x))
    assert compare(model, tmp_path / "model.h5", monkeypatch) >= 8
    image = np.ones((1, 9, 11, 3), "float32")
    again = load_model(tmp_path / "model.h5")
    assert np.array_equal(again(image, training=False), model(image, training=False))
