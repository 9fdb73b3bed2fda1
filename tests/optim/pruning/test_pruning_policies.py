"""`policy="latency-xnnpack"`: what it prunes, and all that it refuses, at once."""

from __future__ import annotations

import pytest

from optim import prune_low_magnitude
from optim.errors import UnsupportedModelError
from optim.pruning.policies import LatencyXNNPack
from optim.pruning.wrapper import pruned_layers


@pytest.fixture
def build(keras):
    """A function that makes a small network for XNNPACK; layers may be put in the middle."""
    layers = keras.layers

    def make(*middle, keepdims=True, nested=True, strides=(2, 2)):
        inputs = keras.Input((16, 16, 3))
        x = layers.Rescaling(1 / 255)(inputs)
        x = layers.ZeroPadding2D(1)(x)
        x = layers.Conv2D(8, 3, strides=strides, name="start")(x)
        x = layers.BatchNormalization()(x)
        part = [
            layers.ReLU(6.0),
            layers.Conv2D(8, 1, name="expand"),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.Activation("relu"),
        ]
        if nested:
            x = keras.Sequential(part, name="block")(x)
        else:
            for layer in part:
                x = layer(x)
        y = layers.ZeroPadding2D(1)(x)
        y = layers.DepthwiseConv2D(3, name="padded")(y)
        x = layers.Add()([x, y]) * 0.5
        for layer in middle:
            x = layer(x)
        x = layers.Conv2D(8, 1, name="project")(x)
        x = layers.GlobalAveragePooling2D(keepdims=keepdims, name="mean")(x)
        x = layers.Conv2D(4, 1, name="head")(layers.Reshape((1, 1, 8))(x))
        return keras.Model(inputs, layers.Reshape((4,))(x), name="net")

    return make


def names(model):
    return [wrapper.layer.name for wrapper in pruned_layers(model)]


def test_it_prunes_the_1x1_convolutions(build):
    for policy in ("latency-xnnpack", LatencyXNNPack()):
        pruned = prune_low_magnitude(build(), policy=policy)
        assert names(pruned) == ["expand", "project", "head"]


def test_tfmots_policy_agrees_on_a_flat_network(build, tfmot):
    policy = tfmot.sparsity.keras.PruneForLatencyOnXNNPack()
    pruned = prune_low_magnitude(build(nested=False), pruning_policy=policy)
    assert names(pruned) == ["expand", "project", "head"]


@pytest.fixture
def wrong(keras, build):
    """A function that makes a network with nine layers that XNNPACK does not run sparse."""
    layers = keras.layers

    def make(nested):
        return build(
            layers.Conv2D(8, 3, padding="same", name="big"),
            layers.Activation("swish", name="swish"),
            layers.DepthwiseConv2D(3, strides=2, padding="same", name="strided"),
            layers.LayerNormalization(name="norm"),
            layers.Conv2D(8, 1, groups=2, name="groups"),
            layers.Conv2DTranspose(8, 1, name="up"),
            layers.UpSampling2D(name="nearest"),
            layers.BatchNormalization(axis=1, name="rows"),
            keepdims=False,
            nested=nested,
        )

    return make


@pytest.mark.parametrize("nested", [False, True])
def test_everything_that_is_wrong_is_said_at_once(wrong, nested):
    with pytest.raises(UnsupportedModelError, match="'net' would not run sparse") as caught:
        prune_low_magnitude(wrong(nested), policy="latency-xnnpack")
    problems = {problem.layer: problem.reason for problem in caught.value.problems}
    assert list(problems) == [
        "big", "swish", "strided", "norm", "groups", "up", "nearest", "rows", "mean",
    ]  # fmt: skip
    assert problems["big"].startswith("a 3x3 convolution with strides (1, 1)")
    assert problems["swish"] == "the activation 'swish'"
    assert problems["norm"].startswith("LayerNormalization does not run")
    assert problems["mean"] == "keepdims=False"


def test_tfmots_policy_says_one_thing_and_stops_at_a_nested_model(wrong, tfmot):
    policy = tfmot.sparsity.keras.PruneForLatencyOnXNNPack()
    with pytest.raises(
        ValueError, match=r"^Layer \w+ is not supported for the \w+ pruning policy$"
    ):
        policy.ensure_model_supports_pruning(wrong(nested=False))
    policy.ensure_model_supports_pruning(wrong(nested=True))  # nothing said


def test_a_network_without_start_and_end(keras, build):
    model = keras.Sequential([keras.layers.Conv2D(4, 1, input_shape=(8, 8, 3))], name="plain")
    with pytest.raises(UnsupportedModelError) as caught:
        prune_low_magnitude(model, policy="latency-xnnpack")
    assert [problem.layer for problem in caught.value.problems] == ["plain", "plain"]
    assert "strides 2" in caught.value.problems[0].reason
    assert "GlobalAveragePooling2D" in caught.value.problems[1].reason
    with pytest.raises(UnsupportedModelError, match="not every input leads to a 3x3 Conv2D"):
        prune_low_magnitude(build(strides=(1, 1)), policy="latency-xnnpack")


def test_a_transposed_convolution_is_not_pruned_for_it(keras, tfmot):
    """It is a Conv2D by class, which is all that tfmot asks."""
    layer = keras.layers.Conv2DTranspose(8, 1)
    assert not LatencyXNNPack().allow_pruning(layer)
    assert tfmot.sparsity.keras.PruneForLatencyOnXNNPack().allow_pruning(layer)
