"""Schedules by name, patterns of zeros, options per layer, and the masks themselves."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from optim import (
    get_pruning_callbacks,
    prune_low_magnitude,
    register_prunable,
    sparsify,
    sparsity_report,
    unprune,
)
from optim.errors import ConfigError, UnsupportedModelError
from optim.pruning.wrapper import PRUNABLE, PruneLowMagnitude, pruned_layers


@pytest.fixture(scope="module")
def theirs():
    from optim._keras import tfmot

    return tfmot.sparsity.keras


def wrappers(model):
    return {wrapper.layer.name: wrapper for wrapper in pruned_layers(model)}


def update(wrapper, step=1):
    """Update the masks as training step `step` would; return the masks."""
    wrapper.pruning_step.assign(step)
    wrapper.pruning_obj.conditional_mask_update()
    return [mask.numpy() for _, mask, _ in wrapper.pruning_vars]


def mask_of(keras, prune, layer, kernel=None, **options):
    """The mask that a pruning function gives the kernel of one layer."""
    model = keras.Sequential([layer])
    if kernel is not None:
        layer.set_weights([kernel, *layer.get_weights()[1:]])
    (wrapper,) = pruned_layers(prune(model, **options))
    return update(wrapper)[0]


def groups_satisfied(mask, axis, m=2, n=4):
    groups = np.moveaxis(mask, axis, -1).reshape(-1, n)
    return float(np.mean(np.count_nonzero(groups == 0, axis=1) == m))


# Schedules


def test_a_schedule_by_name(keras):
    model = keras.Sequential([keras.layers.Dense(4, input_shape=(4,))])
    options = {"sparsity": 0.75, "begin_step": 10, "end_step": 90, "frequency": 20}
    schedule = pruned_layers(prune_low_magnitude(model, schedule="polynomial", **options))[0]
    assert schedule.pruning_schedule.get_config() == {
        "class_name": "PolynomialDecay",
        "config": {
            "initial_sparsity": 0.0, "final_sparsity": 0.75, "power": 3,
            "begin_step": 10, "end_step": 90, "frequency": 20,
        },
    }  # fmt: skip
    schedule = pruned_layers(prune_low_magnitude(model, sparsity=0.25))[0].pruning_schedule
    assert schedule.get_config()["config"] == {
        "target_sparsity": 0.25, "begin_step": 0, "end_step": -1, "frequency": 100,
    }  # fmt: skip


def test_layers_share_the_schedule_of_tfmot_that_is_given(conv_model, theirs):
    schedule = theirs.ConstantSparsity(0.3, 5)
    for word in ("schedule", "pruning_schedule"):
        found = wrappers(prune_low_magnitude(conv_model, **{word: schedule})).values()
        assert all(wrapper.pruning_schedule is schedule for wrapper in found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "linear"}, "choose one of constant, polynomial"),
        ({"schedule": 3}, "3 is neither a name nor a tfmot PruningSchedule"),
        ({"schedule": "polynomial"}, "needs end_step"),
        ({"schedule": "polynomial", "begin_step": 9, "end_step": 9}, "must be after begin_step"),
        ({"power": 2}, "schedule='constant' has no power"),
        ({"sparsity": 1.0}, "sparsity=1.0: a share of zeros"),
        ({"block_size": (0, 1)}, "at least 1 by 1"),
        ({"block_size": 4}, "must be two whole numbers"),
        ({"sparsity_m_by_n": (4, 2)}, "0 < m < n"),
        ({"sparsity_m_by_n": (2, 4), "sparsity": 0.7}, "makes it 0.5"),
        ({"sparsity_m_by_n": (2, 4), "block_size": (4, 1)}, "choose one of the two"),
        ({"overrides": {"conv": {"sparseness": 1}}}, r"unknown settings \['sparseness'\]"),
        ({"overrides": {"conv": 0.5}}, "settings are a dict"),
        ({"overrides": {"konv": {}}}, "no layer 'konv'; did you mean 'conv'"),
        ({"overrides": {"x_*": {}}}, r"no layer 'x_\*'"),
        ({"overrides": {int: {}}}, "int is not a layer class"),
        ({"overrides": {"conv": {"sparsity": 2.0}}}, "sparsity=2.0: a share of zeros"),
        ({"overrides": "conv"}, "overrides='conv': a dict of"),
        (
            {"overrides": {lambda x: x.units > 3: {}}},
            r"<lambda> fails for .* 'rescale' .*units",
        ),
        ({"skip": lambda x: x.units > 3}, r"the predicate <lambda> fails for the Rescaling"),
        ({"sparsity": 50}, "^sparsity=50: .* for 50 % say 0.5$"),
        ({"sparsity": 1}, "^sparsity=1: a share of zeros, from 0 to less than 1$"),
        ({"sparsity": float("nan")}, "sparsity=nan: a share"),
        (
            {"schedule": "polynomial", "initial_sparsity": -1, "end_step": 9},
            "^initial_sparsity=-1: a share of zeros",
        ),
        ({"pruning_schedule": None}, "schedule: None is neither .* leave it out"),
        ({"schedule": None}, "schedule: None is neither .* leave it out"),
        ({"overrides": {"conv": {"pruning_schedule": None}}}, "schedule: None is neither"),
        ({"end_step": 12.8}, "end_step=12.8: must be a whole number of steps"),
        ({"frequency": 2.5}, "frequency=2.5: must be a whole number of steps"),
        ({"begin_step": True}, "begin_step=True: must be a number"),
        ({"sparsity": "0.5"}, "sparsity='0.5': must be a number"),
        ({"block_size": "41"}, "must be two whole numbers"),
        ({"policy": "speed"}, "choose one of latency-xnnpack"),
        ({"policy": object()}, "has no methods allow_pruning and"),
    ],
)
def test_options_that_make_no_sense(conv_model, options, message):
    with pytest.raises(ConfigError, match=message):
        prune_low_magnitude(conv_model, **options)


def test_words_for_the_same_thing_and_a_schedule_said_twice(conv_model, theirs):
    schedule = theirs.ConstantSparsity(0.3, 5)
    for options in (
        {"schedule": "constant", "pruning_schedule": schedule},
        {"policy": "latency-xnnpack", "pruning_policy": "latency-xnnpack"},
    ):
        with pytest.raises(ConfigError, match="two words for one thing"):
            prune_low_magnitude(conv_model, **options)
    with pytest.raises(ConfigError, match="sparsity: set in the schedule object"):
        prune_low_magnitude(conv_model, schedule=schedule, sparsity=0.5)


def test_a_schedule_reaches_its_end_whatever_the_frequency(keras, theirs):
    """tfmot updates at steps 4 and 8 only, and never asks for the final sparsity."""
    schedule = theirs.PolynomialDecay(0.0, 0.75, begin_step=0, end_step=10, frequency=4)
    shares = {}
    for name, prune in (("ours", prune_low_magnitude), ("tfmot", theirs.prune_low_magnitude)):
        model = keras.Sequential([keras.layers.Dense(16, input_shape=(16,))])
        (wrapper,) = pruned_layers(prune(model, pruning_schedule=schedule))
        for step in range(1, 13):
            (mask,) = update(wrapper, step)
        shares[name] = 1 - mask.mean()
    assert shares["ours"] == 0.75
    assert shares["tfmot"] < 0.75


def test_unprune_tells_of_a_training_too_short_to_prune(keras, rng):
    """tfmot #973: the first update is at step 100."""
    model = keras.Sequential([keras.layers.Dense(4, input_shape=(4,))], name="short")
    pruned = prune_low_magnitude(model)
    pruned.compile("sgd", "mse", run_eagerly=True)
    x = rng.normal(size=(4, 4)).astype("float32")
    pruned.fit(x, x, verbose=0, callbacks=get_pruning_callbacks())
    with pytest.warns(UserWarning, match=r"'short' was trained for 1 steps.*first at step 100"):
        unprune(pruned)


