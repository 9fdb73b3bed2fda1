"""All constructors of Keras 3's `keras.applications`, with random weights.

They compute in float64. With random weights some of them (EfficientNetV2 most) make of a rounding
of float32 in the first layers a thousandth in the last, and batch normalization of tf_keras rounds
otherwise than that of Keras 3. In float64, nothing is left between a twin and its model that can
be taken for rounding.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator
from typing import Any

import keras as keras3
import numpy as np
import pytest

import optim
from optim._keras import keras

#: Largest difference, of the largest value.
TOLERANCE = 1e-12

#: The smallest of most families; the others take minutes, InceptionResNetV2 half of one.
SMALLEST = frozenset(
    {
        "ConvNeXtTiny",
        "DenseNet121",
        "EfficientNetB0",
        "EfficientNetV2B0",
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

#: Those that fit no smaller input.
SIZES = {
    "InceptionResNetV2": 75,
    "InceptionV3": 75,
    "NASNetMobile": 224,
    "NASNetLarge": 331,
    "Xception": 71,
}

NAMES = sorted(name for name, x in vars(keras3.applications).items() if inspect.isfunction(x))


def test_there_are_forty() -> None:
    assert len(NAMES) == 40
    assert set(NAMES) >= SMALLEST


def images(size: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (2, size, size, 3))


@pytest.fixture
def doubles() -> Iterator[None]:
    policy = keras3.config.dtype_policy()
    keras3.config.set_floatx("float64")
    keras3.config.set_dtype_policy("float64")
    yield
    keras3.config.set_floatx("float32")
    keras3.config.set_dtype_policy(policy)
    keras3.backend.clear_session()
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize(
    "name",
    [name if name in SMALLEST else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
@pytest.mark.parametrize("top", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_twin_computes_what_the_application_does(name: str, top: bool, twin: Any) -> None:
    size = SIZES.get(name, 32)
    shape = {} if top else {"input_shape": (size, size, 3)}
    model = getattr(keras3.applications, name)(weights=None, include_top=top, **shape)
    data = images(model.input_shape[1])
    made = twin(model, data, tolerance=TOLERANCE)
    assert made.count_params() == model.count_params()
    assert made.output_names == [model.layers[-1].name]
    assert [x.shape for x in made.outputs] == [x.shape for x in model.outputs]
    optim.to_keras3(made, like=model)


@pytest.mark.usefixtures("doubles")
def test_sizes_may_be_unknown(twin: Any) -> None:
    model = keras3.applications.MobileNetV3Small(weights=None, include_top=False)
    made = twin(model, images(48), tolerance=TOLERANCE)
    assert made.output_shape == model.output_shape == (None, None, None, 576)
