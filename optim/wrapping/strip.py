"""Copying a model without the wrappers that pruning or clustering put around its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from optim.models.clone import Copier, clone_model, plain_variable
from optim.models.compile_state import copy_compile_state
from optim.saving import custom_object_scope

__all__ = ["strip", "strip_layer"]

Final = Callable[[Any], Iterable[tuple[Any, Any]]]


def strip(model: Any, wrapper_class: type[Any], final: Final) -> tuple[Any, list[Any]]:
    """Return a copy of a model with plain layers in place of the wrappers of one class.

    Layers get their old names back, nested models stay nested, and the compile state is
    carried over.

    Args:
        model: Functional or Sequential; not modified.
        wrapper_class: the wrappers to remove; they hold their layer as `layer`.
        final: of a wrapper, returns pairs `(variable of its layer, value)` that the plain
            layer is to have instead.

    Returns:
        `(model, wrappers)`: the copy, and the wrappers that it lacks.

    Raises:
        UnsupportedModelError: a subclassed model, or layers that cannot be copied.
    """
    stripped: list[tuple[Any, Any]] = []

    def convert(layer: Any, path: str, copy: Copier) -> Any:
        if not isinstance(layer, wrapper_class):
            return copy(layer)
        new = copy(layer.layer)
        stripped.append((layer, new))
        if hasattr(layer, "_batch_input_shape"):  # lets a Sequential model build itself
            new._batch_input_shape = layer._batch_input_shape
        return new

    with custom_object_scope():
        plain = clone_model(model, convert)
        for wrapper, layer in stripped:
            places = {id(plain_variable(w)): i for i, w in enumerate(wrapper.layer.weights)}
            for variable, value in final(wrapper):
                place = places[id(plain_variable(variable))]
                plain_variable(layer.weights[place]).assign(value)
        copy_compile_state(model, plain)
    return plain, [wrapper for wrapper, _ in stripped]


def strip_layer(layer: Any, wrapper_class: type[Any], final: Final) -> tuple[Any, list[Any]]:
    """Return the layer within a wrapper, which gets its final values; any other as it is.

    Args:
        layer: a wrapper of the class, or another layer.
        wrapper_class, final: as for `strip`.

    Returns:
        `(layer, wrappers)`: the plain layer, and the wrapper, if there was one.
    """
    if not isinstance(layer, wrapper_class):
        return layer, []
    for variable, value in final(layer):
        plain_variable(variable).assign(value)
    return layer.layer, [layer]
