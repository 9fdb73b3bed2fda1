"""`cluster_weights`, `uncluster`, and the k-means behind them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from optim import ClusterWeights, cluster_weights, prune_low_magnitude, uncluster
from optim.clustering import kmeans
from optim.clustering.kmeans import centroids, nearest
from optim.clustering.wrapper import clustered_layers
from optim.errors import ConfigError, KerasModelError, ModelFileError, UnsupportedModelError


@pytest.fixture(scope="module")
def theirs():
    """tfmot's function, with the options that its public one lacks."""
    from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

    return cluster.cluster_weights


@pytest.fixture
def dense(keras, rng):
    """Half of its kernel is zero; (16,) -> (3,)."""
    model = keras.Sequential(
        [keras.layers.Dense(8, input_shape=(16,), name="a"), keras.layers.Dense(3, name="b")]
    )
    kernel = rng.normal(size=(16, 8)).astype("float32")
    kernel[np.abs(kernel) < np.median(np.abs(kernel))] = 0
    model.layers[0].set_weights([kernel, np.ones(8)])
    return model


def train(model, x, steps=1, run_eagerly=True):
    model.compile("sgd", "mse", run_eagerly=run_eagerly)
    model.fit(x, np.ones(model(x).shape), epochs=steps, batch_size=len(x), verbose=0)


def names(model):
    return [wrapper.layer.name for wrapper in clustered_layers(model)]


def unique(model):
    return [
        len(np.unique(w)) for layer in _leaves(model) for w in layer.get_weights() if w.ndim > 1
    ]


def _leaves(model):
    from optim.models.clone import walk

    return [layer for layer, _ in walk(model)]


# What is clustered


def test_kernels_get_as_few_values_as_asked_for(conv_model, photos, untouched):
    check = untouched(conv_model)
    clustered = cluster_weights(conv_model, 5)
    assert names(clustered) == ["conv", "gate", "logits"]
    before = uncluster(clustered)
    train(clustered, photos)
    plain = uncluster(clustered)
    assert [x.name for x in plain.layers] == [x.name for x in conv_model.layers]
    assert [w.shape for w in plain.weights] == [w.shape for w in conv_model.weights]
    for model, least in ((before, 5), (plain, 1)):
        kernels = [model.get_layer(name).kernel.numpy() for name in names(clustered)]
        assert all(least <= len(np.unique(kernel)) <= 5 for kernel in kernels)
    np.testing.assert_allclose(plain(photos), clustered(photos), rtol=1e-6)
    check()


def test_nested_models_are_clustered_inside_and_stay_nested(keras, nested_model, photos):
    clustered = cluster_weights(nested_model, 4)
    assert names(clustered) == ["conv", "logits"]
    stem = clustered.get_layer("inner").get_layer("stem")
    assert isinstance(stem, keras.Sequential)
    assert stem.layers[0].name == "cluster_conv"
    train(clustered, photos)
    plain = uncluster(clustered)
    assert [x.name for x in plain._flatten_layers()] == [
        x.name for x in nested_model._flatten_layers()
    ]
    assert max(unique(plain)) <= 4


def test_every_kind_of_kernel(keras, rng, reloaded):
    layers = keras.layers
    tokens = keras.Input((3,))
    x = layers.Embedding(10, 8, mask_zero=True, name="table")(tokens)
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="both")(x)
    x = layers.RNN(
        [layers.GRUCell(4), layers.SimpleRNNCell(4)], return_sequences=True, name="stack"
    )(x)
    x = layers.Conv1DTranspose(4, 3, name="up")(x)
    x = layers.LocallyConnected1D(4, 3, name="local")(x)
    x = layers.TimeDistributed(layers.Dense(4), name="each")(x)
    x = layers.EinsumDense("abc,cd->abd", output_shape=(None, 5), name="einsum")(x)
    model = keras.Model(tokens, x)
    clustered = cluster_weights(model, 3)
    assert {w.layer.name: len(w.slots()) for w in clustered_layers(clustered)} == {
        "table": 1, "attention": 4, "both": 4, "stack": 4, "up": 1, "local": 1, "each": 1,
        "einsum": 1,
    }  # fmt: skip
    data = rng.integers(0, 4, (4, 3))
    train(clustered, data)
    plain = uncluster(clustered)
    np.testing.assert_allclose(plain(data), clustered(data), atol=1e-6)
    kernels = [values for w in clustered_layers(clustered) for _, values in w.clustered()]
    assert [len(np.unique(kernel)) for kernel in kernels] == [3] * 17
    np.testing.assert_array_equal(reloaded(clustered, ".keras")(data), clustered(data))


