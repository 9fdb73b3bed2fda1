"""The quantize configs of the recipe and the layer table."""

from __future__ import annotations

import pytest

from optim import AnnotateRecipe, DefaultBNQuantizeConfig, NoOpQuantizeConfig
from optim.annotation.configs import ANNOTATE_RECIPE
from optim.errors import ConfigError
from optim.models.class_tables import lookup
from optim.saving import custom_object_scope

CONFIGS = [NoOpQuantizeConfig, DefaultBNQuantizeConfig]


def test_no_op_quantizes_nothing(keras):
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    config = NoOpQuantizeConfig()
    assert config.get_weights_and_quantizers(layer) == []
    assert config.get_activations_and_quantizers(layer) == []
    assert config.get_output_quantizers(layer) == []


def test_batch_normalization_gets_one_eight_bit_output_range(keras, tfmot):
    layer = keras.layers.BatchNormalization()
    config = DefaultBNQuantizeConfig()
    assert config.get_weights_and_quantizers(layer) == []
    assert config.get_activations_and_quantizers(layer) == []
    (quantizer,) = config.get_output_quantizers(layer)
    assert type(quantizer) is tfmot.quantization.keras.quantizers.MovingAverageQuantizer
    assert quantizer.get_config() == {
        "num_bits": 8,
        "per_axis": False,
        "symmetric": False,
        "narrow_range": False,
    }


@pytest.mark.parametrize("cls", CONFIGS)
@pytest.mark.parametrize("format_", ["legacy", "v3"])
def test_configs_survive_serialization(keras, cls, format_):
    module = keras.utils.legacy if format_ == "legacy" else keras.saving
    data = module.serialize_keras_object(cls())
    with custom_object_scope():
        copy = module.deserialize_keras_object(data)
    assert type(copy) is cls
    assert copy == cls()
    assert hash(copy) == hash(cls())


def test_different_configs_are_different():
    assert NoOpQuantizeConfig() != DefaultBNQuantizeConfig()
    assert DefaultBNQuantizeConfig() != NoOpQuantizeConfig()
    assert NoOpQuantizeConfig() != {}


def test_the_recipe(keras):
    assert {cls.__name__: config.__name__ for cls, config in ANNOTATE_RECIPE.items()} == {
        "BatchNormalization": "DefaultBNQuantizeConfig",
        "Rescaling": "NoOpQuantizeConfig",
        "Normalization": "NoOpQuantizeConfig",
        "Multiply": "NoOpQuantizeConfig",
        "ZeroPadding2D": "NoOpQuantizeConfig",
        "DepthwiseConv2D": "NoOpQuantizeConfig",
        "Resizing": "NoOpQuantizeConfig",
    }


def test_lookup_prefers_the_most_derived_class():
    class A: ...

    class B(A): ...

    class C(B): ...

    assert lookup({A: 1}, C) == (True, 1)
    assert lookup({A: 1, B: 2}, C) == (True, 2)
    assert lookup({A: 1, B: None}, C) == (True, None)
    assert lookup({C: 3}, A) == (False, None)


def test_an_instance_instead_of_a_factory_is_refused(keras):
    with pytest.raises(ConfigError, match=r"such as the class NoOpQuantizeConfig; got an instance"):
        AnnotateRecipe({keras.layers.Dense: NoOpQuantizeConfig()})
    with pytest.raises(ConfigError, match="has 'no', which is not a factory"):
        AnnotateRecipe({keras.layers.Dense: "no"})
    with pytest.raises(ConfigError, match="is not a layer class"):
        AnnotateRecipe({int: NoOpQuantizeConfig})


def test_the_default_table_is_not_changed_by_a_caller(keras):
    recipe = AnnotateRecipe({keras.layers.Dense: NoOpQuantizeConfig})
    assert recipe.table[keras.layers.Dense] is NoOpQuantizeConfig
    assert keras.layers.Dense not in ANNOTATE_RECIPE
    assert keras.layers.Dense not in AnnotateRecipe().table