def fitted(keras, pruned, steps=2):
    pruned.compile("sgd", "mse", run_eagerly=True)
    x = np.ones((4, int(pruned.input_shape[-1])), "float32")
    y = np.ones((4, int(pruned.output_shape[-1])))
    pruned.fit(x, y, epochs=steps, verbose=0, callbacks=get_pruning_callbacks())
    return pruned


def test_unprune_names_the_layers_that_were_not_pruned_yet(keras):
    layers = keras.layers
    model = keras.Sequential(
        [layers.Dense(8, input_shape=(8,), name="a"), layers.Dense(8, name="b")]
    )
    options = {"frequency": 1000, "overrides": {"b": {"frequency": 1}}}
    with pytest.warns(UserWarning, match=r"masks of a were never updated: .* every 1000 steps, fi"):
        unprune(fitted(keras, prune_low_magnitude(model, **options)))
    many = keras.Sequential([layers.Dense(2, input_shape=(2,)), *map(layers.Dense, [2] * 11)])
    with pytest.warns(UserWarning, match="and 4 more were never updated"):
        unprune(fitted(keras, prune_low_magnitude(many)))


@pytest.mark.parametrize(
    "options",
    [
        {"sparsity_m_by_n": (2, 4)},
        {"begin_step": 2},
        {"schedule": "polynomial", "end_step": 2},
        {"frequency": 2},
    ],
)
def test_unprune_does_not_warn_of_masks_that_were_updated(keras, options):
    model = keras.Sequential([keras.layers.Dense(8, input_shape=(8,))])
    if "sparsity_m_by_n" in options:  # zeros already: the threshold of such a mask is 0
        model = sparsify(model, **options)
    pruned = fitted(keras, prune_low_magnitude(model, **options))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = unprune(pruned)
    assert np.mean(plain.layers[0].kernel.numpy() == 0) == 0.5


