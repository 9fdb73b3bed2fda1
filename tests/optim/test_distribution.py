"""Models made and trained under a `tf.distribute` strategy, and used without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf, tfmot

K = keras.layers
X = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")
Y = np.zeros((16, 2), "float32")

MADE: dict[str, Callable[[Any], Any]] = {
    "quantized": lambda model: optim.quantize_model(model, calibration_data=X),
    "pruned": lambda model: optim.prune_low_magnitude(
        model, pruning_schedule=tfmot.sparsity.keras.ConstantSparsity(0.5, 0, frequency=1)
    ),
    "clustered": lambda model: optim.cluster_weights(model, 4),
    "preserving": lambda model: optim.quantize_model(
        optim.sparsify(model, sparsity=0.5), preserve="sparsity", calibration_data=X
    ),
}


@pytest.fixture(scope="module")
def strategy() -> Any:
    return tf.distribute.MirroredStrategy(["/cpu:0"])


@pytest.fixture(params=MADE)
def trained(request: Any, strategy: Any) -> Any:
    keras.utils.set_random_seed(0)
    with strategy.scope():
        layers = [K.Conv2D(6, 3, use_bias=False), K.BatchNormalization(), K.ReLU(), K.Flatten()]
        model = keras.Sequential([keras.Input((8, 8, 3)), *layers, K.Dense(2)])
        made = MADE[request.param](model)
        made.compile("sgd", "mse")
    callbacks = optim.get_pruning_callbacks() if request.param == "pruned" else []
    made.fit(X, Y, callbacks=callbacks, verbose=0)
    return made


def test_it_is_called_and_exported_outside_of_the_scope(trained: Any) -> None:
    assert trained(X).shape == (16, 2)
    assert trained(X, training=True).shape == (16, 2)
    file = optim.export(trained)
    (row,) = optim.verify(file, {"model": trained}, X).comparisons
    assert row.sqnr > 30
    plain = optim.uncluster(optim.unprune(trained))
    assert plain(X).shape == (16, 2)


def test_it_is_saved_and_measured(trained: Any, tmp_path: Any) -> None:
    trained.save(tmp_path / "m.keras")
    loaded = optim.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded(X), trained(X), atol=1e-5)
    assert "conv2d" in str(optim.sparsity_report(trained))


@pytest.mark.filterwarnings("ignore")
def test_layers_that_are_loops_of_operations(strategy: Any) -> None:
    keras.utils.set_random_seed(0)
    data = X.reshape(16, 16, 12)
    with strategy.scope():
        layers = [K.Bidirectional(K.GRU(3)), K.Dense(2)]
        model = keras.Sequential([keras.Input((16, 12)), *layers])
        made = optim.quantize_model(model, calibration_data=data)
    (row,) = optim.verify(optim.export(made), {"model": made}, data).comparisons
    assert row.sqnr > 30


def test_it_is_debugged_outside_of_the_scope(strategy: Any) -> None:
    with strategy.scope():
        layers = [K.Conv2D(6, 3), K.ReLU(), K.Flatten(), K.Concatenate()]
        inputs = keras.Input((8, 8, 3))
        x = layers[2](layers[1](layers[0](inputs)))
        model = keras.Model(inputs, K.Dense(2)(layers[3]([x, K.Flatten()(inputs)])))
        made = optim.quantize_model(model, calibration_data=X)
    assert not optim.debug(made, X).frame["sqnr"].isna().any()
    optim.calibrate(made, X)