def test_shared_layers_lists_and_single_layers(keras, rng):
    dense = keras.layers.Dense(4, name="shared")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="last")(dense(dense(inputs))))
    clustered = cluster_weights(model, 4)
    assert names(clustered) == ["shared", "last"]
    x = rng.normal(size=(2, 4)).astype("float32")
    np.testing.assert_allclose(uncluster(clustered)(x), clustered(x), rtol=1e-5)
    layer, relu = keras.layers.Dense(2), keras.layers.ReLU()
    wrapper, same = cluster_weights([layer, relu], 2)
    assert isinstance(wrapper, ClusterWeights)
    assert (wrapper.layer, same) == (layer, relu)
    values = wrapper(rng.normal(size=(1, 40)).astype("float32"))  # built here: initialised here
    ((_, kernel),) = wrapper.clustered()
    assert values.shape == (1, 2)
    assert len(np.unique(kernel)) == 2
    assert (
        np.corrcoef(np.ravel(kernel), np.ravel(layer.kernel))[0, 1] > 0.8
    )  # uniform values, two levels: 0.866
    assert keras.Sequential([cluster_weights(keras.layers.Dense(2), input_shape=(3,))]).built


def test_a_model_that_is_built_later(keras, rng):
    model = keras.Sequential([keras.layers.Dense(16)])
    clustered = cluster_weights(model, 2)
    clustered(rng.normal(size=(1, 8)).astype("float32"))
    (wrapper,) = clustered_layers(clustered)
    kernel = np.ravel(wrapper.layer.kernel)
    assert (
        np.corrcoef(np.ravel(wrapper.clustered()[0][1]), kernel)[0, 1] > 0.8
    )  # uniform values, two levels: 0.866


def test_depthwise_kernels_on_request(keras):
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.DepthwiseConv2D(3, input_shape=(8, 8, 4), name="depthwise"),
            layers.SeparableConv2D(4, 3, name="separable"),
        ]
    )
    assert names(cluster_weights(model, 4)) == ["separable"]
    plain = uncluster(cluster_weights(model, 4, depthwise=True))
    assert unique(plain) == [4, 4, 4]


def test_skip_and_overrides(keras, nested_model):
    assert names(cluster_weights(nested_model, 4, skip="inner/*")) == ["logits"]
    overrides = {
        keras.layers.Layer: {"number_of_clusters": 3},
        "inner/*": {"number_of_clusters": 6, "initialization": "linear"},
        "logits": {"cluster_centroids_init": "density", "preserve_sparsity": True},
    }
    conv, logits = clustered_layers(cluster_weights(nested_model, 4, overrides=overrides))
    assert (conv.number_of_clusters, conv.initialization) == (6, "linear")
    assert (logits.number_of_clusters, logits.initialization) == (4, "density")


def test_tfmots_words(keras, dense):
    from optim._keras import tfmot

    enumeration = tfmot.clustering.keras.CentroidInitialization
    expected = {
        "KMEANS_PLUS_PLUS": "kmeans++",
        "LINEAR": "linear",
        "RANDOM": "random",
        "DENSITY_BASED": "density",
    }
    for member in enumeration:
        clustered = cluster_weights(dense, 4, cluster_centroids_init=member)
        assert clustered_layers(clustered)[0].initialization == expected[member.name]
    assert clustered_layers(cluster_weights(dense, 4, member))[0].initialization


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"number_of_clusters": 1}, "at least 2"),
        ({"number_of_clusters": 2, "preserve_sparsity": True}, "at least 3 with preserve"),
        ({"number_of_clusters": 4.0}, "not a whole number"),
        ({"initialization": "best"}, r"choose one of kmeans\+\+, linear, random, density"),
        ({"gradient_aggregation": "max"}, "choose one of sum, average"),
        ({"overrides": {"a": {"clusters": 3}}}, r"unknown settings \['clusters'\]"),
        ({"overrides": {"a": {"number_of_clusters": 0}}}, "at least 2"),
        ({"skip": "c"}, "no layer 'c'"),
    ],
)
def test_options_that_make_no_sense(dense, options, message):
    with pytest.raises(ConfigError, match=message):
        cluster_weights(dense, **options)


