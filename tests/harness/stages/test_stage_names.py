"""The names that Keras gives go on where a build left them, whatever was forgotten between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("tf_keras")

import tf_keras as keras

from harness.stages.names import names, set_names


@pytest.fixture(autouse=True)
def fresh_names() -> Iterator[None]:
    keras.backend.clear_session()
    yield
    keras.backend.clear_session()


def layer_names(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers]


def build() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU(name="own")(x)
    return keras.Model(inputs, keras.layers.Conv2D(4, 3)(x))


def test_layers_made_after_a_build_share_no_name_with_it() -> None:
    model = build()
    set_names(names())
    later = build()
    given = {name for name in layer_names(later) if name != "own"}
    assert not given & set(layer_names(model))
    assert later.name != model.name


def test_names_go_on_exactly_as_if_nothing_was_forgotten() -> None:
    build()
    expected = layer_names(build())
    keras.backend.clear_session()
    build()
    set_names(names())
    assert layer_names(build()) == expected


def test_a_second_build_from_the_same_names_gives_the_same() -> None:
    keras.layers.Conv2D(1, 1)
    before = names()
    first = layer_names(build())
    set_names(before)
    assert layer_names(build()) == first


def test_a_name_given_by_hand_stays_seen() -> None:
    build()
    set_names(names())
    assert "own" in names().seen
