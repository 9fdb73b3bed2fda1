"""Channels first: layers run channels last between transpositions, as LiteRT has nothing else.

A chain of them is transposed at its two ends only: a layer whose input was just transposed back
takes the tensor from before that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optim._keras import keras, tf

#: They do the same to each number, wherever it stands.
_ANYWHERE_NAMES = (
    "Activation ActivityRegularization Add Average Dropout ELU GaussianDropout GaussianNoise "
    "Identity LeakyReLU Maximum Minimum Multiply ReLU Subtract"
)
_ANYWHERE = frozenset(_ANYWHERE_NAMES.split())


def is_channels_first(layer: Any, name: str) -> bool:
    """Whether a layer of Keras 3 has its channels on the axis after the batch.

    Args:
        layer: built.
        name: of its class in the table.
    """
    if name == "BatchNormalization":
        rank = getattr(layer.input_spec, "ndim", None)
        return rank is not None and rank > 2 and layer.axis in (1, 1 - rank)
    return getattr(layer, "data_format", None) == "channels_first" and name != "Flatten"


def as_channels_last(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a layer, for channels last."""
    changed = dict(config)
    if "data_format" in config:
        changed["data_format"] = "channels_last"
    elif "axis" in config:
        changed["axis"] = -1
    return changed


class Layout:
    """Transposes, and remembers what was transposed back."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[Any, Any]] = {}

    def called(
        self, layer: Any, name: str, first: bool, inputs: Any, rest: dict[str, Any], names: Any
    ) -> Any:
        """Call a layer of tf_keras as its equal of Keras 3 is called; return what it returns.

        Args:
            layer: of tf_keras, made for channels last.
            name: of the class in the table.
            first: whether it is channels first in Keras 3.
            inputs, rest: what to call it with.
            names: gives names to transpositions.
        """
        flat = tf.nest.flatten(inputs)
        known = [self._last.get(id(x)) for x in flat]
        if not first and (name not in _ANYWHERE or None in known or not known):
            return layer(inputs, **rest)

        def last(x: Any) -> Any:
            found = self._last.get(id(x))
            return found[1] if found else _moved(x, [*range(2, x.shape.rank), 1], names)

        results = layer(tf.nest.map_structure(last, inputs), **rest)
        return tf.nest.map_structure(lambda y: self._back(y, flat[0].shape.rank, names), results)

    def _back(self, y: Any, rank: int, names: Any) -> Any:
        if y.shape.rank != rank:
            return y
        x = _moved(y, [rank - 1, *range(1, rank - 1)], names)
        self._last[id(x)] = (x, y)
        return x


def _moved(x: Any, dims: list[int], names: Callable[[str], str]) -> Any:
    return keras.layers.Permute(dims, name=names("permute"), dtype=x.dtype)(x)
