"""Getting between the layers of a model and their quantizers, ours or tfmot's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["quantizers_of", "tapped"]

Replace = Callable[[Any, bool], Any]
"""`(quantizer, whether it is for a weight) -> what stands in for it`, called as it is called:
with inputs, `training`, and the variables of the quantizer as `weights`."""


@contextmanager
def tapped(model: Any, replace: Replace) -> Iterator[None]:
    """Within it, each quantizer of a model is what `replace` returns for it.

    Done on the model's own objects, not on classes: other models may run meanwhile.
    """
    restore: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for layer in _layers(model):
            for owner, name, value in _replaced(layer, replace):
                restore.append((owner.__dict__, name, owner.__dict__[name]))
                owner.__dict__[name] = value  # Keras would track a list that is set
        yield
    finally:
        for attributes, name, value in reversed(restore):
            attributes[name] = value


def quantizers_of(model: Any) -> list[Any]:
    """Return the quantizers of a model, layer by layer."""
    found: list[Any] = []

    def note(quantizer: Any, of_weight: bool) -> Any:
        found.append(quantizer)
        return quantizer

    for layer in _layers(model):
        list(_replaced(layer, note))
    return found


def _layers(model: Any) -> Iterator[Any]:
    """All layers, inner ones too, each once."""
    yield from {id(layer): layer for layer in model._flatten_layers()}.values()


def _replaced(layer: Any, replace: Replace) -> Iterator[tuple[Any, str, Any]]:
    """Yield what has to change: an object, the attribute, and its new value."""
    attributes = layer.__dict__
    if attributes.get("quantizer") is not None and hasattr(layer, "quantizer_vars"):
        yield layer, "quantizer", replace(layer.quantizer, False)
    if "_weight_vars" in attributes:
        changed = [(w, replace(q, True), variables) for w, q, variables in layer._weight_vars]
        yield layer, "_weight_vars", changed
    if "_output_quantizers" in attributes:
        yield layer, "_output_quantizers", [replace(q, False) for q in layer._output_quantizers]
    for activation in attributes.get("_quantize_activations", ()):
        owner = activation
        while hasattr(owner.quantizer, "quantizer"):  # ours is in an adapter
            owner = owner.quantizer
        yield owner, "quantizer", replace(owner.quantizer, False)
