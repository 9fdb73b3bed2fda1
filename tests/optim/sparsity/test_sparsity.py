"""`sparsity_report` of Keras models, of their files, and of LiteRT files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from optim import (
    cluster_weights,
    export,
    prune_low_magnitude,
    quantize_model,
    sparsify,
    sparsity_report,
    uncluster,
    unprune,
)
from optim.errors import ConfigError, KerasModelError, ModelFileError
from optim.pruning.wrapper import pruned_layers
from optim.sparsity.distinct import count_both, count_unique, count_unique_by_channel
from optim.sparsity.measure import measure
from optim.sparsity.report import SparsityReport


@pytest.fixture
def network(keras):
    layers = keras.layers
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, name="conv")(inputs)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = keras.Sequential([layers.Conv2DTranspose(4, 3, name="up")], name="block")(x)
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(4, name="logits")(x), name="net")


def prune_now(model, **options):
    pruned = prune_low_magnitude(model, **options)
    for wrapper in pruned_layers(pruned):
        wrapper.pruning_step.assign(1)
        wrapper.pruning_obj.conditional_mask_update()
    return pruned


def by_layer(report):
    return {kernel.layer: kernel for kernel in report.kernels}


def tflite(model, **options):
    import tensorflow as tf

    function = tf.function(model).get_concrete_function(
        tf.TensorSpec((1, *model.inputs[0].shape[1:]))
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
    for name, value in options.items():
        setattr(converter, name, value)
    return converter.convert()


def test_a_pruned_model_and_what_is_left_of_it(network):
    overrides = {"logits": {"sparsity_m_by_n": (2, 4)}}
    pruned = prune_now(network, sparsity=0.75, frequency=1, overrides=overrides)
    kernels = by_layer(sparsity_report(pruned))
    assert list(kernels) == ["conv", "depthwise", "block/up", "logits"]
    conv, logits = kernels["conv"], kernels["logits"]
    assert (conv.kernel, conv.shape, conv.size) == ("kernel", (3, 3, 4, 8), 288)
    assert (conv.target, conv.sparsity) == (0.75, 0.75)
    assert (conv.m_by_n, conv.blocks) == ((2, 4), 72)
    assert conv.satisfied < 1.0
    assert (logits.target, logits.sparsity, logits.satisfied) == (0.5, 0.5, 1.0)
    depthwise = kernels["depthwise"]
    assert (depthwise.target, depthwise.sparsity, depthwise.satisfied) == (None, 0.0, None)
    assert kernels["block/up"].blocks == 3 * 3 * 4 * 2

    plain = by_layer(sparsity_report(unprune(pruned)))
    for name, kernel in plain.items():
        assert kernel.target is None
        assert kernel.sparsity == kernels[name].sparsity
        assert kernel.satisfied == kernels[name].satisfied


def test_a_clustered_model_and_what_is_left_of_it(network):
    clustered = cluster_weights(network, 6, overrides={"conv": {"number_of_clusters": 3}})
    kernels = by_layer(sparsity_report(clustered))
    assert {n: (k.unique, k.clusters) for n, k in kernels.items()} == {
        "conv": (3, 3), "depthwise": (72, None), "block/up": (6, 6), "logits": (6, 6),
    }  # fmt: skip
    plain = by_layer(sparsity_report(uncluster(clustered)))
    assert [k.unique for k in plain.values()] == [3, 72, 6, 6]


def test_prune_then_cluster(network):
    small = unprune(prune_now(network, sparsity_m_by_n=(2, 4)))
    both = uncluster(cluster_weights(small, 8, preserve_sparsity=True))
    kernels = by_layer(sparsity_report(both))
    for name in ("conv", "block/up", "logits"):
        assert (kernels[name].sparsity, kernels[name].satisfied) == (0.5, 1.0)
        assert kernels[name].unique <= 8


def test_total_rows_dict_and_table(network):
    report = sparsity_report(prune_now(network, frequency=1))
    sizes = [kernel.size for kernel in report.kernels]
    assert report.total.size == sum(sizes)
    zeros = sum(k.sparsity * k.size for k in report.kernels)
    assert report.total.sparsity == pytest.approx(zeros / sum(sizes))
    assert report.total.target == 0.5
    assert [row["layer"] for row in report.rows()] == ["conv", "depthwise", "block/up", "logits"]
    again = json.loads(json.dumps(report.to_dict()))
    assert again["model"] == "net"
    assert again["kernels"][0]["shape"] == [3, 3, 4, 8]
    assert again["total"]["size"] == sum(sizes)
    lines = str(report).splitlines()
    assert lines[0] == "sparsity of net"
    assert lines[1].split() == [
        "layer", "kernel", "shape", "values", "target", "zeros", "m:n", "unique",
    ]  # fmt: skip
    assert lines[2].split()[:6] == ["conv", "kernel", "3x3x4x8", "288", "50.0%", "50.0%"]
    assert lines[3].split() == [
        "depthwise", "depthwise_kernel", "3x3x8x1", "72", "-", "0.0%", "-", "72",
    ]  # fmt: skip
    assert lines[-1].startswith("total")
    assert len(lines) == 7
    assert SparsityReport("empty", ()).total.sparsity == 0.0


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_files_of_keras(network, suffix, tmp_path):
    pruned = prune_now(network, sparsity_m_by_n=(2, 4))
    path = tmp_path / f"model{suffix}"
    pruned.save(path)
    report = sparsity_report(path)
    assert report.model == path.name
    assert report.kernels == sparsity_report(pruned).kernels


def test_two_of_four_is_what_a_litert_file_holds(keras, network, tmp_path):

    small = unprune(prune_now(network, sparsity_m_by_n=(2, 4)))
    content = tflite(small)
    (tmp_path / "model.tflite").write_bytes(content)
    report = sparsity_report(tmp_path / "model.tflite")
    assert report.kernels == sparsity_report(content).kernels
    kernels = {kernel.kernel: kernel for kernel in report.kernels}
    assert kernels["conv_2d"].shape == (8, 3, 3, 4)
    assert kernels["transpose_conv"].shape == (4, 3, 3, 8)
    for name in ("conv_2d", "transpose_conv", "fully_connected"):
        assert (kernels[name].sparsity, kernels[name].satisfied) == (0.5, 1.0), name
    assert kernels["depthwise_conv_2d"].satisfied is None


def test_int8_and_float16_weights(keras):
    import tensorflow as tf

    model = keras.Sequential([keras.layers.Dense(64, input_shape=(64,), name="dense")])
    small = unprune(prune_now(model, sparsity_m_by_n=(2, 4)))
    (kernel,) = sparsity_report(tflite(small)).kernels
    assert (kernel.layer, kernel.unique) == ("dense", None)
    default = [tf.lite.Optimize.DEFAULT]
    (kernel,) = sparsity_report(tflite(small, optimizations=default)).kernels  # int8
    assert (kernel.shape, kernel.satisfied) == ((64, 64), 1.0)
    assert 100 < kernel.unique <= 255
    spec = tf.lite.TargetSpec()
    spec.supported_types = [tf.float16]
    content = tflite(small, optimizations=default, target_spec=spec)
    (kernel,) = sparsity_report(content).kernels  # read through the conversion to float32
    assert (kernel.shape, kernel.sparsity, kernel.satisfied) == ((64, 64), 0.5, 1.0)


def test_another_pattern(keras):
    model = keras.Sequential([keras.layers.Dense(4, input_shape=(9,), use_bias=False)])
    kernel = np.ones((9, 4), "float32")
    kernel[::3] = 0
    model.set_weights([kernel])
    (found,) = sparsity_report(model, m_by_n=(1, 3)).kernels
    assert (found.blocks, found.satisfied, found.unique) == (12, 1.0, 2)
    (found,) = sparsity_report(model).kernels  # rows 0-3 have two zeros, rows 4-7 one
    assert (found.blocks, found.satisfied) == (8, 0.5)


def test_zero_points_and_many_values():
    values = np.arange(8, dtype=np.int8).reshape(2, 4)
    found = measure(values, np.array([[3], [3]]), 1, (1, 4))
    assert (found["sparsity"], found["satisfied"]) == (1 / 8, 0.5)
    assert count_unique(np.arange(1024)) == 1024
    assert count_unique(np.arange(1025)) is None
    repeated = np.tile(np.arange(7.0), 100_000)
    assert count_unique(repeated) == 7


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("values", [3, 40, 5000])
def test_values_by_channel(rng, monkeypatch, values, axis):
    monkeypatch.setattr("optim.sparsity.distinct._AT_ONCE", 5000)  # a few channels at a time
    kernel = rng.integers(0, values, (12, 10, 400)).astype("float32")
    most = max(len(np.unique(channel)) for channel in np.moveaxis(kernel, axis, 0))
    assert count_unique_by_channel(kernel, axis) == (most if most <= 1024 else None)
    kernel[0] = 1.0  # then the first channel does not tell
    assert count_unique_by_channel(kernel, 0) == (None if values > 1024 else values)
    assert count_unique_by_channel(np.zeros((3, 0)), 0) == 0
    all_different = rng.permutation(6000).reshape(10, 600).astype("float32")
    all_different[0] = all_different[0, 0]
    assert count_unique_by_channel(all_different, 0) == 600


@pytest.mark.parametrize("at_once", [700, 1 << 22])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float16", "float32", "float64"])
@pytest.mark.parametrize("count", [1, 3, 200])
def test_values_of_every_type_are_counted_as_sorting_does(rng, monkeypatch, dtype, count, at_once):
    monkeypatch.setattr("optim.sparsity.distinct._AT_ONCE", at_once)
    monkeypatch.setattr("optim.sparsity.distinct._SAMPLE", 500)
    kernel = (rng.integers(0, count, (6, 5, 40)) - count // 2).astype(dtype)
    if dtype == "float32":  # next to each other, the same in the upper half of their bits
        kernel = np.where(kernel > 0, np.nextafter(np.float32(1), kernel + 1), kernel)
        kernel[0, 0, :4] = (-0.0, 0.0, np.nan, np.nan)
    wanted = len(np.unique(kernel))
    most = max(len(np.unique(channel)) for channel in np.moveaxis(kernel, 1, 0))
    assert count_unique(kernel) == wanted
    if dtype != "float32":  # not a number is not counted by channel
        assert count_both(kernel, 1) == (wanted, most)
        assert count_unique_by_channel(kernel, 1) == most


@pytest.mark.parametrize("m_by_n", [(1, 2), (2, 4), (3, 5), (5, 8), (9, 10)])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_groups_are_counted_one_by_one(rng, m_by_n, axis):
    kernel = rng.integers(0, 2, (7, 23, 31)).astype("int8")
    m, n = m_by_n
    lines = np.moveaxis(kernel, axis, -1).reshape(-1, kernel.shape[axis])
    groups = [line[i : i + n] for line in lines for i in range(0, len(line) - n + 1, n)]
    enough = [np.count_nonzero(group == 0) >= m for group in groups]
    found = measure(kernel, 0, axis, m_by_n)
    assert found["blocks"] == len(groups)
    assert found["satisfied"] == (np.mean(enough) if groups else None)


def test_what_cannot_be_reported(network, tmp_path):
    with pytest.raises(KerasModelError, match=r"got builtins\.int"):
        sparsity_report(3)
    with pytest.raises(ModelFileError, match="no model file"):
        sparsity_report(tmp_path / "none.h5")
    with pytest.raises(ModelFileError, match="no model file"):
        sparsity_report(tmp_path / "none.tflite")
    with pytest.raises(ModelFileError, match="is not a LiteRT model"):
        sparsity_report(b"something else")
    with pytest.raises(ConfigError, match="0 < m < n"):
        sparsity_report(network, m_by_n=(4, 2))


def test_a_quantized_model_is_measured_with_what_it_preserves(keras):
    K = keras.layers
    model = keras.Sequential(
        [K.Conv2D(16, 3, input_shape=(8, 8, 4)), K.GlobalAveragePooling2D(), K.Dense(20)]
    )
    sparse = sparsify(model, sparsity=0.75)
    few = uncluster(cluster_weights(sparse, 8, preserve_sparsity=True))
    quantized = quantize_model(few, preserve="both")
    report = sparsity_report(quantized)
    assert len(report.kernels) == 2
    for kernel in report.kernels:
        assert kernel.sparsity == kernel.target == 0.75
        assert kernel.unique == kernel.clusters == 8
    for layer in quantized.layers:  # what training does to the kernels themselves is not it
        for weight, _, _ in getattr(layer, "_weight_vars", ()):
            weight.assign_add(1e-4 * np.random.default_rng(0).normal(size=weight.shape))
    for kernel in sparsity_report(quantized).kernels:
        assert (kernel.sparsity, kernel.unique) == (0.75, 8)


def test_a_quantized_model_without_is_measured_as_it_is(keras):
    model = keras.Sequential([keras.layers.Dense(20, input_shape=(8,))])
    kernel = sparsity_report(quantize_model(model)).kernels[0]
    assert (kernel.shape, kernel.target, kernel.clusters) == ((8, 20), None, None)


def test_patterns_that_are_none(network):
    for m_by_n in (3, "2:4", (2, 4, 8), (2.0, 4)):
        with pytest.raises(ConfigError, match="must be two whole numbers"):
            sparsity_report(network, m_by_n=m_by_n)
    assert sparsity_report(network, m_by_n=[2, 4]).kernels == sparsity_report(network).kernels


@pytest.mark.filterwarnings("ignore:activation ranges")
def test_kernels_of_a_file_have_the_names_of_their_layers(keras):
    K = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = K.ReLU(name="re_lu")(K.BatchNormalization()(K.Conv2D(4, 3, name="conv")(inputs)))
    block = keras.Sequential([K.Conv2D(4, 1, name="point"), K.ReLU(name="act")], name="block")
    x = K.GlobalAveragePooling2D()(block(x))
    outputs = [K.Dense(5, name="logits")(x), K.Dense(4, activation="softmax", name="soft")(x)]
    model = keras.Model(inputs, outputs)
    for content in (export(model), tflite(model)):
        assert list(by_layer(sparsity_report(content))) == ["conv", "block/point", "logits", "soft"]
    assert list(by_layer(sparsity_report(export(quantize_model(model))))) == [
        "conv", "point", "logits", "soft",
    ]  # fmt: skip


def test_convolutions_of_volumes(keras):
    K = keras.layers
    model = keras.Sequential(
        [K.Conv3D(4, 2, input_shape=(4, 8, 8, 4), name="down"), K.Conv3DTranspose(3, 2, name="up")]
    )
    kernels = by_layer(sparsity_report(export(sparsify(model, sparsity_m_by_n=(2, 4)))))
    assert [(k.kernel, k.sparsity) for k in kernels.values()] == [
        ("conv_3d", 0.5), ("conv_3d_transpose", 0.5),
    ]  # fmt: skip
    assert kernels["up"].satisfied == 1.0
