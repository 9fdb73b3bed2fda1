"""What was added to a wrapped model: tensors are kept by the plain one, functions are told of."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from optim._keras import keras, tf

K = keras.layers

WAYS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "pruning": (optim.prune_low_magnitude, optim.unprune),
    "clustering": (lambda model: optim.cluster_weights(model, 4), optim.uncluster),
}


def functional() -> Any:
    inputs = K.Input((4,))
    return keras.Model(inputs, K.Dense(2)(K.Dense(3)(inputs)), name="plain")


def sequential() -> Any:
    return keras.Sequential([K.Dense(3, input_shape=(4,)), K.Dense(2)], name="plain")


def nested() -> Any:
    inputs = K.Input((4,))
    return keras.Model(inputs, functional()(inputs), name="outer")


def receiver(model: Any) -> Any:
    """The model that functions are added to: a nested one, if there is one."""
    return next((x for x in model.layers if isinstance(x, keras.Model)), model)


def told(function: Callable[[Any], Any], model: Any) -> tuple[Any, list[Any]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(model)
    return result, [w for w in caught if "is not kept" in str(w.message)]


@pytest.mark.parametrize("make", [functional, sequential, nested])
@pytest.mark.parametrize("way", WAYS)
def test_functions_added_to_a_wrapped_model_are_told_of(way: str, make: Any) -> None:
    wrap, unwrap = WAYS[way]
    wrapped = wrap(make())
    weight = wrapped.weights[0]
    receiver(wrapped).add_loss(lambda: tf.reduce_sum(weight))
    plain, found = told(unwrap, wrapped)
    assert len(plain.losses) == 0
    (warning,) = found
    assert str(warning.message).startswith(f"{wrapped.name!r}: what was added with add_loss()")
    assert "Add it to the new model" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("way", WAYS)
def test_an_export_leaves_losses_behind_without_a_word(way: str) -> None:
    wrapped = WAYS[way][0](functional())
    wrapped.add_loss(lambda: tf.constant(1.0))
    file, found = told(optim.export, wrapped)
    assert file
    assert not found


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_told_where_nothing_was_added(way: str) -> None:
    wrap, unwrap = WAYS[way]
    assert told(unwrap, wrap(functional()))[1] == []


@pytest.mark.parametrize("way", WAYS)
def test_tensors_added_to_a_wrapped_model_are_kept(way: str) -> None:
    wrap, unwrap = WAYS[way]
    wrapped = wrap(functional())
    wrapped.add_loss(3.0 * tf.reduce_mean(tf.square(wrapped.output)))
    wrapped.add_metric(tf.reduce_mean(wrapped.output), name="average")
    plain, found = told(unwrap, wrapped)
    assert found == []
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    plain.compile("sgd")
    result = plain.evaluate(x, verbose=0, return_dict=True)
    y = plain.predict(x, verbose=0)
    assert result["loss"] == pytest.approx(3.0 * np.mean(np.square(y)), rel=1e-5)
    assert result["average"] == pytest.approx(np.mean(y), rel=1e-4)
