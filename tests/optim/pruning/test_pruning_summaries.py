"""What TensorBoard shows of a pruning: read back from the event files."""

from __future__ import annotations

import numpy as np
import pytest

from optim import get_pruning_callbacks, prune_low_magnitude
from optim.errors import ConfigError

event_accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="the extra `tensorboard`"
)


def scalars(folder):
    """Name -> list of (step, value)."""
    import tensorflow as tf

    events = event_accumulator.EventAccumulator(str(folder))
    events.Reload()
    return {
        name: [(e.step, float(tf.make_ndarray(e.tensor_proto))) for e in events.Tensors(name)]
        for name in events.Tags()["tensors"]
    }


@pytest.fixture
def fitted(keras, rng, tmp_path):
    """A function that trains a nested model for 2 epochs of 3 steps; returns model, scalars."""

    def fit(**options):
        layers = keras.layers
        inner = keras.Sequential([layers.Dense(8, name="deep")], name="inner")
        inputs = keras.Input((2, 8))
        model = keras.Model(inputs, layers.GRU(4, name="loop")(inner(inputs)))
        pruned = prune_low_magnitude(
            model, schedule="polynomial", sparsity=0.75, end_step=6, frequency=1
        )
        pruned.compile("sgd", "mse", run_eagerly=True)
        x = rng.normal(size=(12, 2, 8)).astype("float32")
        callbacks = get_pruning_callbacks(tmp_path / "logs", **options)
        pruned.fit(x, np.ones((12, 4)), batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
        return pruned, scalars(tmp_path / "logs" / "metrics")

    return fit


def test_each_epoch_and_the_start(fitted):
    model, found = fitted()
    kernels = ("deep/kernel", "loop/cell.kernel", "loop/cell.recurrent_kernel")
    assert set(found) == {
        "sparsity/total", "target/deep", "target/loop",
        *(f"sparsity/{k}" for k in kernels), *(f"threshold/{k}" for k in kernels),
    }  # fmt: skip
    assert all([step for step, _ in values] == [0, 3, 6] for values in found.values())
    targets = [0.0, 0.75 * (1 - 0.5**3), 0.75]
    assert [value for _, value in found["target/deep"]] == pytest.approx(targets)
    reached = [value for _, value in found["sparsity/deep/kernel"]]
    assert reached == [0.0, round(64 * targets[1]) / 64, 0.75]
    threshold = [value for _, value in found["threshold/deep/kernel"]]
    assert threshold[0] == 0.0
    kernel = np.abs(model.get_layer("inner").layers[0].layer.kernel)
    assert 0 < threshold[1] < threshold[2]
    assert threshold[2] == pytest.approx(kernel[kernel > 0].min(), rel=0.2)


def test_each_step(fitted):
    _, found = fitted(update_freq="batch")
    assert [step for step, _ in found["sparsity/total"]] == list(range(7))
    total = [value for _, value in found["sparsity/total"]]
    assert total == sorted(total)


def test_every_other_step(fitted):
    _, found = fitted(update_freq=2)
    assert [step for step, _ in found["sparsity/total"]] == [0, 2, 3, 4, 6]  # and epochs


def test_tfmots_callback_never_shows_the_last_epoch(keras, tfmot, tmp_path):
    api = tfmot.sparsity.keras
    schedule = api.ConstantSparsity(0.5, 0, frequency=1)
    model = keras.Sequential([keras.layers.Dense(8, use_bias=False, input_shape=(4,))])
    shown = {}
    for name, callbacks in (
        ("ours", get_pruning_callbacks(tmp_path / "ours")),
        ("tfmot", [api.UpdatePruningStep(), api.PruningSummaries(str(tmp_path / "tfmot"))]),
    ):
        pruned = prune_low_magnitude(model, schedule=schedule)
        pruned.compile("sgd", "mse", run_eagerly=True)
        pruned.fit(np.ones((4, 4)), np.ones((4, 8)), verbose=0, callbacks=callbacks)
        found = scalars(tmp_path / name / "metrics")
        shown[name] = max(v for tag, vs in found.items() if "sparsity" in tag for _, v in vs)
    assert shown == {"ours": 0.5, "tfmot": 0.0}


@pytest.mark.parametrize("update_freq", ["step", 0, True, 1.5])
def test_an_update_frequency_that_makes_no_sense(tmp_path, update_freq):
    with pytest.raises(ConfigError, match="'epoch', 'batch' or a number of steps"):
        get_pruning_callbacks(tmp_path, update_freq)
