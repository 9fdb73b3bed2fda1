"""All constructors of Keras 3's `keras.applications`, with random weights."""

from __future__ import annotations

import inspect
from typing import Any

import keras as keras3
import numpy as np
import pytest

import optim

#: The smallest of each family; the others take minutes.
SMALLEST = frozenset(
    {
        "ConvNeXtTiny",
        "DenseNet121",
        "EfficientNetB0",
        "EfficientNetV2B0",
        "InceptionResNetV2",
        "InceptionV3",
        "MobileNet",
        "MobileNetV2",
        "MobileNetV3Small",
        "NASNetMobile",
        "ResNet50",
        "ResNet50V2",
        "VGG16",
        "Xception",
    }
)

NAMES = sorted(name for name, x in vars(keras3.applications).items() if inspect.isfunction(x))


def test_there_are_forty() -> None:
    assert len(NAMES) == 40
    assert set(NAMES) >= SMALLEST


@pytest.mark.parametrize(
    "name",
    [name if name in SMALLEST else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
@pytest.mark.parametrize("top", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_twin_computes_what_the_application_does(name: str, top: bool, twin: Any) -> None:
    # NASNet decides by sizes where a branch is reduced: without one no input fits its graph.
    size = 224 if "NASNet" in name else None
    shape = {} if top else {"input_shape": (size, size, 3)}
    constructor = getattr(keras3.applications, name)
    model = constructor(weights=None, include_top=top, **shape)
    size = model.input_shape[1] or (224 if top else 96)
    data = np.random.default_rng(0).uniform(0, 255, (2, size, size, 3)).astype("float32")
    made = twin(model, data)
    assert made.count_params() == model.count_params()
    assert made.output_names == [model.layers[-1].name]
    assert [x.shape for x in made.outputs] == [x.shape for x in model.outputs]
    optim.to_keras3(made, like=model)
