"""`AnnotateRecipe`: the annotate recipe, from model to file and back."""

from __future__ import annotations

import numpy as np
import pytest

import optim
from optim import AnnotateRecipe, DefaultBNQuantizeConfig, NoOpQuantizeConfig
from optim.errors import ModelFileError, UnsupportedModelError


def configs(model):
    """Layer name -> name of the quantize config class of its wrapper."""
    return {
        layer.layer.name: type(layer.quantize_config).__name__
        for layer in model.layers
        if hasattr(layer, "quantize_config")
    }


def test_every_layer_is_quantized_as_the_recipe_says(conv_model):
    found = configs(AnnotateRecipe()(conv_model))
    assert found.pop("bn") == "DefaultBNQuantizeConfig"
    for name in ("rescale", "normalize", "pad", "depthwise", "multiply"):
        assert found.pop(name) == "NoOpQuantizeConfig"
    # The rest is tfmot's: by its default registry, not left out.
    assert found == {
        "conv": "Default8BitConvQuantizeConfig",
        "relu": "Default8BitQuantizeConfig",
        "mean": "Default8BitQuantizeConfig",
        "gate": "Default8BitConvQuantizeConfig",
        "add": "Default8BitQuantizeConfig",
        "flatten": "Default8BitQuantizeConfig",
        "logits": "Default8BitQuantizeConfig",
    }


def test_fake_quants_act_where_the_table_says(keras, conv_model, photos):
    quantized = AnnotateRecipe()(conv_model)
    quantized(photos, training=True)

    def values(name):
        part = keras.Model(quantized.input, quantized.get_layer(f"quant_{name}").output)
        return len(np.unique(part(photos).numpy()))

    assert values("bn") <= 256  # of 1024: 4 photographs of 8x8x4
    assert values("depthwise") > 256  # more than 8 bits can tell apart


def test_weights_are_copied_and_the_original_is_left_alone(conv_model, photos, untouched):
    check = untouched(conv_model)
    quantized = AnnotateRecipe()(conv_model)
    # Not `.kernel`: tfmot puts the fake-quantized tensor there.
    kernel = quantized.get_layer("quant_conv").trainable_weights[0].numpy
    before = kernel().copy()
    np.testing.assert_array_equal(before, conv_model.get_layer("conv").kernel)
    quantized.compile(optim._keras.keras.optimizers.SGD(1.0), "mse", run_eagerly=True)
    quantized.fit(photos, np.ones((4, 2)), verbose=0)
    assert np.abs(kernel() - before).max() > 0
    check()


def test_annotate_a_layer(keras, tfmot):
    recipe = AnnotateRecipe()
    dense, bn = keras.layers.Dense(2), keras.layers.BatchNormalization()
    assert recipe.annotate(dense) is dense
    wrapper = recipe.annotate(bn)
    assert type(wrapper).__name__ == "QuantizeAnnotate"
    assert wrapper.layer is bn
    assert wrapper.quantize_config == DefaultBNQuantizeConfig()
    assert recipe.annotate(wrapper) is wrapper


def test_annotate_serves_as_a_clone_function(keras, tfmot, conv_model):
    recipe = AnnotateRecipe()
    annotated = keras.models.clone_model(conv_model, clone_function=recipe.annotate)
    names = {layer.layer.name for layer in annotated.layers if hasattr(layer, "quantize_config")}
    assert names == {"rescale", "normalize", "pad", "bn", "depthwise", "multiply"}


def test_annotate_a_model_copies_it(conv_model, photos, untouched):
    check = untouched(conv_model)
    annotated = AnnotateRecipe().annotate(conv_model)
    wrapped = {layer.layer.name for layer in annotated.layers if hasattr(layer, "quantize_config")}
    assert wrapped == {"rescale", "normalize", "pad", "bn", "depthwise", "multiply"}
    np.testing.assert_array_equal(annotated(photos), conv_model(photos))
    check()


def test_a_subclass_gets_the_config_of_its_base_class(keras):
    class MyNormalization(keras.layers.BatchNormalization):
        pass

    recipe = AnnotateRecipe()
    assert recipe.annotate(MyNormalization()).quantize_config == DefaultBNQuantizeConfig()
    left = AnnotateRecipe({MyNormalization: None}).annotate(MyNormalization())
    assert type(left) is MyNormalization


def test_a_custom_layer_is_added_to_the_table(keras, rng, reloaded):
    from tf_keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    inputs = keras.Input((4,))
    x = keras.layers.Dense(4)(inputs)
    model = keras.Model(inputs, CustomScaleLayer(0.5)([inputs, x]))
    with pytest.raises(RuntimeError, match=r"CustomScaleLayer.* is not supported"):
        AnnotateRecipe()(model)
    quantized = AnnotateRecipe({CustomScaleLayer: NoOpQuantizeConfig})(model)
    assert configs(quantized)[model.layers[-1].name] == "NoOpQuantizeConfig"
    x = rng.normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(reloaded(quantized, ".h5")(x), quantized(x))