def test_unprune_of_a_model_that_was_mirrored(keras, rng):
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = keras.Sequential([keras.layers.Dense(4, input_shape=(4,))])
        pruned = prune_low_magnitude(model, frequency=1)
        pruned.compile("sgd", "mse")
    x = rng.normal(size=(8, 4)).astype("float32")
    pruned.fit(x, x, verbose=0, callbacks=get_pruning_callbacks())
    assert np.mean(unprune(pruned).layers[0].kernel.numpy() == 0) == 0.5


# Options per layer


def test_overrides_by_pattern_class_and_predicate(keras, nested_model):
    layers = keras.layers
    overrides = {
        layers.Layer: {"sparsity": 0.1},
        layers.Dense: {"sparsity": 0.2, "frequency": 7},
        lambda layer: layer.name == "logits": {"sparsity": 0.3},
        "inner/*": {"sparsity_m_by_n": (2, 4)},
    }

    def sparsities(**options):
        found = wrappers(prune_low_magnitude(nested_model, sparsity=0.9, **options))
        return {name: w.pruning_schedule.target_sparsity for name, w in found.items()}

    assert sparsities() == {"conv": 0.9, "logits": 0.9}
    assert sparsities(overrides=overrides) == {"conv": 0.5, "logits": 0.3}
    del overrides["inner/*"]
    assert sparsities(overrides=overrides) == {"conv": 0.1, "logits": 0.3}
    assert sparsities(overrides={"logits": None, **overrides}) == {"conv": 0.1, "logits": 0.9}
    found = wrappers(prune_low_magnitude(nested_model, overrides={layers.Dense: {"frequency": 7}}))
    assert found["logits"].pruning_schedule.frequency == 7
    assert found["conv"].pruning_schedule.frequency == 100


