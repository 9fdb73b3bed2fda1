"""What is trained is pruned and has its ranges followed, whatever a call says of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tfmot

K = keras.layers
X = np.random.default_rng(0).normal(size=(64, 12)).astype("float32")
Y = np.random.default_rng(1).normal(size=(64, 2)).astype("float32")


def schedule() -> Any:
    return tfmot.sparsity.keras.PolynomialDecay(0.0, 0.5, 0, 8, frequency=2)


def transfer(training: bool | None) -> Any:
    """A head on a backbone that is called as transfer learning does."""
    backbone = keras.Sequential(
        [keras.Input((12,)), K.Dense(32, name="a"), K.BatchNormalization(), K.Dense(16, name="b")],
        name="backbone",
    )
    inputs = keras.Input((12,))
    return keras.Model(inputs, K.Dense(2, name="head")(backbone(inputs, training=training)))


def fit(pruned: Any, **options: Any) -> None:
    pruned.compile("sgd", "mse", **options)
    callbacks = optim.get_pruning_callbacks()
    pruned.fit(X, Y, batch_size=16, epochs=3, callbacks=callbacks, verbose=0)


def zeros(pruned: Any) -> dict[str, float]:
    kernels = [w for w in optim.unprune(pruned).weights if "kernel" in w.name]
    return {w.name.split("/")[0]: float(np.mean(w.numpy() == 0)) for w in kernels}


@pytest.mark.parametrize("training", [False, None, True])
@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}, {"steps_per_execution": 4}])
def test_a_backbone_is_pruned_however_it_is_called(
    training: bool | None, options: dict[str, Any]
) -> None:
    pruned = optim.prune_low_magnitude(transfer(training), pruning_schedule=schedule())
    fit(pruned, **options)
    assert zeros(pruned) == {"a": 0.5, "b": 0.5, "head": 0.5}
    assert {int(w.pruning_step) for w in optim.pruning.wrapper.pruned_layers(pruned)} == {12}


def test_a_layer_called_both_ways_counts_each_step_once() -> None:
    shared = keras.Sequential([keras.Input((12,)), K.Dense(32, name="a")])
    inputs = keras.Input((12,))
    both = K.Add()([shared(inputs, training=False), shared(inputs)])
    model = keras.Model(inputs, K.Dense(2, name="head")(both))
    pruned = optim.prune_low_magnitude(model, pruning_schedule=schedule())
    fit(pruned)
    assert zeros(pruned) == {"a": 0.5, "head": 0.5}
    assert {int(w.pruning_step) for w in optim.pruning.wrapper.pruned_layers(pruned)} == {12}


def test_ranges_of_a_backbone_follow_its_training(tmp_path: Any) -> None:
    backbone = keras.Sequential(
        [keras.Input((12,)), K.ReLU(), K.BatchNormalization(name="alone"), K.Softmax()]
    )
    inputs = keras.Input((12,))
    model = keras.Model(inputs, K.Dense(2)(backbone(inputs, training=False)))
    quantized = optim.quantize_model(model, calibration_data=X)
    wrapper = quantized.get_layer("alone")
    ranges = [v.numpy() for v in wrapper._output_quantizer_vars[0].values()]
    statistics = [v.numpy() for v in wrapper.layer.non_trainable_weights]
    quantized.compile("sgd", "mse")
    quantized.fit(3 * X, Y, verbose=0)
    for before, variable in zip(ranges, wrapper._output_quantizer_vars[0].values(), strict=True):
        assert before != variable.numpy()
    for before, variable in zip(statistics, wrapper.layer.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(before, variable.numpy())
    quantized.save(tmp_path / "q.keras")
    loaded = optim.load_model(tmp_path / "q.keras")
    for training in (False, True):
        wanted = quantized(X, training=training)
        np.testing.assert_array_equal(loaded(X, training=training), wanted)