def test_a_layer_class_of_the_caller_needs_no_scope(keras, rng, tmp_path):
    class Twice(keras.layers.Layer):
        def call(self, inputs):
            return inputs * 2.0

    recipe = AnnotateRecipe({Twice: DefaultBNQuantizeConfig})
    model = keras.Sequential([keras.layers.Dense(3, input_shape=(4,)), Twice()])
    quantized = recipe(model)
    quantized.save(tmp_path / "model.h5")
    x = rng.normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(recipe.load_model(tmp_path / "model.h5")(x), quantized(x))
    with recipe.scope:
        assert keras.models.load_model(tmp_path / "model.h5").count_params() > 0
    with pytest.raises(ModelFileError, match="Twice"):
        optim.load_model(tmp_path / "model.h5")
    loaded = optim.load_model(tmp_path / "model.h5", custom_objects={"Twice": Twice})
    np.testing.assert_array_equal(loaded(x), quantized(x))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_save_and_load_give_the_same_outputs(conv_model, photos, reloaded, suffix):
    conv_model.compile("adam", "mse", metrics=["mae"], run_eagerly=True)
    quantized = AnnotateRecipe()(conv_model)
    quantized.fit(photos, np.ones((4, 2)), verbose=0)
    loaded = reloaded(quantized, suffix)
    np.testing.assert_array_equal(loaded(photos), quantized(photos))
    assert [type(x).__name__ for x in loaded.layers] == [type(x).__name__ for x in quantized.layers]
    assert type(loaded.optimizer).__name__ == "Adam"
    assert int(loaded.optimizer.iterations) == 1


def test_the_compile_state_is_carried_over(keras, conv_model, photos):
    loss = keras.losses.Huber(delta=0.3)
    conv_model.compile(
        keras.optimizers.Adam(0.125, beta_1=0.5),
        loss,
        metrics=["mae", keras.metrics.MeanSquaredError(name="square")],
        run_eagerly=True,
        steps_per_execution=3,
    )
    conv_model.fit(photos, np.ones((4, 2)), verbose=0)
    quantized = AnnotateRecipe()(conv_model)
    assert quantized.optimizer is not conv_model.optimizer
    assert quantized.optimizer.get_config() == conv_model.optimizer.get_config()
    assert int(quantized.optimizer.iterations) == 0
    assert quantized.loss.get_config() == loss.get_config()
    assert quantized.run_eagerly
    assert int(quantized._steps_per_execution) == 3
    result = quantized.evaluate(photos, np.ones((4, 2)), verbose=0, return_dict=True)
    assert set(result) == {"loss", "mae", "square"}
    assert not {id(m) for m in quantized.metrics} & {id(m) for m in conv_model.metrics}


def test_arguments_keyed_by_output_follow_the_outputs_new_name(keras, rng):
    inputs = keras.Input((4,))
    outputs = [keras.layers.Dense(1, name=name)(inputs) for name in ("left", "right")]
    model = keras.Model(inputs, outputs)
    model.compile(
        "sgd",
        {"left": "mse", "right": "mae"},
        metrics={"right": ["mse"]},
        loss_weights={"left": 1.0, "right": 0.25},
    )
    quantized = AnnotateRecipe()(model)
    assert quantized.output_names == ["quant_left", "quant_right"]
    x = rng.normal(size=(8, 4)).astype("float32")
    y = [np.zeros((8, 1)), np.zeros((8, 1))]
    result = quantized.evaluate(x, y, verbose=0, return_dict=True)
    assert set(result) == {"loss", "quant_left_loss", "quant_right_loss", "quant_right_mse"}
    assert result["loss"] == pytest.approx(
        result["quant_left_loss"] + 0.25 * result["quant_right_loss"]
    )


def test_a_model_that_is_not_compiled_stays_so(conv_model):
    assert not getattr(AnnotateRecipe()(conv_model), "_is_compiled", False)


def test_a_nested_model_is_refused_in_tfmots_words(nested_model):
    with pytest.raises(ValueError, match="Model inside another keras Model is not supported"):
        AnnotateRecipe()(nested_model)


def test_a_subclassed_model_is_refused(keras):
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(UnsupportedModelError, match=r"subclassed model.*functional API"):
        AnnotateRecipe()(Subclassed(name="mine"))


def test_loading_what_is_not_a_model(tmp_path):
    with pytest.raises(ModelFileError, match=r"no model file at .*missing\.h5"):
        optim.load_model(tmp_path / "missing.h5")
    for name in ("broken.h5", "broken.keras"):
        (tmp_path / name).write_bytes(b"not a model")
        with pytest.raises(ModelFileError, match=f"cannot load a model from .*{name}.* -> give"):
            optim.load_model(tmp_path / name)
    assert issubclass(ModelFileError, OSError)
