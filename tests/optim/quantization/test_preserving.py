"""Pruned and clustered models stay so in quantization-aware training, and in the file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optim
from optim import cluster_weights, litert, quantize_model, uncluster
from optim._keras import keras, tf
from optim.errors import ConfigError
from optim.quantization.quantizers.preserving import PreservingQuantizer

K = keras.layers

SPARSITY, CLUSTERS = 0.5, 8
KERNELS = 4


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(3)


def network() -> Any:
    """All kinds of kernels, with and without a normalization to be folded into them."""
    inputs = keras.Input((16, 16, 3))
    x = K.Conv2D(16, 3, use_bias=False, name="conv")(inputs)
    x = K.ReLU()(K.BatchNormalization(name="norm")(x))
    x = K.DepthwiseConv2D(3, use_bias=False, name="depthwise")(x)
    x = K.ReLU(6.0)(K.BatchNormalization()(x))
    x = K.Conv2D(24, 1, activation="relu", name="pointwise")(x)
    x = K.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, K.Dense(5, name="dense")(x))
    for layer in model.layers:
        if isinstance(layer, K.BatchNormalization):
            size = int(layer.gamma.shape[0])
            layer.gamma.assign(np.linspace(0.5, 2.0, size))
            layer.moving_variance.assign(np.linspace(0.2, 3.0, size))
    return model


def images(count: int = 32) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 16, 16, 3)).astype("float32")


def kernels(model: Any) -> dict[str, np.ndarray]:
    """The kernels of a float model by layer."""
    return {
        layer.name: layer.weights[0].numpy()
        for layer in model.layers
        if layer.name in ("conv", "depthwise", "pointwise", "dense")
    }


def effective(model: Any) -> dict[str, np.ndarray]:
    """The kernels of a quantized model as they go to the quantizers."""
    return {
        layer.name: q.preserved(tf.convert_to_tensor(w), v).numpy()
        for layer in model.layers
        for w, q, v in getattr(layer, "_weight_vars", ())
        if isinstance(q, PreservingQuantizer)
    }


def sparse() -> Any:
    model = network()
    for layer in model.layers:
        if layer.name in kernels(model):
            kernel = layer.weights[0].numpy()
            limit = np.quantile(np.abs(kernel), SPARSITY)
            layer.weights[0].assign(np.where(np.abs(kernel) < limit, 0, kernel))
    return model


def clustered(of: Any) -> Any:
    zeros = any((kernel == 0).any() for kernel in kernels(of).values())
    options = {"preserve_sparsity": zeros, "depthwise": True}
    return uncluster(cluster_weights(of, CLUSTERS, **options))


MODELS = {
    "sparsity": sparse,
    "clusters": lambda: clustered(network()),
    "both": lambda: clustered(sparse()),
}


def trained(model: Any, steps: int = 20) -> Any:
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    x = images()
    model.fit(x, np.random.default_rng(1).normal(size=(32, 5)), batch_size=8, epochs=steps // 4,
              verbose=0)  # fmt: skip
    return model


def stored(content: bytes) -> dict[str, np.ndarray]:
    """The int8 kernels of a file, in order."""
    runtime = litert.Runtime(content, kernels="reference", keep_tensors=True)
    wanted = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    report = optim.verify(content)
    return {
        str(number): runtime.tensor(op.inputs[1])
        for number, op in enumerate(report.operations)
        if op.name in wanted
    }


@pytest.mark.parametrize("preserve", MODELS)
def test_what_is_kept_lasts_through_training_file_and_export(preserve: str, tmp_path: Path) -> None:
    model = MODELS[preserve]()
    before = {name: kernel.copy() for name, kernel in kernels(model).items()}
    quantized = quantize_model(model, preserve=preserve, calibration_data=[images()])
    assert len(effective(quantized)) == KERNELS
    for name, kernel in effective(quantized).items():  # nothing is changed by itself
        np.testing.assert_allclose(kernel, before[name].reshape(kernel.shape), atol=1e-6)
    trained(quantized)
    check(preserve, before, effective(quantized))
    moved = [np.abs(k - before[n].reshape(k.shape)).max() for n, k in effective(quantized).items()]
    assert min(moved) > 1e-3

    content = optim.export(quantized)
    report = optim.verify(content, quantized, images())
    assert (report.int8_ops, report.int8_macs) == (1, 1)
    assert report.comparisons[0].sqnr > 30
    check(preserve, before, stored(content))

    for suffix in ("h5", "keras"):
        path = tmp_path / f"model.{suffix}"
        quantized.save(path)
        loaded = optim.load_model(path)
        np.testing.assert_array_equal(loaded.predict(images(), verbose=0),
                                      quantized.predict(images(), verbose=0))  # fmt: skip
        check(preserve, before, effective(trained(loaded, 4)))


def check(preserve: str, before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> None:
    assert len(after) == KERNELS
    for name, kernel in zip(before, after.values(), strict=True):
        if preserve != "clusters":
            was = float((before[name] == 0).mean())
            assert float((kernel == 0).mean()) >= was > 0.4, name
        if preserve != "sparsity":
            assert len(np.unique(kernel)) <= CLUSTERS, name


def test_calls_that_share_a_kernel_compute_what_they_did() -> None:
    inputs = keras.Input((16, 16, 3))
    conv = K.Conv2D(8, 3, padding="same")
    x = K.ReLU()(conv(K.ReLU()(K.Conv2D(8, 3, name="stem")(inputs))))
    model = keras.Model(inputs, K.Dense(5)(K.GlobalAveragePooling2D()(K.ReLU()(conv(x)))))
    conv.kernel.assign(conv.kernel.numpy() * np.linspace(0.1, 1, 8))
    conv.bias.assign(np.linspace(-1, 1, 8))
    few = uncluster(cluster_weights(model, CLUSTERS))
    quantized = quantize_model(few, preserve="clusters", calibration_data=[images()])
    content = optim.export(quantized)
    assert optim.verify(content, quantized, images()).comparisons[0].sqnr > 50
    assert [k.unique for k in optim.sparsity_report(content).kernels] == [CLUSTERS] * 3


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("preserve", ["clusters", "both"])
def test_a_dead_channel_leaves_the_others_their_values(preserve: str, scheme: str) -> None:
    model = MODELS[preserve]()
    gamma = model.get_layer("norm").gamma
    gamma.assign(np.where(np.arange(16) == 3, 0, gamma.numpy()))
    model.get_layer("norm").beta.assign(np.linspace(0.5, 1.5, 16))
    quantized = quantize_model(model, scheme=scheme, preserve=preserve, calibration_data=[images()])
    data = None if scheme == "int8" else [images()]
    content = optim.export(quantized, representative_data=data)
    assert optim.verify(content, quantized, images()).comparisons[0].sqnr > 50
    numbers = [kernel.unique for kernel in optim.sparsity_report(content).kernels]
    # The dead channel is zeros, one number more where zero is none of the values.
    assert numbers[0] <= CLUSTERS + (preserve == "clusters")
    assert max(numbers[1:]) <= CLUSTERS


def test_without_it_training_undoes_both() -> None:
    """What tfmot's and our plain schemes do: the test above can fail."""
    quantized = trained(quantize_model(clustered(sparse()), calibration_data=[images()]))
    for kernel in stored(optim.export(quantized)).values():
        assert len(np.unique(kernel)) > CLUSTERS


