"""The table of layers is complete, and what it calls equal computes the same."""

from __future__ import annotations

import keras as keras3

from optim.keras3.table import LAYERS

#: Names in `keras.layers` that are no layers.
NO_LAYERS = {"InputSpec"}


def test_each_layer_has_an_entry() -> None:
    classes = {x for x in vars(keras3.layers).values() if isinstance(x, type)}
    names = {cls.__name__ for cls in classes} - NO_LAYERS
    assert not names - set(LAYERS)
