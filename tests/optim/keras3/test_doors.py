"""Public functions take models of Keras 3, and give their weights back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras as keras3
import numpy as np
import pytest

import optim
from optim.errors import KerasModelError, UnsupportedModelError

L, ops = keras3.layers, keras3.ops


@pytest.fixture
def model() -> Any:
    inputs = keras3.Input((8, 8, 3), name="image")
    x = L.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(inputs)
    x = L.BatchNormalization(name="norm")(x)
    x = ops.silu(x) + L.Conv2D(8, 1, name="skip")(x)
    x = L.GlobalAveragePooling2D(name="mean")(x)
    model = keras3.Model(inputs, L.Dense(4, name="logits")(x), name="small")
    model.compile("adam", keras3.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.fixture
def data(rng: Any) -> Any:
    return rng.normal(size=(32, 8, 8, 3)).astype("float32")


DOORS: dict[str, Callable[[Any, Any], Any]] = {
    "quantize_model": lambda model, data: optim.quantize_model(model, calibration_data=[data]),
    "prune_low_magnitude": lambda model, data: optim.prune_low_magnitude(model),
    "cluster_weights": lambda model, data: optim.cluster_weights(model, number_of_clusters=4),
    "sparsify": lambda model, data: optim.sparsify(model, sparsity=0.5),
    "export": lambda model, data: optim.export(model),
    "plan": lambda model, data: optim.plan(model),
    "debug": lambda model, data: optim.debug(model, [data]),
    "sparsity_report": lambda model, data: optim.sparsity_report(model),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_door_says_once_that_it_works_on_the_twin(door: str, model: Any, data: Any) -> None:
    with pytest.warns(UserWarning, match="of Keras 3") as found:
        assert DOORS[door](model, data) is not None
    told = [x for x in found if "of Keras 3" in str(x.message)]
    assert len(told) == 1
    assert str(told[0].message).startswith(f"{door}: 'small' is a model of Keras 3")
    assert told[0].filename == __file__


def test_a_quantized_twin_is_int8_throughout_and_close(model: Any, data: Any) -> None:
    with pytest.warns(UserWarning, match="of Keras 3"):
        quantized = optim.quantize_model(model, calibration_data=[data])
    file = optim.export(quantized)
    with pytest.warns(UserWarning, match="of Keras 3"):
        report = optim.verify(file, {"float": model}, data[:8])
    assert not report.islands
    assert report.comparisons[0].sqnr > 30


def kernels(model: Any) -> dict[str, np.ndarray]:
    return {v.path: np.asarray(v.value) for v in model.weights if v.path.endswith("kernel")}


def test_pruned_weights_go_back(model: Any, data: Any, tmp_path: Path) -> None:
    pruned = optim.prune_low_magnitude(optim.from_keras3(model), sparsity=0.5, frequency=2)
    labels = np.arange(len(data)) % 4
    callbacks = optim.get_pruning_callbacks()
    pruned.fit(data, labels, epochs=2, batch_size=8, verbose=0, callbacks=callbacks)
    plain = optim.unprune(pruned)
    assert optim.to_keras3(plain, like=model) is model
    model.save(tmp_path / "model.keras")
    loaded = keras3.models.load_model(tmp_path / "model.keras")
    assert {path: (x == 0).mean() for path, x in kernels(loaded).items()} == dict.fromkeys(
        kernels(model), 0.5
    )
    np.testing.assert_allclose(loaded(data), plain(data), atol=1e-5)


def test_clustered_weights_go_back(model: Any, data: Any, tmp_path: Path) -> None:
    plain = optim.uncluster(optim.cluster_weights(optim.from_keras3(model), number_of_clusters=4))
    optim.to_keras3(plain, like=model).save(tmp_path / "model.keras")
    loaded = keras3.models.load_model(tmp_path / "model.keras")
    assert all(len(np.unique(x)) <= 4 for x in kernels(loaded).values())
    np.testing.assert_allclose(loaded(data), plain(data), atol=1e-5)


def test_weights_that_do_not_fit_go_nowhere(model: Any) -> None:
    made = optim.from_keras3(model)
    before = kernels(model)
    with pytest.raises(UnsupportedModelError, match="unprune it first"):
        optim.to_keras3(optim.prune_low_magnitude(made), like=model)
    inputs = keras3.Input((8, 8, 3))
    other = keras3.Model(inputs, L.Dense(3, name="logits")(L.Flatten()(inputs)), name="other")
    with pytest.raises(UnsupportedModelError, match="'other' is no twin of 'small'") as error:
        optim.to_keras3(optim.from_keras3(other), like=model)
    assert {"conv", "logits", "norm", "skip"} <= {x.layer for x in error.value.problems}
    with pytest.raises(KerasModelError, match="expected a model of Keras 3"):
        optim.to_keras3(made, like=made)
    after = kernels(model)
    assert all((before[path] == after[path]).all() for path in before)


def test_a_layer_of_keras_3_is_refused_with_a_remedy() -> None:
    with pytest.raises(KerasModelError, match=r"optim\.from_keras3"):
        optim.quantize_model(L.Dense(3))


def test_a_twin_is_saved_and_loaded(model: Any, data: Any, tmp_path: Path) -> None:
    made = optim.from_keras3(model)
    for name in ("model.keras", "model.h5"):
        made.save(tmp_path / name)
        loaded = optim.load_model(tmp_path / name)
        np.testing.assert_allclose(loaded(data), made(data), atol=1e-6)


def test_import_optim_imports_no_keras_3() -> None:
    code = "import sys, optim; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
