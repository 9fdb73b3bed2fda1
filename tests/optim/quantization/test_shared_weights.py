"""Weights that several layers share are still shared in what is made of a model (tfmot #994)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf, tfmot
from optim.errors import UnsupportedModelError
from optim.models.shared_weights import tied

K = keras.layers
Make = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(3)


def by_attribute() -> Any:
    """Two layers that hold the same variable, which each has at its place beside a bias."""
    inputs = keras.Input((8,))
    first, second = K.Dense(8, name="first"), K.Dense(8, name="second")
    model = keras.Model(inputs, second(K.ReLU()(first(inputs))))
    second.kernel = first.kernel
    return model


def by_operation() -> Any:
    """An autoencoder that decodes with the transposed kernel it encodes with."""
    inputs = keras.Input((8,))
    first = K.Dense(6, name="first")
    hidden = K.ReLU()(first(inputs))
    return keras.Model(inputs, tf.matmul(hidden, first.kernel, transpose_b=True))


def by_product() -> Any:
    """The same kernel in a product that is rewritten as a dense layer."""
    inputs = keras.Input((8,))
    first = K.Dense(8, name="first")
    return keras.Model(inputs, tf.matmul(K.ReLU()(first(inputs)), first.kernel))


MODELS = {"attribute": by_attribute, "operation": by_operation, "product": by_product}


def batch() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(16, 8)).astype("float32")


def trained(model: Any) -> Any:
    model.compile(keras.optimizers.SGD(0.5), "mse")
    model.fit(batch(), batch(), verbose=0, callbacks=optim.get_pruning_callbacks())
    return model


def kernels(model: Any) -> list[Any]:
    """The different variables of rank 2 that training changes."""
    found = {id(w): w for w in model.trainable_weights if len(w.shape) == 2}
    return list(found.values())


@pytest.mark.parametrize("kind", MODELS)
def test_tfmot_does_not_quantize_them(kind: str) -> None:
    with pytest.raises(ValueError, match=r"clone model|VariableSpec"):
        tfmot.quantization.keras.quantize_model(MODELS[kind]())


@pytest.mark.parametrize("make", [optim.quantize_model, optim.prune_low_magnitude])
@pytest.mark.parametrize("kind", MODELS)
def test_all_that_use_a_weight_train_one(kind: str, make: Make) -> None:
    model = MODELS[kind]()
    before = model.get_layer("first").kernel.numpy()
    result = make(model)
    np.testing.assert_allclose(kernels(result)[0], before)
    trained(result)
    (kernel,) = kernels(result)
    assert np.abs(kernel.numpy() - before).max() > 1e-3
    np.testing.assert_array_equal(model.get_layer("first").kernel, before, "the original")
    # With the trained weights the original computes what its copy does: at every use.
    for layer in ("first", "second") if kind == "attribute" else ("first",):
        model.get_layer(layer).bias.assign(bias_of(result, layer))
    model.get_layer("first").kernel.assign(kernel)
    difference = np.abs(result(batch()) - model(batch())).max()
    assert difference < (0.15 if make is optim.quantize_model else 1e-6)


def bias_of(model: Any, layer: str) -> Any:
    (found,) = [w for w in model.weights if w.name.endswith(f"{layer}/bias:0")]
    return found


@pytest.mark.parametrize("kind", MODELS)
def test_zeros_are_those_of_every_use(kind: str) -> None:
    model = MODELS[kind]()
    sparse = optim.sparsify(model)
    (kernel,) = kernels(sparse)
    assert np.mean(kernel.numpy() == 0) == 0.5
    model.get_layer("first").kernel.assign(kernel)
    np.testing.assert_allclose(sparse(batch()), model(batch()), atol=1e-6)
    plain = optim.unprune(trained(optim.prune_low_magnitude(model, frequency=1)))
    (kernel,) = kernels(plain)
    assert np.mean(kernel.numpy() == 0) == 0.5


@pytest.mark.parametrize("kind", MODELS)
def test_a_shared_kernel_is_not_clustered(kind: str) -> None:
    """Each layer would train values of its own for it."""
    model = MODELS[kind]()
    with pytest.raises(UnsupportedModelError, match=r"first/kernel:0 is shared by first, "):
        optim.cluster_weights(model)
    with pytest.warns(UserWarning, match="no layer"):
        left = optim.cluster_weights(model, skip=K.Dense)
    assert len(kernels(left)) == 1


def test_what_is_shared_no_more_is_told() -> None:
    """On images, a dense layer is rewritten as a convolution, with a kernel of another shape."""
    inputs = keras.Input((4, 4, 8))
    first, second = K.Dense(8, name="first"), K.Dense(8, name="second")
    model = keras.Model(inputs, second(K.ReLU()(first(inputs))))
    second.kernel = first.kernel
    with pytest.warns(UserWarning, match=r"first, second share first/kernel:0"):
        optim.quantize_model(model)


def test_a_weight_of_a_layer_that_is_called_later() -> None:
    inputs = keras.Input((8,))
    later = K.Dense(8, name="later")
    later.build((None, 8))
    model = keras.Model(inputs, later(tf.matmul(inputs, later.kernel)))
    with pytest.raises(UnsupportedModelError, match=r"kernel:0 of 'later', which is called later"):
        optim.prune_low_magnitude(model)
    assert len(kernels(optim.quantize_model(model))) == 1


def test_a_variable_that_no_layer_owns_is_a_constant() -> None:
    inputs = keras.Input((8,))
    scale = tf.Variable(np.full((8,), 3.0, "float32"))
    model = keras.Model(inputs, K.Dense(2)(inputs * scale))
    assert tied(model) == {}
    pruned = optim.prune_low_magnitude(model)
    np.testing.assert_allclose(pruned(batch()), model(batch()), rtol=1e-6)


def test_nothing_is_shared_by_a_layer_and_what_it_contains() -> None:
    inputs = keras.Input((8, 8, 3))
    x = K.SpectralNormalization(K.Conv2D(4, 3))(inputs)
    x = K.TimeDistributed(K.Dense(3))(
        K.Bidirectional(K.LSTM(3, return_sequences=True))(K.Reshape((36, 4))(x))
    )
    shared = K.Dense(3)
    assert tied(keras.Model(inputs, shared(shared(x)))) == {}


def test_a_table_that_decodes_too_is_one_table_of_integers() -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,), dtype="int32")
    embedding = K.Embedding(2000, 16)
    x = K.Dense(16)(embedding(inputs))
    model = keras.Model(inputs, tf.matmul(x, embedding.embeddings, transpose_b=True))
    data = np.random.default_rng(0).integers(0, 2000, (16, 6)).astype("int32")
    quantized = optim.quantize_model(model, calibration_data=data)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # float islands
        content = optim.export(quantized)
    report = optim.verify(content, {"float": model}, data)
    assert not report.islands
    assert report.comparisons[0].sqnr > 30
    assert len(content) < 1.5 * 2000 * 16