def test_what_cannot_be_clustered(keras, dense):
    class Subclassed(keras.Model):
        pass

    with pytest.raises(UnsupportedModelError, match="has no graph of layers to read"):
        cluster_weights(Subclassed())
    with pytest.raises(UnsupportedModelError, match=r"still has .* -> optim\.unprune"):
        cluster_weights(prune_low_magnitude(dense))
    with pytest.raises(KerasModelError, match=r"got builtins\.int"):
        cluster_weights(7)
    with pytest.raises(ModelFileError, match=r"no model file at 'model\.h5'"):
        cluster_weights("model.h5")
    with pytest.raises(TypeError, match=r"unknown arguments.*\['clusters'\]"):
        cluster_weights(dense, clusters=3)
    with pytest.raises(ConfigError, match="has no clusterable kernels"):
        ClusterWeights(keras.layers.ReLU(), 3)
    wrapper = cluster_weights(keras.layers.MultiHeadAttention(2, 4, name="attention"))
    with pytest.raises(ConfigError, match="attention: a MultiHeadAttention has no kernels before"):
        wrapper.build((None, 5, 8))
    with pytest.warns(UserWarning, match="no layer of 'idle' is clustered"):
        cluster_weights(keras.Sequential([keras.layers.ReLU(input_shape=(4,))], name="idle"))


def test_numbers_of_numpy(dense):
    clustered = cluster_weights(dense, np.int64(4))
    assert type(clustered_layers(clustered)[0].get_config()["number_of_clusters"]) is int


def test_kernels_without_finite_numbers_are_named(keras):
    layers = keras.layers
    model = keras.Sequential(
        [layers.Dense(200, input_shape=(200,), name="large"), layers.Dense(3, name="small")]
    )
    for layer, value in zip(model.layers, (np.nan, np.inf), strict=True):
        kernel = layer.kernel.numpy()
        kernel[0, 0] = value
        layer.kernel.assign(kernel)
    with pytest.raises(UnsupportedModelError, match="no numbers") as caught:
        cluster_weights(model, 4)
    assert [problem.layer for problem in caught.value.problems] == ["large", "small"]
    assert "leave it out (`skip`)" in str(caught.value)
    model.layers[1].set_weights([np.ones((200, 3)), np.ones(3)])
    assert names(cluster_weights(model, 4, skip="large")) == ["small"]


def test_kernels_without_finite_numbers_are_named_when_they_are_built(keras):
    clustered = cluster_weights(keras.layers.Dense(3, kernel_initializer="zeros", name="late"), 4)
    clustered.layer.kernel_initializer = keras.initializers.Constant(np.nan)
    with pytest.raises(UnsupportedModelError, match=r"late: .*kernel that are no finite numbers"):
        clustered.build((None, 2))


def test_networks_inside_layers_are_clustered_and_the_rest_is_named(keras, rng, reloaded):
    layers = keras.layers

    @keras.utils.register_keras_serializable("test_clustering")
    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = layers.Dense(4)

        def call(self, inputs):
            return self.dense(inputs)

    network = keras.Sequential([layers.Conv1D(4, 3, input_shape=(8, 2)), layers.Flatten()])
    inputs = keras.Input((3, 8, 2))
    x = layers.TimeDistributed(network, name="each")(inputs)
    model = keras.Model(inputs, Block(name="block")(x))
    with pytest.warns(UserWarning, match=r"the layers inside block \(Block\)"):
        clustered = cluster_weights(model, 4)
    x = rng.normal(size=(2, 3, 8, 2)).astype("float32")
    train(clustered, x, run_eagerly=False)
    assert names(clustered) == ["each"]
    plain = uncluster(clustered)
    np.testing.assert_allclose(plain(x), clustered(x), rtol=1e-5, atol=1e-6)
    assert len(np.unique(plain.get_layer("each").layer.layers[0].kernel)) <= 4
    np.testing.assert_array_equal(reloaded(clustered, ".keras")(x), clustered(x))


