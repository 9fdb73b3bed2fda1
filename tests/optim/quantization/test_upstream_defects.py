"""Known defects of tfmot, each shown on its own function, and not there in ours.

Each test fails on the day upstream mends the defect: then what works around it can be looked at
again. Numbers are those of tfmot's issues. Defects of pruning through files and of the order of
concatenations have their tests beside what they belong to (`test_pruning_options`,
`test_order`, `test_against_tfmot`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf, tfmot

K = keras.layers
Q = tfmot.quantization.keras
Build = Callable[[], Any]


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(3)


class Subclass(K.Conv2D):  # type: ignore[misc, name-defined]
    """Nothing else than the class it is derived from."""


class Two(K.Layer):  # type: ignore[misc, name-defined]
    """A layer with two outputs."""

    def call(self, x: Any) -> Any:
        return x, x * 2.0


def images(count: int = 16, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (count, 8, 8, channels)).astype("float32")


def chain(*layers: Any) -> Any:
    return keras.Sequential([K.InputLayer((8, 8, 3)), *layers])


def around(function: Callable[[Any], Any], channels: int = 4) -> Any:
    """A convolution, a function of its output, and another convolution."""
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, K.Conv2D(2, 1)(function(K.Conv2D(channels, 3)(inputs))))


def squeeze_excite(x: Any) -> Any:
    squeezed = K.GlobalAveragePooling2D(keepdims=True)(x)
    return K.Multiply()([x, K.Conv2D(4, 1, activation="sigmoid")(squeezed)])


def nested() -> Any:
    inputs = keras.Input((8, 8, 3))
    inner = keras.Sequential([K.Conv2D(4, 3, input_shape=(8, 8, 3))], name="inner")
    return keras.Model(inputs, K.Conv2D(2, 1)(inner(inputs)))


def decibels(reference: Any, other: Any) -> float:
    reference, other = np.asarray(reference, "f8"), np.asarray(other, "f8")
    return float(10 * np.log10(np.sum(reference**2) / max(np.sum((reference - other) ** 2), 1e-30)))


#: What tfmot refuses or breaks -> the model, and what it says of it.
REFUSED: dict[str, tuple[Build, str]] = {
    "nested model (#957, #377, #292)": (nested, "model inside another|Model inside another"),
    "addition with a number (#1139, #546)": (lambda: around(lambda x: x + 1.0), "no attribute"),
    "addition of tensors (#1139)": (lambda: around(lambda x: x + tf.nn.relu(x)), "no attribute"),
    "mean (#980)": (
        lambda: around(lambda x: tf.reduce_mean(x, [1, 2], keepdims=True)),
        "not supported",
    ),
    "slice (#941, #1062)": (lambda: around(lambda x: x[:, 1:, 1:]), "not supported"),
    "split (#941)": (
        lambda: around(lambda x: K.Add()(tf.split(x, 2, axis=-1))),
        "not supported",
    ),
    "lone normalization (#363, #763, #1099)": (
        lambda: chain(K.MaxPooling2D(), K.BatchNormalization(), K.Conv2D(2, 1)),
        "not supported",
    ),
    "Rescaling (#647)": (lambda: chain(K.Rescaling(1 / 127.5), K.Conv2D(2, 1)), "not supported"),
    "Normalization (#647)": (
        lambda: chain(K.Normalization(mean=[1, 2, 3], variance=[1, 2, 3]), K.Conv2D(2, 1)),
        "not supported",
    ),
    "Multiply (#733)": (lambda: around(squeeze_excite), "not supported"),
    "LayerNormalization (#942)": (
        lambda: chain(K.LayerNormalization(), K.Conv2D(2, 1)),
        "not supported",
    ),
    "several outputs": (lambda: around(lambda x: K.Add()(Two()(x))), "custom Keras layers"),
    "subclass of a known layer": (lambda: chain(Subclass(4, 1)), "custom Keras layers"),
    "Conv1D": (lambda: keras.Sequential([K.Conv1D(4, 3, input_shape=(8, 3))]), "not supported"),
}


@pytest.mark.parametrize("defect", REFUSED)
def test_what_tfmot_does_not_quantize_is_int8_throughout_with_ours(defect: str) -> None:
    build, message = REFUSED[defect]
    with pytest.raises((AttributeError, RuntimeError, ValueError), match=message):
        Q.quantize_model(build())
    model = build()
    batch = images()[:, 0] if len(model.input_shape) == 3 else images()
    quantized = optim.quantize_model(model, calibration_data=[batch])
    assert decibels(model(batch), quantized(batch)) > 20  # a normalization over 3 channels: 23
    report = optim.verify(optim.export(quantized), {"simulation": quantized}, batch)
    assert (report.int8_ops, report.int8_macs, report.islands) == (1, 1, ())
    assert report.comparisons[0].sqnr > 40


#: What tfmot does not prune.
UNPRUNED: dict[str, Build] = {
    "Rescaling": lambda: chain(K.Rescaling(1 / 127.5), K.Conv2D(2, 1)),
    "Normalization": lambda: chain(K.Normalization(mean=0, variance=1), K.Conv2D(2, 1)),
    "op layer": lambda: around(lambda x: x + 1.0),
    "subclass of a known layer": lambda: chain(Subclass(4, 1)),
}


@pytest.mark.parametrize("defect", UNPRUNED)
def test_what_tfmot_does_not_prune_is_passed_through_or_pruned_with_ours(defect: str) -> None:
    with pytest.raises(ValueError, match="Please initialize `Prune` with a supported layer"):
        tfmot.sparsity.keras.prune_low_magnitude(UNPRUNED[defect]())
    sparse = optim.sparsify(UNPRUNED[defect]())
    kernels = optim.sparsity_report(sparse).kernels
    assert kernels
    assert all(kernel.sparsity == 0.5 for kernel in kernels)


@pytest.mark.parametrize("activation", ["swish", "gelu"])
def test_an_activation_inside_a_layer_is_int8(activation: str) -> None:
    """tfmot wraps a swish (#980), and the file has the layer in float."""
    model = chain(K.Conv2D(4, 1, activation=activation))
    results = {}
    for name, quantize in (("tfmot", Q.quantize_model), ("optim", optim.quantize_model)):
        quantized = quantize(model)
        optim.calibrate(quantized, [images()])
        results[name] = optim.verify(optim.export(quantized)).int8_macs
    assert results == {"tfmot": 0 if activation == "swish" else 1, "optim": 1}


def test_ranges_come_from_data_and_not_from_thousands_of_steps() -> None:
    """#1053, #974: a moving average that starts at -6 and 6 with a decay of 0.999."""
    model = chain(K.Conv2D(8, 3), K.ReLU(), K.Conv2D(4, 3))
    for weight in model.weights:
        weight.assign(20 * weight)
    theirs = Q.quantize_model(model)
    for _ in range(20):
        theirs(images(), training=True)
    ours = optim.quantize_model(model, calibration_data=[images()])
    assert decibels(model(images()), theirs(images())) < 5
    assert decibels(model(images()), ours(images())) > 30


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (Q.quantize_model, optim.quantize_model),
        (tfmot.sparsity.keras.prune_low_magnitude, optim.prune_low_magnitude),
        (
            lambda m: tfmot.clustering.keras.cluster_weights(
                m, 4, tfmot.clustering.keras.CentroidInitialization.LINEAR
            ),
            lambda m: optim.cluster_weights(m, 4),
        ),
    ],
    ids=["quantize", "prune", "cluster"],
)
def test_a_compiled_model_stays_compiled(theirs: Any, ours: Any) -> None:
    def compiled() -> Any:
        model = chain(K.Conv2D(4, 1))
        model.compile("adam", "mae")
        return model

    assert getattr(theirs(compiled()), "optimizer", None) is None
    result = ours(compiled())
    assert (type(result.optimizer).__name__, result.loss) == ("Adam", "mae")