def test_export_leaves_the_model_as_it_was() -> None:
    quantized = trained(quantize_model(clustered(sparse()), preserve="both"), 4)
    before = [w.numpy() for w in quantized.weights]
    optim.export(quantized)
    for old, new in zip(before, quantized.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    trained(quantized, 4)
    assert any(
        (old != new.numpy()).any() for old, new in zip(before, quantized.weights, strict=True)
    )


def test_the_plan_says_what_is_kept() -> None:
    told = str(optim.plan(clustered(sparse()), preserve="both"))
    assert told.count("keeps zeros and 7 values") == KERNELS
    assert "keeps" not in str(optim.plan(network(), preserve="both"))
    assert "keeps" not in str(optim.plan(clustered(sparse())))


def test_nothing_to_preserve_is_said() -> None:
    with pytest.warns(UserWarning, match="no kernel of .* has any to preserve"):
        quantize_model(network(), preserve="sparsity")


def sequence() -> Any:
    """Kernels that pruning takes, of which the plan quantizes the first and the last."""
    tokens = keras.Input((6,))
    x = K.Embedding(40, 16, name="table")(tokens)
    x = K.LocallyConnected1D(8, 1, name="each")(x)
    x = K.Bidirectional(K.LSTM(4, activation="elu"), name="both")(x)
    return keras.Model(tokens, K.Dense(3, name="dense")(x))


def train_on_tokens(model: Any) -> None:
    rng = np.random.default_rng(0)
    model.compile("adam", "mse")
    model.fit(rng.integers(0, 40, (32, 6)), rng.normal(size=(32, 3)), epochs=3, verbose=0)


@pytest.mark.filterwarnings("ignore:quantize_model")
def test_a_table_keeps_its_zeros_and_its_values() -> None:
    sparse = optim.sparsify(sequence())
    for preserve, model in (
        ("sparsity", sparse),
        ("both", uncluster(cluster_weights(sparse, 8, preserve_sparsity=True))),
    ):
        quantized = quantize_model(model, preserve=preserve)
        train_on_tokens(quantized)
        reports = optim.sparsity_report(quantized), optim.sparsity_report(optim.export(quantized))
        for report in reports:
            (table,) = (k for k in report.kernels if k.layer == "table")
            assert table.sparsity == 0.5
            assert preserve == "sparsity" or (table.unique or 0) <= 8


def test_kernels_that_no_quantizer_preserves_are_named() -> None:
    sparse = optim.sparsify(sequence())
    with pytest.warns(UserWarning, match="no quantizer preserves it") as caught:
        quantize_model(sparse, preserve="sparsity")
    (message,) = (str(one.message) for one in caught)
    assert "each (float: LiteRT has no int8 kernel" in message
    assert "both (float: recurrent" in message
    assert "table" not in message
    assert "dense" not in message
    assert "prune or cluster it first" not in message
    for name in ("each", "both"):  # what the message advises
        sparse.get_layer(name).trainable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quantized = quantize_model(sparse, preserve="sparsity")
    train_on_tokens(quantized)
    assert optim.sparsity_report(quantized).total.sparsity == 0.5


def test_kernels_of_layers_that_are_taken_apart_are_kept() -> None:
    inputs = keras.Input((6, 16))
    x = K.MultiHeadAttention(2, 8)(inputs, inputs)
    x = K.SeparableConv1D(8, 3)(x)
    x = K.EinsumDense("abc,cd->abd", output_shape=(None, 8))(x)
    model = keras.Model(inputs, K.Conv1DTranspose(8, 3)(x))
    plan = optim.plan(optim.sparsify(model, depthwise=True), preserve="sparsity")
    assert (plan.wanted, plan.unkept) == (4, [])
    assert str(plan).count("keeps zeros") == 8


def test_kernels_of_layers_that_are_merged_are_kept() -> None:
    inputs = keras.Input((8, 8, 4))
    x = K.Conv2D(4, 1, name="gate")(inputs)
    gate = K.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)
    model = keras.Model(inputs, K.Multiply()([x, gate]))
    plan = optim.plan(optim.sparsify(model), preserve="sparsity")
    assert (plan.wanted, plan.unkept) == (1, [])