def test_states_are_reset_through_the_wrapper(keras, rng):
    layer = keras.layers.LSTM(4, stateful=True, batch_input_shape=(2, 3, 5))
    clustered = cluster_weights(keras.Sequential([layer]), 4)
    x = rng.normal(size=(2, 3, 5)).astype("float32")
    first, second = clustered.predict(x, verbose=0), clustered.predict(x, verbose=0)
    assert np.abs(first - second).max() > 0
    clustered.reset_states()
    np.testing.assert_array_equal(clustered.predict(x, verbose=0), first)


# Training


def test_gradients_are_tfmots(keras, dense, rng, theirs):
    """Summed over each cluster for its value, and straight through to the kernel."""
    import tensorflow as tf

    x = rng.normal(size=(4, 16)).astype("float32")
    start = np.array([-1.0, -0.2, 0.3, 1.1], "float32")
    gradients = []
    copy = keras.models.clone_model(dense)
    copy.set_weights(dense.get_weights())
    models = (cluster_weights(dense, 4), theirs(copy, 4))
    for model in models:
        wrapper = model.layers[0]
        if isinstance(wrapper, ClusterWeights):
            (cluster, *_) = wrapper._clusters
            at, kernel = cluster.centroids, cluster.kernel
        else:
            at = wrapper.cluster_centroids["kernel"]
            kernel = wrapper.original_clusterable_weights["kernel"]
        at.assign(start)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(wrapper(x) ** 2)
        found = tape.gradient(loss, [at, kernel])
        gradients.append([tf.convert_to_tensor(x) for x in found])
    for ours, expected in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_averaged_gradients(dense, rng):
    import tensorflow as tf

    x = rng.normal(size=(4, 16)).astype("float32")
    found = {}
    for how in ("sum", "average"):
        wrapper = cluster_weights(dense, 4, gradient_aggregation=how).layers[0]
        cluster = wrapper._clusters[0]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(wrapper(x))
        found[how] = tape.gradient(loss, cluster.centroids).numpy()
        values = wrapper.clustered()[0][1].numpy()
    sizes = np.unique(values, return_counts=True)[1]
    np.testing.assert_allclose(found["average"], found["sum"] / sizes, rtol=1e-5)


def test_training_lowers_the_loss_in_a_graph(dense, rng):
    x = rng.normal(size=(64, 16)).astype("float32")
    y = x[:, :3] * [1.0, -2.0, 0.5]
    clustered = cluster_weights(dense, 8)
    clustered.compile("adam", "mse", jit_compile=True)
    first = clustered.evaluate(x, y, verbose=0)
    clustered.fit(x, y, epochs=30, batch_size=32, verbose=0)
    assert clustered.evaluate(x, y, verbose=0) < 0.8 * first
    assert max(unique(uncluster(clustered))) <= 8


def test_the_compile_state_goes_there_and_back(keras, dense, theirs):
    dense.compile(keras.optimizers.SGD(0.25, momentum=0.5), keras.losses.Huber(), metrics=["mae"])
    clustered = cluster_weights(dense, 4)
    for model in (clustered, uncluster(clustered)):
        assert model.optimizer.get_config() == dense.optimizer.get_config()
        assert isinstance(model.loss, keras.losses.Huber)
    assert not getattr(theirs(dense, 4), "_is_compiled", False)


def test_frozen_layers_stay_frozen(keras, dense):
    dense.layers[0].trainable = False
    clustered = cluster_weights(dense, 4)
    assert len(clustered.trainable_weights) == 3  # kernel, bias and centroids of the second
    assert [w.trainable for w in uncluster(clustered).layers] == [False, True]


# What tfmot's function does otherwise


def test_the_original_keeps_its_variables(keras, dense, rng, untouched, theirs):
    x = rng.normal(size=(2, 16)).astype("float32")
    check = untouched(dense)
    clustered = cluster_weights(dense, 4)
    before = [w.name for w in clustered.weights]
    clustered(x)
    assert [w.name for w in clustered.weights] == before
    check()
    theirs(dense, 4)(x)
    assert [w.name for w in dense.weights] == ["a/bias:0", "b/bias:0"]