def test_mixed_precision_trains() -> None:
    """#367."""
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = chain(K.Conv2D(4, 3), K.BatchNormalization(), K.ReLU(), K.Conv2D(2, 1))
        with pytest.raises(TypeError):
            Q.quantize_model(model)(images(), training=True)
        quantized = optim.quantize_model(model)
        quantized.compile("sgd", "mse", run_eagerly=True)
        loss = quantized.fit(images(), np.zeros((16, 6, 6, 2)), verbose=0).history["loss"][-1]
        assert np.isfinite(loss)
    finally:
        keras.mixed_precision.set_global_policy("float32")


# -- the combined techniques -----------------------------------------------------------------


def residual() -> Any:
    inputs = keras.Input((8, 8, 4))
    x = K.BatchNormalization()(K.Conv2D(4, 3, padding="same", name="first")(inputs))
    x = K.ReLU()(K.Add()([x, inputs]))
    sides = [K.BatchNormalization()(K.Conv2D(8, 1)(x)) for _ in range(2)]
    x = K.GlobalAveragePooling2D()(K.ReLU()(K.Add()(sides)))
    return keras.Model(inputs, K.Dense(3)(x))


def separable() -> Any:
    inputs = keras.Input((8, 8, 4))
    x = K.ReLU()(K.Conv2D(8, 3)(inputs))
    x = K.ReLU()(K.DepthwiseConv2D(3)(x))
    return keras.Model(inputs, K.Dense(3)(K.GlobalAveragePooling2D()(x)))


def with_scheme(name: str) -> Callable[[Any], Any]:
    scheme = getattr(tfmot.experimental.combine, f"Default8Bit{name}PreserveQuantizeScheme")
    return lambda model: Q.quantize_apply(Q.quantize_annotate_model(model), scheme())


def kernels_after_training(quantized: Any) -> list[Any]:
    """What is known of the kernels in the int8 file, after 20 steps."""
    quantized.compile(keras.optimizers.Adam(1e-2), "mse")
    targets = np.random.default_rng(1).normal(size=(16, 3))
    quantized.fit(images(16, 4), targets, batch_size=4, epochs=5, verbose=0)
    return list(optim.sparsity_report(optim.export(quantized)).kernels)


def test_zeros_of_depthwise_kernels_last_through_training() -> None:
    """tfmot's prune-preserving scheme knows Conv2D and Dense only."""
    sparse = optim.sparsify(separable(), depthwise=True)
    theirs = kernels_after_training(with_scheme("Prune")(sparse))
    assert min(k.sparsity for k in theirs if "depthwise" in k.kernel) < 0.3
    ours = kernels_after_training(optim.quantize_model(sparse, preserve="sparsity"))
    assert len(ours) == 3
    assert all(kernel.sparsity >= 0.5 for kernel in ours)


def test_clusters_of_normalized_layers_last_into_the_file() -> None:
    """See #1056. In tfmot's scheme a normalization and ranges per channel make others of them."""
    clustered = optim.uncluster(optim.cluster_weights(residual(), 4))
    theirs = kernels_after_training(with_scheme("Cluster")(clustered))
    assert max(kernel.unique for kernel in theirs) > 4
    ours = kernels_after_training(optim.quantize_model(clustered, preserve="clusters"))
    assert len(ours) == 4
    assert all(kernel.unique <= 4 for kernel in ours)
