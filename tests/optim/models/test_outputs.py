"""Outputs keep their names, by which labels, losses and predictions go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow_model_optimization as tfmot

import optim

DATA = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
LABELS = {"left": np.ones((8, 1), "float32"), "right": np.ones((8, 2), "float32")}

STEPS: dict[str, tuple[Any, Any]] = {
    "prune": (optim.prune_low_magnitude, optim.unprune),
    "cluster": (optim.cluster_weights, optim.uncluster),
}


@pytest.fixture
def model(keras: Any) -> Any:
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(4, name="hidden")(inputs)
    outputs = [
        keras.layers.Dense(size, name=name)(hidden) for name, size in (("left", 1), ("right", 2))
    ]
    model = keras.Model(inputs, outputs)
    losses = {"left": "mse", "right": "mae"}
    model.compile("sgd", losses, metrics={"right": ["mae"]}, loss_weights={"left": 2, "right": 1})
    return model


@pytest.mark.parametrize("step", STEPS)
def test_labels_go_by_the_names_of_outputs(keras: Any, model: Any, step: str) -> None:
    there, back = STEPS[step]
    wrapped = there(model)
    assert wrapped.output_names == back(wrapped).output_names == model.output_names
    callbacks = optim.get_pruning_callbacks() if step == "prune" else []
    before = model.evaluate(DATA, LABELS, verbose=0, return_dict=True)
    history = wrapped.fit(DATA, LABELS, epochs=2, verbose=0, callbacks=callbacks).history
    assert set(history) == set(before)
    assert history["loss"][1] < history["loss"][0]
    assert [layer.name for layer in back(wrapped).layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("suffix", [".keras", ".h5", ""])
def test_so_does_a_file(keras: Any, model: Any, step: str, suffix: str, tmp_path: Any) -> None:
    wrapped = STEPS[step][0](model)
    path = tmp_path / f"model{suffix}"
    wrapped.save(path)
    with optim.custom_object_scope():
        again = keras.models.load_model(path)
    assert again.output_names == ["left", "right"]
    for ours, theirs in zip(
        wrapped.predict(DATA, verbose=0), again.predict(DATA, verbose=0), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("step", STEPS)
def test_so_does_the_end_of_a_sequential_model(keras: Any, step: str) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [layers.Dense(3, input_shape=(4,), name="a"), layers.Dense(2, name="b")]
    )
    wrapped = STEPS[step][0](model)
    assert wrapped.output_names == ["b"]
    assert wrapped.layers[0].name != "a"
    assert STEPS[step][0](wrapped).output_names == ["b"]


def test_tfmot_reads_a_file_with_such_names(keras: Any, model: Any, tmp_path: Any) -> None:
    pruned = optim.prune_low_magnitude(model)
    pruned.save(tmp_path / "model.h5")
    with tfmot.sparsity.keras.prune_scope():
        theirs = keras.models.load_model(tmp_path / "model.h5")
    plain = tfmot.sparsity.keras.strip_pruning(theirs)
    for ours, others in zip(
        model.predict(DATA, verbose=0), plain.predict(DATA, verbose=0), strict=True
    ):
        np.testing.assert_array_equal(ours, others)


def test_a_wrapper_has_the_name_that_it_is_given(keras: Any) -> None:
    """tfmot's takes one and makes another."""
    dense = keras.layers.Dense(2, name="dense")
    assert tfmot.sparsity.keras.prune_low_magnitude(dense, name="mine").name != "mine"
    assert optim.prune_low_magnitude(dense, name="mine").name == "mine"
    assert optim.prune_low_magnitude(dense).name == "prune_low_magnitude_dense"