def test_dropout_and_normalization_are_trained(keras, rng, theirs):
    x = rng.normal(5.0, 1.0, size=(16, 8)).astype("float32")

    def moved(cluster):
        model = keras.Sequential(
            [
                keras.layers.Dense(8, input_shape=(8,)),
                keras.layers.BatchNormalization(name="norm"),
                keras.layers.Dropout(0.5),
            ]
        )
        clustered = cluster(model, 4)
        outputs = clustered(x, training=True).numpy()
        (mean,) = (w for w in clustered.weights if "moving_mean" in w.name)
        return bool(np.abs(mean).sum() > 0), bool(np.mean(outputs == 0) > 0.2)

    assert moved(cluster_weights) == (True, True)
    assert moved(theirs) == (False, False)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_sparsity_is_preserved_also_in_a_file(
    keras, dense, rng, suffix, reloaded, theirs, tmp_path
):
    x = rng.normal(size=(8, 16)).astype("float32")
    zeros = dense.layers[0].kernel.numpy() == 0
    clustered = cluster_weights(dense, 6, preserve_sparsity=True)
    train(clustered, x, steps=3)
    loaded = reloaded(clustered, suffix)
    np.testing.assert_array_equal(loaded(x), clustered(x))
    train(loaded, x)
    kernel = uncluster(loaded).layers[0].kernel.numpy()
    np.testing.assert_array_equal(kernel == 0, zeros)
    assert len(np.unique(kernel)) <= 6

    from optim._keras import tfmot

    tfmots = theirs(keras.models.clone_model(dense), 6, preserve_sparsity=True)
    tfmots.layers[0].original_clusterable_weights["kernel"].assign(dense.layers[0].kernel)
    train(tfmots, x)
    tfmots.save(tmp_path / f"theirs{suffix}")
    with tfmot.clustering.keras.cluster_scope():
        wrong = keras.models.load_model(tmp_path / f"theirs{suffix}")
    assert np.abs(wrong(x) - tfmots(x)).max() > 0.1


def test_a_file_is_read_in_a_process_that_knows_load_model_only(dense, rng, tmp_path):
    x = rng.normal(size=(2, 16)).astype("float32")
    clustered = cluster_weights(dense, 4)
    clustered.save(tmp_path / "model.h5")
    np.save(tmp_path / "x.npy", x)
    code = (
        "import numpy as np, optim; model = optim.load_model('model.h5'); "
        "np.save('y.npy', model(np.load('x.npy')))"
    )
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), clustered(x))


def test_masks_pass_the_wrapper(keras, theirs):
    table = keras.layers.Embedding(10, 8, mask_zero=True)
    tokens = np.array([[1, 2, 0]])
    wrapper = cluster_weights(table, 4)
    wrapper(tokens)
    assert wrapper.compute_mask(tokens).numpy().tolist() == [[True, True, False]]
    other = theirs(keras.layers.Embedding(10, 8, mask_zero=True), 4)
    other(tokens)
    assert other.compute_mask(tokens) is None


def test_mixed_precision_keeps_kernels_and_values_precise(keras, rng, theirs):
    def build():
        inputs = keras.Input((8,))
        x = keras.layers.Dense(8, dtype="mixed_float16", name="half")(inputs)
        return keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(x))

    x = rng.normal(size=(4, 8)).astype("float32")
    clustered = cluster_weights(build(), 4)
    assert clustered.layers[1].compute_dtype == "float16"
    assert {w.dtype.name for w in clustered.weights} == {"float32"}
    train(clustered, x)
    assert max(unique(uncluster(clustered))) <= 4
    with pytest.raises((TypeError, ValueError)):
        theirs(build(), 4)(x)


def test_layers_that_tfmot_refuses(keras, theirs):
    layers = keras.layers

    class MyDense(layers.Dense):
        pass

    model = keras.Sequential([MyDense(4, input_shape=(4,), name="mine")])
    assert names(cluster_weights(model, 3)) == ["mine"]
    with pytest.raises(ValueError, match="supported layer"):
        theirs(model, 3)
    layer = layers.Conv2D(4, 3, name="unbuilt")
    assert cluster_weights(layer, 3).layer is layer
    with pytest.raises(ValueError, match="no weights to cluster"):
        theirs(layer, 3)