def test_an_override_takes_the_place_of_a_pattern_or_a_schedule_object(keras, theirs):
    layers = keras.layers
    model = keras.Sequential(
        [layers.Dense(8, input_shape=(8,), name="a"), layers.Dense(8, name="b")]
    )
    found = wrappers(
        prune_low_magnitude(model, sparsity_m_by_n=(2, 4), overrides={"b": {"block_size": (2, 2)}})
    )
    assert (found["a"].sparsity_m_by_n, found["a"].block_size) == ((2, 4), (1, 1))
    assert (found["b"].sparsity_m_by_n, found["b"].block_size) == (None, (2, 2))
    schedule = theirs.ConstantSparsity(0.3, 5)
    overrides = {"b": {"sparsity": 0.6}}
    found = wrappers(prune_low_magnitude(model, schedule=schedule, overrides=overrides))
    assert found["a"].pruning_schedule is schedule
    assert found["b"].pruning_schedule.target_sparsity == 0.6


# What is pruned


def test_depthwise_kernels_are_pruned_on_request(keras, rng, reloaded):
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.DepthwiseConv2D(3, input_shape=(8, 8, 4), name="depthwise"),
            layers.SeparableConv2D(4, 3, name="separable"),
        ]
    )
    assert list(wrappers(prune_low_magnitude(model))) == ["separable"]
    pruned = prune_low_magnitude(model, depthwise=True, frequency=1)
    found = wrappers(pruned)
    assert {name: [1 - m.mean() for m in update(w)] for name, w in found.items()} == {
        "depthwise": [0.5],
        "separable": [0.5, 0.5],
    }
    x = rng.normal(size=(2, 8, 8, 4)).astype("float32")
    pruned(x)  # masks are applied at every call
    np.testing.assert_array_equal(reloaded(pruned, ".keras")(x), pruned(x))
    some = prune_low_magnitude(model, overrides={"depth*": {"depthwise": True}})
    assert [len(w.pruning_vars) for w in wrappers(some).values()] == [1, 1]


def test_attention_and_wrapped_layers(keras, rng, reloaded):
    layers = keras.layers
    inputs = keras.Input((5, 8))
    x = layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    x = layers.TimeDistributed(layers.Dense(8), name="each")(x)
    model = keras.Model(inputs, layers.Bidirectional(layers.GRU(3), name="both")(x))
    pruned = prune_low_magnitude(model, frequency=1)
    data = rng.normal(size=(2, 5, 8)).astype("float32")
    np.testing.assert_array_equal(pruned(data), model(data))
    found = wrappers(pruned)
    assert {n: len(w.pruning_vars) for n, w in found.items()} == {
        "attention": 4, "each": 1, "both": 4,
    }  # fmt: skip
    assert all(np.isclose(m.mean(), 0.5, atol=0.03) for w in found.values() for m in update(w))
    pruned(data)
    for suffix in (".h5", ".keras"):
        np.testing.assert_array_equal(reloaded(pruned, suffix)(data), pruned(data))
    assert len(unprune(pruned).weights) == len(model.weights)


def test_a_layer_without_kernels_until_it_is_called_is_named(keras):
    wrapper = prune_low_magnitude(keras.layers.MultiHeadAttention(2, 4, name="attention"))
    with pytest.raises(ConfigError, match="attention: a MultiHeadAttention has no kernels before"):
        wrapper.build((None, 5, 8))


def test_positional_arguments_reach_the_layer(keras, rng, theirs):
    """tfmot's wrapper takes the second one for `training`."""
    attention = keras.layers.MultiHeadAttention(2, 4)
    query, value = rng.normal(size=(2, 3, 5, 8)).astype("float32")
    expected = attention(query, value)
    np.testing.assert_array_equal(PruneLowMagnitude(attention)(query, value), expected)
    wrapper = theirs.prune_low_magnitude(attention)
    with pytest.raises((TypeError, ValueError)):
        wrapper(query, value)


# m by n