def test_a_skipped_layer_keeps_nothing() -> None:
    with pytest.warns(UserWarning, match=r"undoes it .* in conv \(float: skipped on request\)\."):
        quantize_model(sparse(), preserve="sparsity", skip="conv")


def test_an_unknown_word_is_an_error() -> None:
    with pytest.raises(ConfigError, match="sparsity, clusters, both"):
        quantize_model(network(), preserve="zeros")
    with pytest.raises(ConfigError, match="sparsity, clusters, both"):
        optim.Quantize(preserve="zeros")
    with pytest.raises(ConfigError, match="sparsity, clusters, both"):
        quantize_model(network(), preserve=["sparsity"])  # type: ignore[arg-type]


@pytest.mark.parametrize("preserve", ["sparsity", "clusters", "both", None])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_calibrating_sets_the_ranges_that_a_training_step_would(
    preserve: str | None, policy: str
) -> None:
    keras.mixed_precision.set_global_policy(policy)
    try:
        sparse = optim.sparsify(network(), depthwise=True)
        options = {"preserve_sparsity": True, "depthwise": True}
        few = uncluster(cluster_weights(sparse, CLUSTERS, **options))
        model = quantize_model(few, preserve=preserve)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    quantized = [
        entry for layer in model._flatten_layers() for entry in getattr(layer, "_weight_vars", ())
    ]
    wanted = []
    for weight, quantizer, variables in quantized:
        quantizer(tf.cast(weight.value(), tf.float32), True, variables)
        wanted.append((variables["min_var"].numpy(), variables["max_var"].numpy()))
        variables["min_var"].assign(tf.zeros_like(variables["min_var"]))
        variables["max_var"].assign(tf.zeros_like(variables["max_var"]))
    optim.calibrate(model, [images()])
    assert len(quantized) == KERNELS
    for (_, _, variables), (low, high) in zip(quantized, wanted, strict=True):
        assert np.all(high > 0)
        np.testing.assert_array_equal(variables["min_var"], low)
        np.testing.assert_array_equal(variables["max_var"], high)