def test_an_attention_layer_is_read_back(keras, rng, reloaded, theirs, tmp_path):
    from optim._keras import tfmot

    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, keras.layers.MultiHeadAttention(2, 4)(inputs, inputs))
    x = rng.normal(size=(1, 5, 8)).astype("float32")
    clustered = cluster_weights(model, 4)
    np.testing.assert_array_equal(reloaded(clustered, ".h5")(x), clustered(x))
    theirs(model, 4).save(tmp_path / "theirs.h5")
    with (
        tfmot.clustering.keras.cluster_scope(),
        pytest.raises(ValueError, match="ClusterWeightsMHA"),
    ):
        keras.models.load_model(tmp_path / "theirs.h5")


# k-means


def _error(values, at):
    return float(np.mean((values - nearest(values, at)) ** 2))


def test_kmeans_finds_groups_and_keeps_few_values_as_they_are(rng):
    groups = np.concatenate([rng.normal(m, 0.01, 200) for m in (-3.0, 0.0, 0.5, 4.0)])
    np.testing.assert_allclose(centroids(groups, 4), [-3.0, 0.0, 0.5, 4.0], atol=0.01)
    few = np.array([[0.25, -1.5], [7.0, 0.25]], "float32")
    np.testing.assert_array_equal(centroids(few, 5), [-1.5, 0.25, 7.0, 7.0, 7.0])
    np.testing.assert_array_equal(nearest(few, centroids(few, 5)), few)
    assert centroids(np.zeros(0), 3).tolist() == [0, 0, 0]


def test_initializations(rng):
    values = rng.laplace(size=20_000).astype("float32")
    at = {how: centroids(values, 16, how) for how in ("kmeans++", "linear", "random", "density")}
    assert all(np.all(np.diff(x) > 0) and len(x) == 16 for x in at.values())
    np.testing.assert_allclose(np.diff(at["linear"]), np.ptp(values) / 15, rtol=1e-5)
    shares = np.searchsorted(np.sort(values), at["density"]) / len(values)
    np.testing.assert_allclose(shares, (np.arange(16) + 0.5) / 16, atol=1e-3)
    assert _error(values, at["kmeans++"]) < 0.5 * min(
        _error(values, at[how]) for how in ("linear", "random", "density")
    )
    # The best 16 levels for this distribution leave 1.54 % of the variance (18.1 dB).
    assert _error(values, at["kmeans++"]) / values.var() < 0.0165


def test_kmeans_is_better_than_tfmots_seeding(rng):
    import tensorflow as tf
    from tensorflow.python.ops import clustering_ops

    values = rng.normal(size=5_000).astype("float32")
    seeds = clustering_ops.kmeans_plus_plus_initialization(
        tf.reshape(values, [-1, 1]), tf.constant(16, tf.int64), seed=9, num_retries_per_sample=-1
    )
    assert _error(values, centroids(values, 16)) < 0.7 * _error(values, np.ravel(seeds))


def test_a_large_kernel_is_clustered_in_seconds_and_little_memory():
    values = np.random.default_rng(0).standard_normal(4_000_000, dtype=np.float32)
    tracemalloc.start()
    start = time.process_time()
    at = centroids(values, 16)
    seconds, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 2.0  # 25 million: 0.3 s, 100 MB
    assert peak < 150e6
    exact = centroids(values[: kmeans.EXACT], 16)
    part = values[:100_000]
    assert _error(part, at) < 1.01 * _error(part, exact)


def test_a_value_far_away_does_not_cost_the_others_their_clusters(rng):
    values = rng.normal(0, 0.06, 2 * kmeans.EXACT)
    expected = _error(values, centroids(values, 16))
    for far in ([1e4], [1e4, -1e8], [1e4, -1e8, 1e12]):
        values[: len(far)] = far
        at = centroids(values, 16)
        assert len(np.unique(nearest(values, at))) == 16
        assert _error(values[len(far) :], at) < 2.0 * expected
