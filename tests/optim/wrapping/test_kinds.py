"""What is pruned, clustered or quantized already, and given to the next step as it is."""

from __future__ import annotations

import numpy as np
import pytest

import optim
from optim import cluster_weights, prune_low_magnitude, quantize_model, sparsify, uncluster, unprune
from optim.clustering.wrapper import clustered_layers
from optim.errors import UnsupportedModelError
from optim.pruning.wrapper import pruned_layers


@pytest.fixture
def dense(keras):
    return keras.Sequential(
        [keras.layers.Dense(8, input_shape=(16,), name="a"), keras.layers.Dense(4, name="b")],
        name="net",
    )


WRAPPED = {
    "pruned": (prune_low_magnitude, "still has pruning wrappers -> optim.unprune it first"),
    "clustered": (
        lambda model: cluster_weights(model, 8),
        "still has clustering wrappers -> optim.uncluster it first",
    ),
    "quantized": (quantize_model, "is quantized already -> start from the float model"),
}
STEPS = {
    "quantize_model": (quantize_model, set()),
    "plan": (optim.plan, set()),
    "sparsify": (sparsify, set()),
    "prune_low_magnitude": (prune_low_magnitude, {"pruned"}),
    "cluster_weights": (lambda model: cluster_weights(model, 8), {"clustered"}),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("wrapped", WRAPPED)
def test_no_step_passes_over_what_is_wrapped(dense, step, wrapped):
    wrap, message = WRAPPED[wrapped]
    apply, allowed = STEPS[step]
    model = wrap(dense)
    if wrapped in allowed:
        assert [x.name for x in apply(model).layers] == [x.name for x in model.layers]
        return
    with pytest.raises(UnsupportedModelError, match=f"net: {message}"):
        apply(model)


def test_wrappers_of_tfmot_count_too(keras, tfmot, dense):
    pruned = tfmot.sparsity.keras.prune_low_magnitude(dense)
    for apply in (quantize_model, sparsify, cluster_weights):
        with pytest.raises(UnsupportedModelError, match=r"-> optim\.unprune it first"):
            apply(pruned)
    linear = tfmot.clustering.keras.CentroidInitialization.LINEAR
    clustered = tfmot.clustering.keras.cluster_weights(dense, 8, linear)
    for apply in (quantize_model, sparsify, cluster_weights, prune_low_magnitude):
        with pytest.raises(UnsupportedModelError, match="strip_clustering it first"):
            apply(clustered)


def test_wrappers_in_nested_models_and_single_layers_count_too(keras, nested_model):
    with pytest.raises(UnsupportedModelError, match="outer: still has pruning wrappers"):
        quantize_model(prune_low_magnitude(nested_model, skip="logits"))
    wrapper = prune_low_magnitude(keras.layers.Dense(2, name="one"))
    with pytest.raises(UnsupportedModelError, match="one: still has pruning wrappers"):
        cluster_weights([keras.layers.ReLU(), wrapper])


# Twice, with options


def test_what_is_pruned_is_not_pruned_otherwise(keras, tfmot, dense):
    ours = prune_low_magnitude(dense, sparsity=0.75)
    theirs = tfmot.sparsity.keras.prune_low_magnitude(dense)
    others = (
        {"sparsity": 0.9},
        {"sparsity_m_by_n": (2, 4)},
        {"sparsity": 0.75, "block_size": (2, 1)},
        {"overrides": {keras.layers.Dense: {"frequency": 7}}},
        {"schedule": "polynomial", "sparsity": 0.75, "end_step": 9},
    )
    for model in (ours, theirs, [ours.layers[0], ours.layers[1]]):
        for options in others:
            with pytest.raises(
                UnsupportedModelError, match=r"2 problem.*\n.*_a: is pruned already, with other"
            ):
                prune_low_magnitude(model, **options)
    for options in ({}, {"sparsity": 0.75}, {"sparsity": 0.9, "skip": keras.layers.Dense}):
        found = pruned_layers(prune_low_magnitude(ours, **options))
        assert [w.pruning_schedule.target_sparsity for w in found] == [0.75, 0.75]
    assert len(pruned_layers(prune_low_magnitude(theirs))) == 2


def test_the_rest_may_be_pruned_later(dense):
    some = prune_low_magnitude(dense, skip="b", sparsity=0.75)
    both = prune_low_magnitude(some, skip="*_a", sparsity=0.25)
    found = pruned_layers(both)
    assert [w.pruning_schedule.target_sparsity for w in found] == [0.75, 0.25]


def test_what_is_clustered_is_not_clustered_otherwise(keras, dense):
    clustered = cluster_weights(dense, 8)
    for options in (
        {"number_of_clusters": 4},
        {"number_of_clusters": 8, "preserve_sparsity": True},
        {"number_of_clusters": 8, "overrides": {keras.layers.Dense: {"initialization": "linear"}}},
    ):
        for model in (clustered, [*clustered.layers]):
            with pytest.raises(UnsupportedModelError, match=r"2 problem.*\n.*_a: is clustered al"):
                cluster_weights(model, **options)
    assert len(clustered_layers(cluster_weights(clustered, 8))) == 2
    assert len(clustered_layers(cluster_weights(clustered, 4, skip=keras.layers.Dense))) == 2


# Layer by layer, in models of a class of one's own


def test_layers_of_a_subclassed_model_go_there_and_back(keras, rng):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = keras.layers.Dense(8, name="first")
            self.relu = keras.layers.ReLU()

        def call(self, inputs):
            return self.relu(self.first(inputs))

    x = rng.normal(size=(8, 16)).astype("float32")
    for wrap, strip, callbacks in (
        (lambda layer: prune_low_magnitude(layer, frequency=1), unprune, True),
        (lambda layer: cluster_weights(layer, 4), uncluster, False),
    ):
        model = Subclassed()
        dense = model.first
        with pytest.raises(UnsupportedModelError, match="or transform its layers one by one"):
            strip(model)
        model.first, model.relu = wrap(model.first), wrap(model.relu)
        model.compile("sgd", "mse")
        used = optim.get_pruning_callbacks() if callbacks else []
        model.fit(x, np.ones((8, 8)), epochs=2, verbose=0, callbacks=used)
        wanted = np.asarray(model(x))
        model.first, model.relu = strip(model.first), strip(model.relu)
        assert model.first is dense
        np.testing.assert_allclose(model(x), wanted, rtol=1e-6)
        kernel = dense.kernel.numpy()
        assert (kernel == 0).mean() == 0.5 if callbacks else len(np.unique(kernel)) <= 4
