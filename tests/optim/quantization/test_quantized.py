"""The quantization-aware model: what it keeps, that it trains, saves and loads."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toys

from optim._keras import keras, tf, tfmot
from optim.errors import UnsupportedModelError
from optim.files.api import load_model
from optim.quantization.api import quantize_model
from optim.quantization.building.builder import build
from optim.quantization.planning.planner import plan
from optim.quantization.quantizers.wrappers import QuantizeWrapper

K = keras.layers


def snr(signal: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(signal**2) / (np.mean((signal - other) ** 2) + 1e-20)))


@pytest.mark.parametrize("name", toys.TOYS)
def test_toy_quantizes_trains_saves_and_loads(name: str, tmp_path: Path, outputs: Any) -> None:
    model = toys.randomize(toys.TOYS[name]())
    batch = toys.batch_for(model, size=8)
    before = [w.numpy() for w in model.weights]
    quantized = quantize_model(model, calibration_data=[batch])

    for a, b in zip(outputs(model, batch), outputs(quantized, batch), strict=True):
        assert snr(a, b) > 25
    assert quantized.name == model.name
    if model._is_graph_network:
        assert quantized.input_names == model.input_names
        assert quantized.output_names == model.output_names
        assert quantized.output_shape == model.output_shape
    with tf.GradientTape() as tape:
        results = tf.nest.flatten(quantized(batch, training=True))
        loss = sum(tf.reduce_mean(tf.cast(y, tf.float32) ** 2) for y in results)
    gradients = tape.gradient(loss, quantized.trainable_weights)
    assert all(g is not None for g in gradients)
    for weight, gradient in zip(quantized.trainable_weights, gradients, strict=True):
        weight.assign_sub(0.01 * tf.convert_to_tensor(gradient))
    for a, w in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(a, w)

    expected = outputs(quantized, batch)
    for suffix in ("h5", "keras"):
        path = tmp_path / f"model.{suffix}"
        quantized.save(path)
        for a, b in zip(expected, outputs(load_model(path), batch), strict=True):
            np.testing.assert_array_equal(a, b)


def test_it_is_a_tfmot_model_and_reads_under_its_scope(tmp_path: Path, outputs: Any) -> None:
    quantized = quantize_model(toys.TOYS["conv_bn_relu"]())
    base = tfmot.quantization.keras
    wrappers = [x for x in quantized.layers if isinstance(x, QuantizeWrapper)]
    assert wrappers
    assert all(isinstance(x.quantize_config, base.QuantizeConfig) for x in wrappers)
    batch = toys.batch_for(quantized)
    for suffix in ("h5", "keras"):
        quantized.save(tmp_path / f"m.{suffix}")
        with base.quantize_scope():
            loaded = keras.models.load_model(tmp_path / f"m.{suffix}")
        np.testing.assert_array_equal(outputs(quantized, batch)[0], outputs(loaded, batch)[0])


def test_a_fresh_process_reads_the_file_to_the_bit(tmp_path: Path, outputs: Any) -> None:
    quantized = quantize_model(toys.randomize(toys.TOYS["mixer_block"]()))
    batch = toys.batch_for(quantized)
    np.save(tmp_path / "x.npy", batch)
    np.save(tmp_path / "y.npy", outputs(quantized, batch)[0])
    quantized.save(tmp_path / "m.keras")
    code = (
        "import numpy as np, optim, sys; from optim.files.api import load_model\n"
        "x, y = np.load('x.npy'), np.load('y.npy')\n"
        "sys.exit(not np.array_equal(load_model('m.keras')(x, training=False), y))"
    )
    env_path = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {env_path!r})\n{code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_layers_with_weights_keep_their_names() -> None:
    model = toys.TOYS["activations_inside"]()
    names = {x.name for x in quantize_model(model).layers}
    outputs_split = {f"with_{n}_linear" for n in ("swish", "gelu", "hard_sigmoid", "elu")}
    assert {x.name for x in model.layers} <= names
    assert outputs_split <= names


def test_compile_state_is_kept_and_the_models_train_apart() -> None:
    model = toys.TOYS["shared_layers_and_models"]()
    first, second = model.output_names
    model.compile(
        keras.optimizers.Adam(0.02), loss={first: "mse", second: "mae"}, metrics={second: ["mae"]}
    )
    quantized = quantize_model(model)
    assert quantized.optimizer is not model.optimizer
    assert float(quantized.optimizer.learning_rate) == pytest.approx(0.02)
    assert quantized.loss == model.loss
    before = [w.numpy() for w in model.weights]
    batch = toys.batch_for(model)
    targets = [np.zeros((2, *shape[1:]), "float32") for shape in model.output_shape]
    quantized.train_on_batch(batch, targets)
    for a, w in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(a, w)


def test_frozen_layers_stay_frozen() -> None:
    model = toys.TOYS["frozen_backbone"]()
    quantized = quantize_model(model)
    assert len(quantized.trainable_weights) == len(model.trainable_weights) == 2


def test_half_precision_models(outputs: Any) -> None:
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = toys.randomize(toys.TOYS["conv_bn_relu"]())
        batch = toys.batch_for(model)
        quantized = quantize_model(model, calibration_data=[batch])
        assert quantized.output.dtype == model.output.dtype == tf.float16
        a, b = outputs(model, batch)[0], outputs(quantized, batch)[0]
        assert snr(a.astype("float32"), b.astype("float32")) > 25
    finally:
        keras.mixed_precision.set_global_policy(before)


def test_the_known_shape_shortcut_gives_what_tracing_gives(monkeypatch: Any) -> None:
    build_module = importlib.import_module("optim.quantization.building.builder")

    decided = plan(toys.TOYS["convolutions"]())
    quick = build(decided.graph, decided)
    original = build_module.call_layer
    monkeypatch.setattr(
        build_module,
        "call_layer",
        lambda layer, args, kwargs, specs, *more: original(layer, args, kwargs, None, *more),
    )
    decided = plan(toys.TOYS["convolutions"]())
    traced = build(decided.graph, decided)
    for a, b in zip(quick.layers, traced.layers, strict=True):
        assert (type(a), a.output_shape) == (type(b), b.output_shape)
        assert [w.shape for w in a.weights] == [w.shape for w in b.weights]


class Secret(K.Layer):  # type: ignore[misc, name-defined]
    """Its config lacks an argument, and what it computes cannot be read."""

    def __init__(self, units: int, held: Any = None) -> None:
        super().__init__()
        self.units = units
        self.held = held

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight("kernel", (int(shape[-1]), self.units))

    def call(self, inputs: Any) -> Any:
        noise = tf.random.normal((), stddev=1e-6)
        return inputs @ self.kernel + noise

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("not told")


def test_a_layer_without_a_config_is_copied_as_an_object(outputs: Any) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, K.Dense(2)(Secret(3)(x)))
    batch = toys.batch_for(model)
    quantized = quantize_model(model, calibration_data=[batch])
    assert snr(outputs(model, batch)[0], outputs(quantized, batch)[0]) > 25
    kernel = model.layers[1].kernel
    copied = next(y for y in quantized.layers if isinstance(y, Secret)).kernel
    assert copied is not kernel
    np.testing.assert_array_equal(copied, kernel)


def test_what_cannot_be_made_again_is_listed_at_once() -> None:
    x = keras.Input((4,))
    held = iter([threading.Lock()])  # no object can be copied that holds one
    model = keras.Model(x, Secret(2, held=(threading.Lock(),))(Secret(3, held=held)(x)))
    with pytest.raises(UnsupportedModelError) as caught:
        quantize_model(model)
    assert {p.layer for p in caught.value.problems} == {"secret", "secret_1"}
    assert all("get_config" in p.remedy for p in caught.value.problems)


def test_a_subclassed_model_that_cannot_be_traced_says_where() -> None:
    class Odd(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.dense = K.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(x) * float(tf.reduce_mean(x).numpy())

    model = Odd()
    model(np.ones((1, 3), "float32"))
    with pytest.raises(UnsupportedModelError, match=r"in line \d+ of call\(\)") as caught:
        quantize_model(model)
    assert "keras.Input" in caught.value.problems[0].remedy


def test_wrappers_compute_in_the_precision_of_their_layer() -> None:
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = toys.TOYS["activations_inside"]()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    quantized = quantize_model(model)
    assert [y.dtype for y in quantized.outputs] == [y.dtype for y in model.outputs]
    quantized(toys.batch_for(model), training=True)


def test_a_model_without_a_graph_says_so() -> None:
    with pytest.raises(UnsupportedModelError, match="never built"):
        quantize_model(keras.Sequential([K.Dense(2)]))


def test_a_config_of_the_user_replaces_ours() -> None:
    from optim.annotation.configs import DefaultBNQuantizeConfig

    x = toys.image()
    model = keras.Model(x, K.Conv2D(2, 1, name="c")(x))
    quantized = quantize_model(model, configs={"c": DefaultBNQuantizeConfig})
    wrapper = quantized.get_layer("c")
    assert isinstance(wrapper.quantize_config, DefaultBNQuantizeConfig)
    assert len(wrapper.non_trainable_weights) == 2  # the range of the output
