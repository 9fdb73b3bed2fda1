"""Subclassed models: sizes of the file, pruning and clustering, models without their class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf, tfmot
from optim.errors import ConfigError

K = keras.layers
IMAGES = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")


class Small(keras.Model):
    """Layers, a function and a weight of its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conv, self.mean = K.Conv2D(6, 3, name="conv"), K.GlobalAveragePooling2D()
        self.head = K.Dense(2, name="head")

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(name="scale", shape=(6,), initializer="ones")
        super().build(shape)

    def call(self, x: Any) -> Any:
        return self.head(self.mean(tf.nn.relu(self.conv(x)) * self.scale))


def called(batch: int = 5) -> Any:
    keras.utils.set_random_seed(0)
    model = Small()
    model(IMAGES[:batch])
    return model


def shape_of(file: bytes) -> tuple[int, ...]:
    (one,) = optim.verify(file).inputs
    return one.shape


def test_a_file_has_the_batch_and_sizes_that_are_asked_for() -> None:
    model = called()
    assert shape_of(optim.export(model)) == (1, 8, 8, 3)
    assert shape_of(optim.export(model, input_shape=(12, 10, 3))) == (1, 12, 10, 3)
    assert shape_of(optim.export(model, input_shape=(4, 8, 8, 3))) == (4, 8, 8, 3)
    for wrong in [(2, 2, 3), (8, 8, 4)]:
        with pytest.raises(optim.ExportError, match=r"called on \(1, .*input_shape"):
            optim.export(model, input_shape=wrong)
    with pytest.raises(ConfigError, match="does not fit"):
        optim.export(model, input_shape=(8, 8))


MADE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "pruned": (
        lambda m: optim.prune_low_magnitude(
            m, pruning_schedule=tfmot.sparsity.keras.ConstantSparsity(0.5, 0, frequency=1)
        ),
        optim.unprune,
    ),
    "clustered": (lambda m: optim.cluster_weights(m, 4), optim.uncluster),
}


@pytest.mark.parametrize("made", MADE)
def test_it_is_wrapped_trained_and_plain_again(made: str) -> None:
    model = called()
    model.compile("sgd", "mse")
    wrap, strip = MADE[made]
    wrapped = wrap(model)
    if made == "pruned":
        np.testing.assert_allclose(wrapped(IMAGES), model(IMAGES), atol=1e-6)
    callbacks = optim.get_pruning_callbacks() if made == "pruned" else []
    wrapped.fit(IMAGES, np.zeros((16, 2)), callbacks=callbacks, verbose=0)
    plain = strip(wrapped)
    np.testing.assert_allclose(plain(IMAGES), wrapped(IMAGES), atol=1e-5)
    kernels = [w.numpy() for w in plain.weights if "kernel" in w.name]
    assert len(kernels) == 2
    for kernel in kernels:
        if made == "pruned":
            assert np.mean(kernel == 0) == pytest.approx(0.5, abs=0.05)
        else:
            assert len(np.unique(kernel)) <= 4
    assert optim.verify(optim.export(plain), {"m": plain}, IMAGES).comparisons[0].sqnr > 100


def test_it_is_made_sparse_without_training() -> None:
    report = optim.sparsity_report(optim.sparsify(called(), sparsity=0.5))
    assert "conv" in str(report)
    assert "50.0%" in str(report)


def test_a_model_without_its_class_is_told_what_it_lacks(tmp_path: Any) -> None:
    called().save(tmp_path / "model", save_format="tf")
    revived = keras.models.load_model(tmp_path / "model")
    for function in (optim.quantize_model, optim.prune_low_magnitude, optim.cluster_weights):
        with pytest.raises(optim.UnsupportedModelError, match=r"without its class.*custom_objects"):
            function(revived)
    file = optim.export(revived, optimize="int8", representative_data=IMAGES)
    assert optim.verify(file, {"m": revived}, IMAGES).comparisons[0].sqnr > 25


def test_words_are_data_and_a_file_has_no_place_for_them() -> None:
    texts = np.array([["a b"], ["c d"]])
    layer = K.TextVectorization(max_tokens=20, output_sequence_length=5)
    layer.adapt(["a b c d", "b c"])
    x = keras.Input((1,), dtype="string")
    model = keras.Model(x, K.Dense(2)(K.Flatten()(K.Embedding(20, 4)(layer(x)))))
    quantized = optim.quantize_model(model, calibration_data=texts)
    assert np.abs(quantized(texts) - model(texts)).max() < 0.1
    assert len(optim.debug(quantized, texts).frame) > 1
    assert optim.prune_low_magnitude(model)(texts).shape == (2, 2)
    with pytest.raises(optim.ExportError, match=r"text_vectorization.*give it the numbers"):
        optim.export(quantized)


@pytest.mark.parametrize("eagerly", [False, True])
def test_training_without_the_callback_says_so(eagerly: bool) -> None:
    pruned = optim.prune_low_magnitude(keras.Sequential([keras.Input((3,)), K.Dense(2)]))
    pruned.compile("sgd", "mse", run_eagerly=eagerly)
    with pytest.raises(Exception, match="get_pruning_callbacks"):
        pruned.fit(np.zeros((4, 3)), np.zeros((4, 2)), verbose=0)


class Named(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs["late"]) - self.dense(inputs["early"])


@pytest.mark.parametrize("optimize", [None, "dynamic", "int8", "quantized"])
def test_inputs_of_a_dict_keep_their_names(optimize: str | None) -> None:
    rng = np.random.default_rng(0)
    data = {name: rng.normal(size=(8, 5)).astype("float32") for name in ("late", "early")}
    model = Named()
    model(data)
    if optimize == "quantized":
        content = optim.export(optim.quantize_model(model, calibration_data=data))
    else:
        samples = {"representative_data": data} if optimize == "int8" else {}
        content = optim.export(model, optimize=optimize, **samples)
    report = optim.verify(content, {"float": model}, data)
    assert {one.name for one in report.inputs} == {"late", "early"}
    assert report.comparisons[0].sqnr > 30
