"""`prune_low_magnitude`, `unprune` and what comes with them."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import optim
from optim import get_pruning_callbacks, prune_low_magnitude, register_prunable, unprune
from optim.errors import (
    ConfigError,
    KerasModelError,
    MissingPackageError,
    ModelFileError,
    UnsupportedModelError,
)
from optim.pruning.wrapper import PRUNABLE, PruneLowMagnitude, pruned_layers


@pytest.fixture(scope="module")
def now():
    """A schedule that prunes half of each kernel at the first step."""
    from optim._keras import tfmot

    return {"pruning_schedule": tfmot.sparsity.keras.ConstantSparsity(0.5, 0, frequency=1)}


def train(model, x, steps=1, **options):
    model.compile("sgd", "mse", run_eagerly=True)
    y = [np.ones(output.shape) for output in _list(model(x))]
    return model.fit(
        x, y, epochs=steps, batch_size=len(x), verbose=0, callbacks=get_pruning_callbacks()
    )


def _list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def pruned_names(model):
    return [wrapper.layer.name for wrapper in pruned_layers(model)]


def sparsity(model):
    return [
        float(np.mean(weight.numpy() == 0))
        for wrapper in pruned_layers(model)
        for weight, _, _ in wrapper.pruning_vars
    ]


# What is wrapped


def test_only_layers_with_a_prunable_kernel_are_wrapped(conv_model, photos):
    pruned = prune_low_magnitude(conv_model)
    assert pruned_names(pruned) == ["conv", "gate", "logits"]
    assert [type(x).__name__ for x in pruned.layers if not isinstance(x, PruneLowMagnitude)] == [
        type(x).__name__ for x in conv_model.layers if x.name not in ("conv", "gate", "logits")
    ]
    np.testing.assert_array_equal(pruned(photos), conv_model(photos))


def test_nested_models_are_pruned_inside_and_stay_nested(keras, nested_model, photos, now):
    pruned = prune_low_magnitude(nested_model, **now)
    inner = pruned.get_layer("inner")
    stem = inner.get_layer("stem")
    assert isinstance(stem, keras.Sequential)
    assert [x.name for x in stem.layers] == ["prune_low_magnitude_conv", "norm"]
    assert pruned_names(pruned) == ["conv", "logits"]
    np.testing.assert_array_equal(pruned(photos), nested_model(photos))
    train(pruned, photos)
    assert sparsity(pruned) == [0.5, 0.5]


def test_a_shared_layer_stays_shared(keras, rng, now):
    dense = keras.layers.Dense(4, name="shared")
    inner_input = keras.Input((4,))
    inner = keras.Model(inner_input, dense(inner_input), name="inner")
    inputs = keras.Input((4,))
    first = dense(inputs)
    outputs = [keras.layers.Dense(1)(dense(first)), inner(inner(first))]
    model = keras.Model(inputs, outputs)
    pruned = prune_low_magnitude(model, **now)
    assert len(pruned.weights) == 2 + 2 + 2 * 3  # two Dense layers; masks, thresholds, steps
    x = rng.normal(size=(3, 4)).astype("float32")
    for ours, original in zip(pruned(x), model(x), strict=True):
        np.testing.assert_array_equal(ours, original)
    train(pruned, x)
    assert sparsity(pruned)[0] == 0.5


def test_subclasses_are_pruned_like_their_base_class(keras, tfmot):
    class MyDense(keras.layers.Dense):
        pass

    model = keras.Sequential([MyDense(4, input_shape=(4,), name="mine")])
    with pytest.raises(ValueError, match="supported layer"):
        tfmot.sparsity.keras.prune_low_magnitude(model)
    assert pruned_names(prune_low_magnitude(model)) == ["mine"]


def test_recurrent_kernels_and_masks(keras, rng, now, reloaded):
    layers = keras.layers
    inputs = keras.Input((5,))
    x = layers.Embedding(10, 4, mask_zero=True)(inputs)
    x = layers.LSTM(3, return_sequences=True)(x)
    x = layers.RNN([layers.GRUCell(3), layers.SimpleRNNCell(2)])(x)
    model = keras.Model(inputs, layers.Dense(2)(x))
    pruned = prune_low_magnitude(model, **now)
    tokens = rng.integers(0, 4, (8, 5))
    np.testing.assert_array_equal(pruned(tokens), model(tokens))  # the mask passes the wrappers
    train(pruned, tokens)
    assert len(sparsity(pruned)) == 1 + 2 + 4 + 1
    assert min(sparsity(pruned)) > 0.4
    np.testing.assert_array_equal(reloaded(pruned, ".h5")(tokens), pruned(tokens))


def test_a_layer_or_a_list_of_layers(keras, now):
    dense, relu = keras.layers.Dense(2), keras.layers.ReLU()
    assert prune_low_magnitude(relu) is relu
    wrapper = prune_low_magnitude(dense, **now)
    assert isinstance(wrapper, PruneLowMagnitude)
    assert wrapper.layer is dense
    assert wrapper.pruning_schedule is now["pruning_schedule"]
    assert prune_low_magnitude(wrapper) is wrapper
    one, two = prune_low_magnitude([keras.layers.Dense(2), relu])
    assert isinstance(one, PruneLowMagnitude)
    assert two is relu
    named = prune_low_magnitude(keras.layers.Dense(2), input_shape=(3,))
    assert keras.Sequential([named]).built


def test_pruning_twice_changes_nothing(conv_model, photos, now):
    pruned = prune_low_magnitude(conv_model, **now)
    train(pruned, photos)
    again = prune_low_magnitude(pruned)
    assert [x.name for x in again.layers] == [x.name for x in pruned.layers]
    for ours, before in zip(again.weights, pruned.weights, strict=True):
        np.testing.assert_array_equal(ours, before)


# What is left alone


@pytest.mark.parametrize(
    ("skip", "expected"),
    [
        ("conv", ["logits"]),
        ("inner/stem/conv", ["logits"]),
        ("inner/*", ["logits"]),
        (["conv", "logi*"], []),
        (("resc*", lambda layer: getattr(layer, "units", 0) == 2), ["conv"]),
    ],
)
@pytest.mark.filterwarnings("ignore:prune_low_magnitude. no layer")
def test_skip(nested_model, skip, expected):
    assert pruned_names(prune_low_magnitude(nested_model, skip=skip)) == expected


def test_skip_a_layer_class(keras, nested_model):
    assert pruned_names(prune_low_magnitude(nested_model, skip=keras.layers.Conv2D)) == ["logits"]
    layer = keras.layers.Dense(1)
    assert prune_low_magnitude(layer, skip=keras.layers.Dense) is layer


def test_skip_of_a_layer_that_is_not_there_names_the_nearest(nested_model):
    with pytest.raises(ConfigError, match="no layer 'logit'; did you mean 'logits'"):
        prune_low_magnitude(nested_model, skip="logit")
    with pytest.raises(ConfigError, match="3 is neither a name"):
        prune_low_magnitude(nested_model, skip=[3])


def test_a_model_in_which_nothing_is_pruned_is_worth_a_warning(keras):
    model = keras.Sequential([keras.layers.ReLU(input_shape=(4,))], name="idle")
    with pytest.warns(UserWarning, match="no layer of 'idle' is pruned"):
        assert prune_low_magnitude(model).layers[0].name == model.layers[0].name


def test_exceptions_can_be_registered(keras, monkeypatch):
    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(name="table", shape=(shape[-1], 4))

        def call(self, inputs):
            return inputs @ self.table

    class Precise(keras.layers.Dense):
        pass

    monkeypatch.setattr("optim.pruning.wrapper.PRUNABLE", PRUNABLE.copy())
    layers = [keras.layers.Dense(4, name="a"), Scale(name="b"), Precise(4, name="c")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    assert pruned_names(prune_low_magnitude(model)) == ["a", "c"]
    assert register_prunable(Scale, ["table"]) is Scale
    register_prunable(Precise, [])
    pruned = prune_low_magnitude(model)
    assert pruned_names(pruned) == ["a", "b"]
    assert pruned_layers(pruned)[1].pruning_vars[0][0] is pruned_layers(pruned)[1].layer.table
    with pytest.raises(ConfigError, match="not a layer class"):
        register_prunable(int)
    with pytest.raises(ConfigError, match="weights of Scale must be names"):
        register_prunable(Scale, [1])
    with pytest.raises(ConfigError, match="Twice has no prunable weights"):
        PruneLowMagnitude(type("Twice", (keras.layers.Layer,), {})())


def test_a_layer_that_names_its_own_prunable_weights(keras, tfmot):
    class Own(keras.layers.Dense, tfmot.sparsity.keras.PrunableLayer):
        def get_prunable_weights(self):
            return [self.bias]

    pruned = prune_low_magnitude(keras.Sequential([Own(3, input_shape=(2,))]))
    ((weight, _, _),) = pruned_layers(pruned)[0].pruning_vars
    assert weight.shape == (3,)


def test_a_policy_is_asked(keras, conv_model, tfmot):
    class OnlyDense(tfmot.sparsity.keras.PruningPolicy):
        def allow_pruning(self, layer):
            return isinstance(layer, keras.layers.Dense)

        def ensure_model_supports_pruning(self, model):
            self.asked = model.name

    policy = OnlyDense()
    assert pruned_names(prune_low_magnitude(conv_model, pruning_policy=policy)) == ["logits"]
    assert policy.asked == "small"


# Errors


def test_what_cannot_be_pruned(keras, conv_model):
    class Subclassed(keras.Model):
        pass

    with pytest.raises(
        UnsupportedModelError, match=r"mine: has no graph of layers to read: it was never built"
    ):
        prune_low_magnitude(Subclassed(name="mine"))
    with pytest.raises(KerasModelError, match=r"got builtins\.int"):
        prune_low_magnitude(5)
    with pytest.raises(ModelFileError, match=r"no model file at 'model.h5'"):
        prune_low_magnitude("model.h5")
    with pytest.raises(TypeError, match=r"unknown arguments.*\['sparseness'\]"):
        prune_low_magnitude(conv_model, sparseness=0.5)
    with pytest.raises(ValueError, match="Unsupported pooling type 'MIN'"):
        prune_low_magnitude(conv_model, block_pooling_type="MIN")


def test_all_layers_that_cannot_be_copied_are_named(keras):
    class Opaque(keras.layers.Layer):
        def __init__(self, thing, **kwargs):
            super().__init__(**kwargs)
            self.thing = thing

        def build(self, shape):
            self.scale = self.add_weight(name="scale", shape=())

        def call(self, inputs):
            return inputs * self.scale

    locks = [threading.Lock(), threading.Lock()]  # what no copy can be made of
    layers = [Opaque(lock, name=name) for lock, name in zip(locks, "ab", strict=True)]
    model = keras.Sequential([keras.Input((2,)), *layers], name="m")
    with pytest.raises(UnsupportedModelError, match="2 problem") as caught:
        prune_low_magnitude(model)
    assert [problem.layer for problem in caught.value.problems] == ["a", "b"]
    assert "get_config()" in caught.value.problems[0].remedy


def test_a_layer_whose_config_forgets_its_size_is_named(keras):
    class Forgetful(keras.layers.Layer):
        def __init__(self, size=1, **kwargs):
            super().__init__(**kwargs)
            self.size = size

        def build(self, shape):
            self.scale = self.add_weight(name="scale", shape=(self.size, shape[-1]))

        def call(self, inputs):
            return inputs + keras.backend.sum(self.scale, axis=0)

        def get_config(self):
            return {"name": self.name}

    model = keras.Sequential([keras.layers.Dense(2, input_shape=(2,)), Forgetful(3, name="f")])
    with pytest.raises(
        UnsupportedModelError, match="f: a Forgetful made from its config has other"
    ):
        prune_low_magnitude(model)


# Training


def test_half_of_each_kernel_becomes_zero_and_the_original_is_left_alone(
    conv_model, photos, now, untouched
):
    check = untouched(conv_model)
    pruned = prune_low_magnitude(conv_model, **now)
    history = train(pruned, photos, steps=2)
    assert np.isfinite(history.history["loss"]).all()
    assert sparsity(pruned) == [0.5, 0.5, 0.5]
    assert int(pruned.get_layer("prune_low_magnitude_conv").pruning_step) == 2
    check()


def test_a_compiled_train_step_does_not_reach_the_original(keras, rng, now, untouched):
    # The copy shares memory with the original until it is changed; XLA updates in place.
    model = keras.Sequential([keras.layers.Dense(64, input_shape=(64,)), keras.layers.Dense(1)])
    check = untouched(model)
    pruned = prune_low_magnitude(model, **now)
    x = rng.normal(size=(8, 64)).astype("float32")
    copy = unprune(prune_low_magnitude(model))
    copy.compile(keras.optimizers.Adam(0.5), "mse", jit_compile=True)
    copy.fit(x, np.ones((8, 1)), verbose=0)
    pruned.compile(keras.optimizers.SGD(0.5), "mse")
    pruned.fit(x, np.ones((8, 1)), verbose=0, callbacks=get_pruning_callbacks())
    assert sparsity(pruned) == [0.5, 0.5]
    assert np.abs(copy.weights[0].numpy() - model.weights[0].numpy()).max() > 0.1
    check()


def test_without_the_callback_fit_says_what_is_missing(conv_model, photos):
    pruned = prune_low_magnitude(conv_model)
    pruned.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(Exception, match="get_pruning_callbacks"):
        pruned.fit(photos, np.ones((4, 2)), verbose=0)


def test_callbacks(tfmot, tmp_path, monkeypatch):
    (update,) = get_pruning_callbacks()
    assert isinstance(update, tfmot.sparsity.keras.UpdatePruningStep)
    with pytest.raises(ConfigError, match="update_freq='often'"):
        get_pruning_callbacks(update_freq="often")
    monkeypatch.setattr("optim._keras._is_installed", lambda module: module == "tensorboard")
    update, summaries = get_pruning_callbacks(tmp_path / "logs")
    assert isinstance(summaries, tfmot.sparsity.keras.PruningSummaries)
    assert summaries.log_dir == str(tmp_path / "logs")
    monkeypatch.setattr("optim._keras._is_installed", lambda module: False)
    with pytest.raises(MissingPackageError, match=r"-m pip install tensorboard`.*\[tensorboard\]"):
        get_pruning_callbacks(tmp_path / "logs")


def test_two_of_four_survives_saving(keras, rng, reloaded):
    model = keras.Sequential([keras.layers.Conv2D(4, 3, input_shape=(6, 6, 8))])
    pruned = prune_low_magnitude(model, sparsity_m_by_n=(2, 4))
    x = rng.normal(size=(2, 6, 6, 8)).astype("float32")
    loaded = reloaded(pruned, ".h5")
    assert pruned_layers(loaded)[0].sparsity_m_by_n == (2, 4)
    train(loaded, x)
    kernel = loaded.layers[0].layer.kernel.numpy()  # groups of four along the input channels
    groups = kernel.transpose(3, 0, 1, 2).reshape(-1, 4)
    assert (np.count_nonzero(groups, axis=1) == 2).all()


def test_blocks_and_patterns_that_a_kernel_cannot_take_are_passed_through(keras):
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Embedding(9, 8, input_length=9, name="table"),
            layers.Conv1D(8, 3, name="rank3"),
            layers.LocallyConnected1D(4, 3, name="local"),
            layers.Dense(2, name="small"),
        ]
    )
    blocks = pruned_names(prune_low_magnitude(model, block_size=(4, 2)))
    assert blocks == ["table", "rank3", "local"]
    assert pruned_names(prune_low_magnitude(model, block_size=(8, 8))) == ["table", "local"]
    assert pruned_names(prune_low_magnitude(model, block_size=(1, 2))) == [*blocks, "small"]
    assert pruned_names(prune_low_magnitude(model, sparsity_m_by_n=(2, 4))) == ["rank3", "small"]


def test_mixed_precision_keeps_the_kernels_precise(keras, rng, now):
    inputs = keras.Input((8,))
    x = keras.layers.Dense(8, dtype="mixed_float16", name="half")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, dtype="float32", name="full")(x))
    pruned = prune_low_magnitude(model, **now)
    assert [x.compute_dtype for x in pruned_layers(pruned)] == ["float16", "float32"]
    x = rng.normal(size=(4, 8)).astype("float32")
    np.testing.assert_array_equal(pruned(x), model(x))
    np.testing.assert_array_equal(  # the mask is applied at every call: not through float16
        pruned_layers(pruned)[0].layer.kernel.numpy(), model.get_layer("half").kernel.numpy()
    )
    train(pruned, x)
    assert sparsity(pruned) == [0.5, 0.5]


# Files


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("which", ["conv_model", "nested_model"])
def test_save_and_load_give_the_same_outputs(request, which, suffix, photos, now, reloaded):
    pruned = prune_low_magnitude(request.getfixturevalue(which), **now)
    train(pruned, photos)
    loaded = reloaded(pruned, suffix)
    np.testing.assert_array_equal(loaded(photos), pruned(photos))
    assert sparsity(loaded) == sparsity(pruned)
    loaded.fit(photos, np.ones((4, 2)), verbose=0, callbacks=get_pruning_callbacks())
    assert int(pruned_layers(loaded)[0].pruning_step) == 2  # goes on where it stopped
    assert not getattr(reloaded(pruned, suffix, compile=False), "_is_compiled", False)


def test_tfmot_reads_our_files_and_we_read_tfmots(keras, tfmot, rng, now, tmp_path):
    sparsity_api = tfmot.sparsity.keras
    model = keras.Sequential(
        [keras.layers.Dense(4, input_shape=(4,)), keras.layers.ReLU(), keras.layers.Dense(2)]
    )
    x = rng.normal(size=(4, 4)).astype("float32")
    ours = prune_low_magnitude(model, **now)
    train(ours, x)
    ours.save(tmp_path / "ours.h5")
    with sparsity_api.prune_scope():
        np.testing.assert_array_equal(keras.models.load_model(tmp_path / "ours.h5")(x), ours(x))
    theirs = sparsity_api.prune_low_magnitude(keras.models.clone_model(model), **now)
    train(theirs, x)
    theirs.save(tmp_path / "theirs.h5")
    loaded = optim.load_model(tmp_path / "theirs.h5")
    np.testing.assert_array_equal(loaded(x), theirs(x))
    assert [type(layer).__name__ for layer in unprune(loaded).layers] == ["Dense", "ReLU", "Dense"]


def test_a_keras_archive_is_read_from_memory(conv_model, tmp_path, monkeypatch, photos):
    import zipfile

    conv_model.save(tmp_path / "model.keras")
    monkeypatch.setattr(zipfile.ZipExtFile, "seek", None)  # what made it slow
    np.testing.assert_array_equal(
        optim.load_model(tmp_path / "model.keras")(photos), conv_model(photos)
    )


def test_an_unregistered_layer_in_a_file_is_named(keras, tmp_path, monkeypatch):
    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(name="table", shape=(shape[-1], 4))

        def call(self, inputs):
            return inputs @ self.table

    with monkeypatch.context() as patch:
        patch.setattr("optim.pruning.wrapper.PRUNABLE", {**PRUNABLE, Scale: ("table",)})
        pruned = prune_low_magnitude(keras.Sequential([keras.Input((4,)), Scale()]))
        pruned.save(tmp_path / "model.h5")
    with pytest.raises(ModelFileError, match=r"Scale has no prunable weights.*register_prunable"):
        optim.load_model(tmp_path / "model.h5", custom_objects={"Scale": Scale})


# unprune


@pytest.mark.parametrize("which", ["conv_model", "nested_model"])
def test_unprune_gives_the_plain_model_with_its_zeros(request, which, photos, now, untouched):
    model = request.getfixturevalue(which)
    pruned = prune_low_magnitude(model, **now)
    train(pruned, photos)
    check = untouched(pruned)
    plain = unprune(pruned)
    assert [x.name for x in plain._flatten_layers()] == [x.name for x in model._flatten_layers()]
    assert [w.shape for w in plain.weights] == [w.shape for w in model.weights]
    np.testing.assert_array_equal(plain(photos), pruned(photos))
    kernels = [w.numpy() for w in plain.weights if "conv/kernel" in w.name]
    assert np.mean(kernels[0] == 0) == 0.5
    check()


def test_unprune_applies_the_masks_that_training_left_open(keras, rng, now):
    model = keras.Sequential([keras.layers.Dense(4, input_shape=(4,))])
    pruned = prune_low_magnitude(model, **now)
    x = rng.normal(size=(4, 4)).astype("float32")
    train(pruned, x)
    pruned.layers[0].layer.kernel.assign_add(np.ones((4, 4)))  # as the last step before a stop
    assert sparsity(pruned) == [0.0]
    assert np.mean(unprune(pruned).layers[0].kernel.numpy() == 0) == 0.5


def test_the_compile_state_goes_there_and_back(keras, rng):
    inputs = keras.Input((4,))
    outputs = [keras.layers.Dense(1, name=name)(inputs) for name in ("left", "right")]
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.SGD(0.25, momentum=0.5),
        {"left": "mse", "right": keras.losses.Huber()},
        metrics={"right": ["mae"]},
        loss_weights=[1.0, 0.5],
    )
    pruned = prune_low_magnitude(model)
    plain = unprune(pruned)
    x, y = rng.normal(size=(8, 4)).astype("float32"), [np.ones((8, 1)), np.ones((8, 1))]
    before, after = (m.evaluate(x, y, verbose=0, return_dict=True) for m in (model, plain))
    assert after == before
    assert "right_mae" in pruned.evaluate(x, y, verbose=0, return_dict=True)
    for other in (pruned, plain):
        assert other.optimizer is not model.optimizer
        assert other.optimizer.get_config() == model.optimizer.get_config()


def test_what_the_config_of_a_model_does_not_hold_is_kept(keras, rng):
    """Frozen parts, adapted statistics, and a model built without an input layer."""
    layers = keras.layers
    frozen = keras.Sequential([layers.Dense(4), layers.Dense(4, name="thawed")], name="frozen")
    model = keras.Sequential([layers.Normalization(), frozen, layers.Dense(1)])
    x = rng.normal(3.0, 2.0, (16, 4)).astype("float32")
    model.layers[0].adapt(x)
    model.build((None, 4))
    frozen.trainable = False
    frozen.get_layer("thawed").trainable = True
    pruned = prune_low_magnitude(model)
    np.testing.assert_array_equal(pruned(x), model(x))
    assert len(pruned.trainable_weights) == len(model.trainable_weights) == 2
    assert pruned.get_layer("frozen").layers[1].trainable


def test_losses_added_in_the_graph_are_kept(keras, rng):
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, activity_regularizer="l2", kernel_regularizer="l1")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.add_loss(0.1 * keras.backend.mean(x))
    pruned = prune_low_magnitude(model)
    data = rng.normal(size=(4, 4)).astype("float32")
    model(data), pruned(data)
    assert sorted(map(float, pruned.losses)) == pytest.approx(sorted(map(float, model.losses)))
    assert len(pruned.losses) == 3


# Whole applications: what is particular to each family is in its small members.

FAMILIES = {
    "ConvNeXtTiny": 58,
    "MobileNetV3Small": 41,
    "RegNetY002": 70,
}


@pytest.mark.parametrize("name", FAMILIES)
def test_applications(keras, name, now, rng, reloaded):
    model = getattr(keras.applications, name)(
        weights=None, include_top=False, input_shape=(None, None, 3)
    )
    x = rng.uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    pruned = prune_low_magnitude(model, **now)
    np.testing.assert_array_equal(pruned(x), model(x))
    assert len(pruned_layers(pruned)) == FAMILIES[name]
    assert [w.name for w in unprune(pruned).weights] == [w.name for w in model.weights]
    train(pruned, x)
    assert min(sparsity(pruned)) > 0.49
    np.testing.assert_array_equal(reloaded(pruned, ".h5")(x), pruned(x))


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ({}, 0.5),
        ({"sparsity": 0.75}, 0.75),
        ({"schedule": "polynomial", "sparsity": 0.8, "begin_step": 3, "end_step": 100}, 0.8),
        ({"sparsity_m_by_n": (2, 4)}, 0.5),
    ],
)
def test_sparsify_needs_no_training(keras, options, share):
    K = keras.layers
    model = keras.Sequential([K.Conv2D(8, 3, input_shape=(8, 8, 4)), K.Flatten(), K.Dense(10)])
    before = [w.numpy() for w in model.weights]
    plain = optim.sparsify(model, **options)
    for old, new, mine in zip(before, plain.weights, model.weights, strict=True):
        np.testing.assert_array_equal(old, mine.numpy())
        new = new.numpy()
        if old.ndim == 1:
            np.testing.assert_array_equal(old, new)
            continue
        assert float((new == 0).mean()) == pytest.approx(share, abs=1 / new.size)
        np.testing.assert_array_equal(new[new != 0], old[new != 0])
        if "sparsity_m_by_n" not in options:
            assert np.abs(old[new == 0]).max() <= np.abs(old[new != 0]).min()
    assert {type(layer) for layer in plain.layers} == {type(layer) for layer in model.layers}
