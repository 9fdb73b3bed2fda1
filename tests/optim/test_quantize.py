"""`Quantize`: the options of `quantize_model` as an object; and who wins among overrides."""

from __future__ import annotations

import numpy as np
import pytest

import optim
from optim import DefaultBNQuantizeConfig, NoOpQuantizeConfig, Quantize
from optim.errors import ConfigError, ModelFileError


def config_of(model, name, prefix=""):
    return type(model.get_layer(prefix + name).quantize_config).__name__


def test_it_does_what_quantize_model_does_with_the_same_options(conv_model, photos, untouched):
    check = untouched(conv_model)
    options = {"scheme": "int8-per-tensor", "skip": "gate", "calibration_data": [photos]}
    one, other = Quantize(**options)(conv_model), optim.quantize_model(conv_model, **options)
    assert [x.name for x in one.layers] == [x.name for x in other.layers]
    assert not hasattr(one.get_layer("gate"), "quantize_config")
    np.testing.assert_array_equal(one(photos), other(photos))
    assert np.abs(one(photos) - optim.quantize_model(conv_model)(photos)).max() > 0
    check()


def test_the_plan_is_that_of_the_options(conv_model):
    plan = Quantize(scheme="int8-per-tensor", skip="gate").plan(conv_model)
    assert [e.node.path for e in plan.floats] == ["gate"]
    assert "float: skipped on request" in str(plan)
    assert plan.scheme.name == "int8-per-tensor"


def test_the_compile_state_is_kept(keras, conv_model, photos):
    conv_model.compile(keras.optimizers.Adam(0.125), "mae", metrics=["mse"], run_eagerly=True)
    quantized = Quantize()(conv_model)
    assert quantized.optimizer is not conv_model.optimizer
    assert quantized.optimizer.get_config() == conv_model.optimizer.get_config()
    assert quantized.loss == "mae"
    result = quantized.evaluate(photos, np.ones((4, 2)), verbose=0, return_dict=True)
    assert set(result) == {"loss", "mse"}


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_class_of_the_caller_is_read_back_without_a_scope(keras, rng, tmp_path, suffix):
    class Twice(keras.layers.Layer):
        def call(self, inputs):
            return inputs * 2.0

    quantize = Quantize({Twice: DefaultBNQuantizeConfig})
    model = keras.Sequential([keras.layers.Dense(3, input_shape=(4,)), Twice(name="twice")])
    quantized = quantize(model)
    assert config_of(quantized, "twice") == "DefaultBNQuantizeConfig"
    path = tmp_path / f"model{suffix}"
    quantized.save(path)
    x = rng.normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(quantize.load_model(path)(x), quantized(x))
    with quantize.scope:
        assert keras.models.load_model(path).count_params() == quantized.count_params()
    with pytest.raises(ModelFileError, match="Twice"):
        optim.load_model(path)


def test_annotate_serves_tfmots_two_steps(keras, tfmot, conv_model, photos):
    quantize = Quantize({keras.layers.Multiply: DefaultBNQuantizeConfig})
    for function in (quantize.annotate, quantize.apply_quantization):
        annotated = keras.models.clone_model(conv_model, clone_function=function)
        with quantize.scope:
            annotated = tfmot.quantization.keras.quantize_annotate_model(annotated)
            quantized = tfmot.quantization.keras.quantize_apply(annotated)
        assert config_of(quantized, "bn", "quant_") == "DefaultBNQuantizeConfig"
        assert config_of(quantized, "multiply", "quant_") == "DefaultBNQuantizeConfig"
        assert config_of(quantized, "pad", "quant_") == "NoOpQuantizeConfig"
        assert quantized(photos).shape == (4, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"scheme": "int4"},
            "unknown scheme 'int4': choose one of int8, int8-per-tensor,",
        ),
        ({"skip": 3}, "skip: 3 is neither a name pattern, a layer class, nor a predicate"),
        ({"skip": [int]}, "skip: int is not a layer class of tf_keras"),
        ({"configs": {int: NoOpQuantizeConfig}}, "configs: int is not a layer class of tf_keras"),
        ({"configs": {"conv": "no"}}, "configs: 'conv' has 'no', which is neither a tfmot"),
    ],
)
def test_options_without_sense_are_refused_at_once(given, message):
    with pytest.raises(ConfigError, match=message):
        Quantize(**given)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cnov", "has no layer 'cnov'; did you mean 'conv'"),
        ("cnov*", r"has no layer 'cnov\*'; did you mean 'conv'"),
        ("photo", "'photo' is an input of 'small', not a layer: name those that take it"),
        ("phot?", r"'phot\?' is an input of 'small'"),
        ("photos", "has no layer 'photos'; did you mean 'photo'"),
        ("head_*", r"has no layer 'head_\*'; there are \['add', 'bn', 'conv', 'depthwise', "),
    ],
)
def test_a_name_or_pattern_of_no_layer_is_refused(conv_model, name, hint):
    conv_model.layers[0]._name = "photo"
    for function, options in (
        (optim.plan, {"skip": ["conv", name]}),
        (optim.plan, {"configs": {name: NoOpQuantizeConfig}}),
        (optim.quantize_model, {"skip": name}),
        (optim.prune_low_magnitude, {"skip": ["conv", name]}),
        (optim.prune_low_magnitude, {"overrides": {name: {"sparsity": 0.3}}}),
        (optim.cluster_weights, {"skip": name}),
        (optim.cluster_weights, {"overrides": {name: {"number_of_clusters": 3}}}),
    ):
        (option,) = options
        with pytest.raises(ConfigError, match=f"^{option}: .*{hint}"):
            function(conv_model, **options)


def test_a_pattern_may_match_inputs_besides_layers(conv_model):
    conv_model.layers[0]._name = "gate_input"
    assert [e.node.path for e in optim.plan(conv_model, skip="gate*").floats] == ["gate"]


def test_names_go_before_classes_and_derived_classes_before_their_bases(keras, conv_model):
    class Named(NoOpQuantizeConfig):
        """For one name."""

    def is_add(layer):
        return isinstance(layer, keras.layers.Add)

    quantized = optim.quantize_model(
        conv_model,
        configs={
            keras.layers.Layer: NoOpQuantizeConfig,
            keras.layers.Conv2D: DefaultBNQuantizeConfig(),
            keras.layers.ReLU: None,
            "gate": Named,
            is_add: Named(),
        },
    )
    assert config_of(quantized, "gate") == "Named"
    assert config_of(quantized, "add") == "Named"
    assert config_of(quantized, "conv") == "DefaultBNQuantizeConfig"
    assert config_of(quantized, "pad") == "NoOpQuantizeConfig"
    assert config_of(quantized, "relu") == "TensorQuantizeConfig"