KINDS = {
    "Dense": ((8,), {"units": 8}, 0),
    "Conv1D": ((6, 8), {"filters": 8, "kernel_size": 3}, 1),
    "Conv2D": ((6, 6, 8), {"filters": 8, "kernel_size": 3}, 2),
    "Conv2DTranspose": ((6, 6, 8), {"filters": 12, "kernel_size": 3}, 3),
    "SeparableConv2D": ((6, 6, 8), {"filters": 8, "kernel_size": 3}, 2),
    "EinsumDense": ((3, 8), {"equation": "abc,dc->abd", "output_shape": (None, 4)}, 1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_two_of_four_along_the_inputs(keras, kind):
    shape, options, axis = KINDS[kind]
    layer = getattr(keras.layers, kind)(input_shape=shape, **options)
    mask = mask_of(keras, prune_low_magnitude, layer, sparsity_m_by_n=(2, 4))
    assert mask.shape[axis] == 8
    assert groups_satisfied(mask, axis) == 1.0


@pytest.mark.parametrize("kind", ["Dense", "Conv2D"])
def test_two_of_four_zeroes_the_same_values_as_tfmot(keras, kind, rng, theirs):
    shape, options, _ = KINDS[kind]
    masks = []
    for prune in (prune_low_magnitude, theirs.prune_low_magnitude):
        layer = getattr(keras.layers, kind)(
            input_shape=shape, kernel_initializer=keras.initializers.GlorotUniform(1), **options
        )
        masks.append(mask_of(keras, prune, layer, sparsity_m_by_n=(2, 4)))
    np.testing.assert_array_equal(*masks)


def test_tfmot_counts_a_transposed_convolution_along_its_outputs_and_refuses_others(keras, theirs):
    """What `test_two_of_four_along_the_inputs` passes on."""
    shape, options, axis = KINDS["Conv2DTranspose"]
    layer = keras.layers.Conv2DTranspose(input_shape=shape, **options)
    mask = mask_of(keras, theirs.prune_low_magnitude, layer, sparsity_m_by_n=(2, 4))
    assert groups_satisfied(mask, axis) < 0.9
    shape, options, _ = KINDS["Conv1D"]
    layer = keras.layers.Conv1D(input_shape=shape, **options)
    with pytest.raises(ValueError, match="is not supported"):
        mask_of(keras, theirs.prune_low_magnitude, layer, sparsity_m_by_n=(2, 4))


def test_tfmot_forgets_two_of_four_on_the_way_through_a_file(keras, theirs, tmp_path, reloaded):
    def build():
        return keras.Sequential([keras.layers.Dense(8, input_shape=(8,))])

    ours = prune_low_magnitude(build(), sparsity_m_by_n=(2, 4))
    for suffix in (".h5", ".keras"):
        assert pruned_layers(reloaded(ours, suffix))[0].sparsity_m_by_n == (2, 4)
    model = theirs.prune_low_magnitude(build(), sparsity_m_by_n=(2, 4))
    model.save(tmp_path / "theirs.h5")
    with theirs.prune_scope():
        loaded = keras.models.load_model(tmp_path / "theirs.h5")
    assert pruned_layers(loaded)[0].sparsity_m_by_n is None


def test_the_last_group_may_be_short(keras):
    layer = keras.layers.Dense(5, input_shape=(7,), use_bias=False)
    kernel = np.arange(1.0, 36.0, dtype="float32").reshape(7, 5)
    mask = mask_of(keras, prune_low_magnitude, layer, kernel, sparsity_m_by_n=(2, 4))
    np.testing.assert_array_equal(mask[:, 0], [0, 0, 1, 1, 0, 1, 1])


def test_two_of_four_waits_for_begin_step(keras):
    model = keras.Sequential([keras.layers.Dense(8, input_shape=(8,))])
    (wrapper,) = pruned_layers(prune_low_magnitude(model, sparsity_m_by_n=(1, 4), begin_step=3))
    assert [float(1 - update(wrapper, step)[0].mean()) for step in (1, 2, 3)] == [0.0, 0.0, 0.25]


# Masks


def test_masks_are_tfmots_where_no_two_values_are_equal(keras, rng, theirs):
    kernel = rng.normal(size=(37, 23)).astype("float32")
    for sparsity in (0.0, 0.3, 0.99):
        schedule = theirs.ConstantSparsity(sparsity, 0, frequency=1)
        masks = [
            mask_of(
                keras,
                prune,
                keras.layers.Dense(23, input_shape=(37,)),
                kernel,
                pruning_schedule=schedule,
            )
            for prune in (prune_low_magnitude, theirs.prune_low_magnitude)
        ]
        np.testing.assert_array_equal(*masks)


def test_equal_magnitudes_are_pruned_too(keras, theirs):
    """tfmot keeps all that equal the threshold: here, everything."""
    kernel = np.ones((4, 6), "float32")
    options = {"pruning_schedule": theirs.ConstantSparsity(0.5, 0, frequency=1)}
    means = [
        mask_of(keras, prune, keras.layers.Dense(6, input_shape=(4,)), kernel, **options).mean()
        for prune in (prune_low_magnitude, theirs.prune_low_magnitude)
    ]
    assert means == [0.5, 1.0]


def test_a_million_values_to_the_exact_share():
    import tensorflow as tf

    from optim.pruning.masks import magnitude_mask

    values = np.random.default_rng(0).laplace(size=1_000_003).astype("float32")
    values[:300_000] = 0.5  # many equal ones, around the threshold
    threshold, mask = magnitude_mask(tf.constant(values), 0.4)
    kept = np.sort(np.abs(values))[::-1]
    assert int(np.count_nonzero(mask)) == 600_002
    assert float(threshold) == kept[600_001]
    assert np.abs(values[mask.numpy()]).min() >= np.abs(values[~mask.numpy()]).max()


@pytest.mark.parametrize("pooling", ["AVG", "MAX"])
def test_blocks_that_divide_the_kernel_are_tfmots(keras, rng, theirs, pooling):
    kernel = rng.normal(size=(12, 8)).astype("float32")
    options = {
        "pruning_schedule": theirs.ConstantSparsity(0.5, 0, frequency=1),
        "block_size": (3, 2),
        "block_pooling_type": pooling,
    }
    masks = [
        mask_of(keras, prune, keras.layers.Dense(8, input_shape=(12,)), kernel, **options)
        for prune in (prune_low_magnitude, theirs.prune_low_magnitude)
    ]
    np.testing.assert_array_equal(*masks)
    assert set(masks[0].reshape(4, 3, 4, 2).sum(axis=(1, 3)).flat) == {0, 6}


def test_blocks_over_the_edge_are_the_ones_that_were_scored(keras, theirs):
    """tfmot scores rows 0-2 and 3-4, and masks rows 0-3."""
    kernel = np.full((5, 8), 0.1, "float32")
    kernel[:4] = 1.0
    kernel[4] = 2.0
    options = {
        "pruning_schedule": theirs.ConstantSparsity(0.5, 0, frequency=1),
        "block_size": (4, 1),
    }
    ours, tfmots = (
        mask_of(keras, prune, keras.layers.Dense(8, input_shape=(5,)), kernel, **options)
        for prune in (prune_low_magnitude, theirs.prune_low_magnitude)
    )
    np.testing.assert_array_equal(ours[:, 0], [0, 0, 0, 0, 1])
    kernel[3:] = 3.0
    kernel[:3] = 1.0
    kernel[4] = 0.5  # the block of rows 0-3 is 1.5 on average, that of row 4 is 0.5
    ours, tfmots = (
        mask_of(keras, prune, keras.layers.Dense(8, input_shape=(5,)), kernel, **options)
        for prune in (prune_low_magnitude, theirs.prune_low_magnitude)
    )
    np.testing.assert_array_equal(ours[:, 0], [1, 1, 1, 1, 0])
    np.testing.assert_array_equal(tfmots[:, 0], [0, 0, 0, 0, 1])


def test_blocks_of_a_convolution(keras, theirs, reloaded):
    layer = keras.layers.Conv2D(8, 3, input_shape=(6, 6, 4))
    mask = mask_of(keras, prune_low_magnitude, layer, block_size=(1, 4), frequency=1)
    blocks = mask.reshape(3, 3, 4, 2, 4).sum(axis=-1)
    assert set(blocks.flat) == {0, 4}
    assert blocks.mean() == 2.0
    model = keras.Sequential([keras.layers.Conv2D(8, 3, input_shape=(6, 6, 4))])
    loaded = reloaded(prune_low_magnitude(model, block_size=(1, 4)), ".keras")
    assert pruned_layers(loaded)[0].block_size == (1, 4)
    with pytest.raises(ValueError, match="2-dimensional"):
        theirs.prune_low_magnitude(model, block_size=(1, 4))


def test_lists_and_numbers_of_numpy(keras):
    """As configurations in JSON or YAML, and arithmetic, give them."""
    layers = keras.layers
    model = keras.Sequential(
        [layers.Dense(8, input_shape=(8,), name="a"), layers.Dense(8, name="b")]
    )
    found = wrappers(
        prune_low_magnitude(
            model, sparsity_m_by_n=[2, 4], overrides={"b": {"block_size": [np.int64(4), 1]}}
        )
    )
    assert (found["a"].sparsity_m_by_n, found["b"].block_size) == ((2, 4), (4, 1))
    options = {"sparsity": np.float32(0.75), "end_step": np.int64(9), "begin_step": 3.0}
    schedule = wrappers(prune_low_magnitude(model, **options))["a"].pruning_schedule
    config = schedule.get_config()["config"]
    assert config == {
        "target_sparsity": 0.75, "begin_step": 3, "end_step": 9, "frequency": 100,
    }  # fmt: skip
    assert {type(config[name]) for name in ("begin_step", "end_step")} == {int}
    assert wrappers(prune_low_magnitude(model, block_size=np.array([4, 1])))["a"].block_size


# Models that are not built


def test_a_model_that_fit_builds_is_pruned(keras, theirs, rng):
    x = rng.normal(size=(8, 4)).astype("float32")
    pruned = prune_low_magnitude(keras.Sequential([keras.layers.Dense(4)]), frequency=1)
    pruned.compile("sgd", "mse")
    pruned.fit(x, x, epochs=3, batch_size=4, verbose=0, callbacks=get_pruning_callbacks())
    (wrapper,) = pruned_layers(pruned)
    assert int(wrapper.pruning_step) == 6
    assert sparsity_report(pruned).total.sparsity == 0.5
    pruned.fit(x, x, verbose=0, callbacks=get_pruning_callbacks())
    assert int(wrapper.pruning_step) == 7
    tfmots = keras.Sequential([theirs.prune_low_magnitude(keras.layers.Dense(4))])
    tfmots.compile("sgd", "mse")
    with pytest.raises(UnsupportedModelError, match="build the model first"):
        tfmots.fit(x, x, verbose=0, callbacks=get_pruning_callbacks())


def test_what_needs_kernels_says_that_there_are_none_yet(keras):
    for use in (sparsify, sparsity_report):
        with pytest.raises(UnsupportedModelError, match=r"later: is not built.*-> build the model"):
            use(keras.Sequential([keras.layers.Dense(4)], name="later"))


# Layers inside layers


@pytest.fixture
def frames(keras):
    """A network for each frame, and a model of a class of its own."""
    layers = keras.layers

    class Head(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = layers.Dense(6, name="inside")

        def call(self, inputs):
            return self.dense(inputs)

        def get_config(self):
            return {"name": self.name}

    block = keras.Sequential([layers.SeparableConv2D(4, 3, name="sep")], name="block")
    network = keras.Sequential(
        [layers.Conv2D(4, 3, input_shape=(8, 8, 2), name="conv"), block, layers.Flatten()]
    )
    inputs = keras.Input((3, 8, 8, 2))
    x = layers.TimeDistributed(network, name="each")(inputs)
    x = Head(name="head")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(2, name="last")(x))


def test_networks_inside_layers_are_pruned_and_the_rest_is_named(frames, rng):
    x = rng.normal(size=(2, 3, 8, 8, 2)).astype("float32")
    with pytest.warns(UserWarning, match=r"left alone are the layers inside head \(Head\)"):
        pruned = prune_low_magnitude(frames, frequency=1)
    np.testing.assert_allclose(pruned(x), frames(x), rtol=1e-5, atol=1e-6)
    found = wrappers(pruned)
    assert {name: len(w.pruning_vars) for name, w in found.items()} == {"each": 2, "last": 1}
    assert all(mask.mean() == 0.5 for w in found.values() for mask in update(w))
    plain = unprune(pruned)
    np.testing.assert_allclose(plain(x), pruned(x), rtol=1e-5, atol=1e-6)
    for model in (pruned, plain):
        report = sparsity_report(model)
        sparsity = {f"{k.layer} {k.kernel}": k.sparsity for k in report.kernels}
        assert sparsity == {
            "each layer.layers.0.kernel": 0.5,
            "each layer.layers.1.layers.0.pointwise_kernel": 0.5,
            sorted(k for k in sparsity if "depthwise" in k)[0]: 0.0,
            "head inside.kernel": 0.0,
            "last kernel": 0.5,
        }
        assert report.total.size == sum(
            int(np.prod(w.shape)) for w in frames.weights if len(w.shape) > 1
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sparsify(frames, skip="head")


def test_what_is_declared_of_a_class_has_to_be_there(keras, monkeypatch):
    class Block(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.conv = keras.layers.Dense(4, name="conv")

        def build(self, shape):
            self.conv.build(shape)
            super().build(shape)

        def call(self, inputs):
            return self.conv(inputs)

    monkeypatch.setattr("optim.pruning.wrapper.PRUNABLE", PRUNABLE.copy())
    model = keras.Sequential([keras.Input((4,)), Block(name="block"), keras.layers.Dense(4)])
    with pytest.warns(UserWarning, match=r"inside block \(Block\); name their kernels"):
        prune_low_magnitude(model)
    register_prunable(Block, ["conv"])
    with pytest.raises(ConfigError, match=r"'conv' of a Block is a layer; .* 'conv\.kernel'"):
        prune_low_magnitude(model)
    register_prunable(Block, ["con.kernel"])
    with pytest.raises(ConfigError, match=r"Block has not the weights .* attribute 'con'"):
        prune_low_magnitude(model)
    for declared, count in ((["conv.kernel"], 2), ([], 1)):
        register_prunable(Block, declared)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(pruned_layers(prune_low_magnitude(model))) == count


def test_a_kernel_without_values_is_left_as_it_is(keras):
    layers = keras.layers
    model = keras.Sequential([layers.Dense(4, input_shape=(0,)), layers.Dense(4, name="b")])
    for options in ({}, {"block_size": (2, 1)}, {"sparsity_m_by_n": (2, 4)}):
        plain = sparsify(model, **options)
        assert np.mean(plain.get_layer("b").kernel.numpy() == 0) == 0.5


# Recurrent states


def test_states_are_reset_through_the_wrapper(keras, rng):
    layer = keras.layers.LSTM(4, stateful=True, batch_input_shape=(2, 3, 5))
    pruned = prune_low_magnitude(keras.Sequential([layer]))
    x = rng.normal(size=(2, 3, 5)).astype("float32")
    first, second = pruned.predict(x, verbose=0), pruned.predict(x, verbose=0)
    assert np.abs(first - second).max() > 0
    pruned.reset_states()
    np.testing.assert_array_equal(pruned.predict(x, verbose=0), first)
