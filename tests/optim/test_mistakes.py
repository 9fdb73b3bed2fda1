"""What is easily given in place of a model, or in it: refused where it is given."""

from __future__ import annotations

import numpy as np
import pytest

import optim
from optim.errors import (
    ConfigError,
    ExportError,
    KerasModelError,
    ModelFileError,
    UnsupportedModelError,
)

FUNCTIONS = {
    "quantize_model": optim.quantize_model,
    "prune_low_magnitude": optim.prune_low_magnitude,
    "sparsify": optim.sparsify,
    "cluster_weights": optim.cluster_weights,
    "unprune": optim.unprune,
    "uncluster": optim.uncluster,
    "export": optim.export,
    "plan": optim.plan,
    "calibrate": lambda model: optim.calibrate(model, np.zeros((1, 8, 8, 3))),
    "debug": lambda model: optim.debug(model, np.zeros((1, 8, 8, 3))),
}
CHANGING = ("quantize_model", "prune_low_magnitude", "sparsify", "cluster_weights")


@pytest.fixture
def model(keras):
    inputs = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.Sequential([keras.layers.BatchNormalization(name="norm")], name="block")(x)
    x = keras.layers.Dense(2, name="logits")(keras.layers.Flatten(name="flatten")(x))
    return keras.Model(inputs, x, name="small")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_model_is_refused_by_the_name_of_the_function(name):
    with pytest.raises(KerasModelError, match=rf"^{name}: expected .* got numpy\.ndarray\.$"):
        FUNCTIONS[name](np.zeros(3))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_taken_for_a_model_has_a_remedy(keras, name):
    outputs = keras.layers.Conv2D(4, 3)(keras.Input((8, 8, 3)))
    for wrong, remedy in (
        (outputs, r"give the model, keras\.Model\(inputs, outputs\)"),
        (keras.layers.Dense, "Dense is a class; give a (model|layer) made of it"),
    ):
        with pytest.raises(KerasModelError, match=rf"^{name}: .*{remedy}"):
            FUNCTIONS[name](wrong)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_path_is_loaded_or_has_a_remedy(name):
    with pytest.raises(
        (KerasModelError, ModelFileError), match=r"no model file at|load it with optim\.load_model"
    ):
        FUNCTIONS[name]("model.keras")


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_weights_that_are_no_numbers_are_refused(model, name, value, word):
    model.get_layer("logits").bias.assign([0, value])
    model.get_layer("block").get_layer("norm").gamma.assign([1, value, 1, 1])
    with pytest.raises(
        UnsupportedModelError,
        match=r"^(quantize_model|prune_low_magnitude|cluster_weights): .*no numbers",
    ) as caught:
        FUNCTIONS[name](model)
    assert {problem.layer for problem in caught.value.problems} == {"logits", "norm"}
    assert all(
        problem.reason == f"has {word} weights or ranges" for problem in caught.value.problems
    )
    assert "go back to earlier weights" in str(caught.value)


@pytest.mark.parametrize("name", CHANGING[1:])
def test_what_is_left_alone_is_not_looked_at(model, name):
    model.get_layer("logits").bias.assign([0, np.nan])
    with pytest.raises(UnsupportedModelError, match=r"or leave it out \(`skip`\)"):
        FUNCTIONS[name](model)
    getattr(optim, name)(model, skip="logits")


@pytest.mark.parametrize("name", CHANGING)
def test_numbers_that_are_not_trained_may_be_infinite_but_not_nan(model, name):
    moving = model.get_layer("block").get_layer("norm").moving_mean
    moving.assign([0, np.nan, 0, 0])
    with pytest.raises(UnsupportedModelError, match="norm: has NaN"):
        FUNCTIONS[name](model)
    moving.assign([0, 0, 0, 0])
    FUNCTIONS[name](model)


@pytest.mark.parametrize("name", ["prune_low_magnitude", "cluster_weights"])
def test_a_layer_by_itself_is_looked_at_too(keras, name):
    layer = keras.layers.Dense(2, name="alone")
    layer.build((None, 3))
    layer.bias.assign([np.nan, 0])
    with pytest.raises(UnsupportedModelError, match="alone: has NaN"):
        FUNCTIONS[name](layer)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".HDF5", ".pb", ".onnx"])
def test_a_file_is_not_named_like_one_of_another_format(model, tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    with pytest.raises(ConfigError, match=r"writes a LiteRT file, so name it 'model\.tflite'"):
        optim.export(model, path)
    assert not list(tmp_path.iterdir())
    optim.export(model, tmp_path / "model.v2")
    assert (tmp_path / "model.v2").is_file()


def test_export_still_lets_a_float_model_have_infinite_weights(model):
    model.get_layer("logits").bias.assign([0, np.inf])
    optim.export(model)
    with pytest.raises(ExportError, match="logits: has infinite weights"):
        optim.export(model, optimize="dynamic")
