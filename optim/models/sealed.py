"""Models whose inside is a graph without layers: they can be run and exported, not changed."""

from __future__ import annotations

from typing import Any

from optim.errors import Problem, UnsupportedModelError


class Sealed:
    """A layer, by a second base class, whose inside is a graph of TensorFlow."""

    name: str


def check_open(model: Any) -> None:
    """Refuse a model that has a sealed layer.

    Args:
        model: a `tf_keras.Model` or layer.

    Raises:
        UnsupportedModelError: naming all such layers.
    """
    problems = [
        Problem(
            layer.name,
            "comes from a SavedModel without layers, which can be quantized after training only",
            "use optim.export(model, optimize='int8', representative_data=...), or load the "
            "model from a .keras or .h5 file, which has the layers",
        )
        for layer in model._flatten_layers()
        if isinstance(layer, Sealed)
    ]
    if problems:
        raise UnsupportedModelError(problems, "the model has no layers to work on")
