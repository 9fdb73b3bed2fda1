"""What LiteRT has no kernel for is told before training, with the layer, a reason and a remedy."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf

K = keras.layers
OTHERS = ("area", "bicubic", "gaussian", "lanczos3", "lanczos5", "mitchellcubic")


def image(part: Any) -> Any:
    inputs = K.Input((12, 12, 3))
    x = part(K.Conv2D(4, 3, name="before")(inputs))
    return keras.Model(inputs, K.Conv2D(2, 1, name="after")(x))


def volume(part: Any) -> Any:
    inputs = K.Input((6, 6, 6, 2))
    return keras.Model(inputs, K.Conv3D(2, 1, name="after")(part(inputs)))


def steps(part: Any) -> Any:
    inputs = K.Input((3, 6, 6, 6, 2))
    return keras.Model(inputs, K.Flatten(name="after")(part(inputs)))


def words(layer: Any, dtype: str = "string", shape: tuple[int, ...] = (4,)) -> Any:
    inputs = K.Input(shape, dtype=dtype)
    x = K.Flatten()(K.Embedding(9, 4)(layer(inputs)))
    return keras.Model(inputs, K.Dense(2, name="after")(x))


def categories(layer: Any, dtype: str = "int32") -> Any:
    inputs = K.Input((4,), dtype=dtype)
    return keras.Model(inputs, K.Dense(2, name="after")(layer(inputs)))


def lacking() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for method in OTHERS:
        found[f"layer, {method}"] = lambda m=method: image(K.Resizing(20, 18, m))
        found[f"up, {method}"] = lambda m=method: image(K.UpSampling2D(2, interpolation=m))
        found[f"function, {method}"] = lambda m=method: image(
            lambda x: tf.image.resize(x, (20, 18), method=m)
        )
    return {
        **found,
        "antialias": lambda: image(lambda x: tf.image.resize(x, (5, 5), antialias=True)),
        "padded": lambda: image(lambda x: tf.image.resize_with_pad(x, 20, 24, "area")),
        "first version": lambda: image(
            lambda x: tf.compat.v1.image.resize(x, (20, 18), method=tf.image.ResizeMethod.AREA)
        ),
        "number": lambda: image(lambda x: tf.compat.v1.image.resize(x, (20, 18), method=2)),
        "in a layer": lambda: image(K.Lambda(lambda x: tf.image.resize(x, (20, 18), "bicubic"))),
        "nested": lambda: image(keras.Sequential([K.Resizing(20, 18, "area")])),
        "crops": lambda: image(
            lambda x: tf.image.crop_and_resize(x, [[0.0, 0.0, 1.0, 1.0]], [0], (4, 4))
        ),
        "function of numbers": lambda: image(tf.math.asinh),
        "dilation": lambda: volume(K.Conv3D(2, 2, dilation_rate=2)),
        "groups": lambda: volume(K.Conv3D(2, 2, groups=2)),
        "states": lambda: steps(K.ConvLSTM3D(2, 2, dilation_rate=2, return_sequences=True)),
        "text": lambda: words(
            K.TextVectorization(vocabulary=["a"], output_sequence_length=4), shape=()
        ),
        "text in": lambda: words(
            keras.Sequential([K.StringLookup(vocabulary=["a"], input_shape=(4,), dtype="string")])
        ),
        "words": lambda: words(K.StringLookup(vocabulary=["a", "b"])),
        "numbers": lambda: words(K.IntegerLookup(vocabulary=[1, 2]), "int64"),
        "hashes": lambda: words(K.Hashing(9)),
        "hashes of numbers": lambda: words(K.Hashing(9), "int32"),
        "lengths": lambda: words(tf.strings.length),
        "categories": lambda: categories(K.CategoryEncoding(5, "count")),
        "words, counted": lambda: categories(
            K.StringLookup(vocabulary=["a"], output_mode="multi_hot"), "string"
        ),
        "buckets, counted": lambda: categories(
            K.Discretization(bin_boundaries=[0.5], output_mode="multi_hot"), "float32"
        ),
        "pooling": lambda: volume(K.MaxPooling3D(2)),
    }


LACKING = lacking()


def said_of(entry: Any) -> bool:
    """Whether the plan says so; what makes integers has nothing that could be quantized."""
    integers = not any(value.is_float for value in entry.node.outputs)
    return "no kernel at all" in entry.reason or (integers and bool(entry.node.inputs))


def model_names(model: Any) -> list[str]:
    return [layer.name for layer in model.layers]


@pytest.mark.parametrize("part", LACKING)
def test_what_cannot_be_exported_is_told_before_training(part: str) -> None:
    model = LACKING[part]()
    found = next(e for e in optim.plan(model) if said_of(e) and "after" not in e.node.path)
    with pytest.warns(UserWarning, match="optim.export will refuse") as told:
        quantized = optim.quantize_model(model)
    (said,) = [str(w.message) for w in told if "will refuse" in str(w.message)]
    layer = next(name for name in model_names(model) if found.node.path.startswith(name))
    assert layer in said
    assert ": LiteRT has no kernel at all" in said
    assert " -> " in said
    with pytest.raises(optim.ExportError) as refused:
        optim.export(quantized)
    assert refused.value.problems


def test_counted_buckets_and_numbers_of_words() -> None:
    """What makes integers that LiteRT can make, too, is not told of."""
    inputs = K.Input((4,))
    x = K.Embedding(3, 4)(K.Discretization(bin_boundaries=[0.2, 0.5])(inputs))
    x = K.Concatenate()([K.Flatten()(x), tf.one_hot(tf.argmax(x, 1), 4)[:, 0]])
    model = keras.Model(inputs, K.Dense(2)(x))
    data = np.random.default_rng(0).random((16, 4)).astype("float32")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="quantize_model")
        quantized = optim.quantize_model(model, calibration_data=data)
    report = optim.verify(optim.export(quantized), {"float": model}, data)
    assert report.comparisons[0].sqnr > 20


def test_a_vocabulary_that_was_never_adapted_is_told_by_calibration() -> None:
    layer = K.TextVectorization(output_sequence_length=4)
    model = words(layer, shape=())
    with pytest.raises(optim.OptimError, match="calibration data"):
        optim.quantize_model(model, calibration_data=np.array(["a b"] * 4))


def test_an_index_that_a_file_cannot_look_up_is_an_error_of_ours() -> None:
    inputs = K.Input((4,), dtype="int32")
    model = keras.Model(inputs, K.Embedding(3, 4)(inputs))
    with pytest.raises(optim.OptimError, match="does not run the file on this input"):
        optim.verify(optim.export(model), {"float": model}, np.full((2, 4), 7, "int32"))


def test_to_skip_such_a_layer_silences_nothing() -> None:
    model = image(K.Resizing(20, 18, "area", name="resize"))
    with pytest.warns(UserWarning, match="resize: LiteRT has no kernel at all"):
        optim.quantize_model(model, skip="resize")


KNOWN = {
    "bilinear": K.Resizing(20, 18),
    "nearest": K.Resizing(20, 18, "nearest"),
    "crop": K.Resizing(20, 18, crop_to_aspect_ratio=True),
    "up": K.UpSampling2D(2, interpolation="bilinear"),
    "function": lambda x: tf.image.resize(x, (20, 18), method=tf.image.ResizeMethod.BILINEAR),
    "without effect": lambda x: tf.image.resize(x, (20, 18), "nearest", antialias=True),
    "first version": lambda x: tf.compat.v1.image.resize(x, (20, 18)),
    "number": lambda x: tf.compat.v1.image.resize(x, (20, 18), 1),
    "padded": lambda x: tf.image.resize_with_pad(x, 20, 24),
}


@pytest.mark.parametrize("part", KNOWN)
def test_what_litert_has_kernels_for_is_int8(part: str) -> None:
    model = image(KNOWN[part])
    data = np.random.default_rng(0).random((16, 12, 12, 3)).astype("float32")
    assert not optim.plan(model).floats
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="quantize_model|export: the file has float")
        quantized = optim.quantize_model(model, calibration_data=data)
        content = optim.export(quantized)
    report = optim.verify(content, {"float": model}, data)
    assert not report.islands
    assert report.comparisons[0].sqnr > 20
