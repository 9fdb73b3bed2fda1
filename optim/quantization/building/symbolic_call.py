"""Calling a layer on symbolic tensors, without tracing it where the result is known.

Keras traces every layer into a scratch graph to learn the shape of its output; for a
quantizing wrapper that costs more than creating it. The graph was read from a model,
so the shapes of nearly all outputs are known: then building the layer is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.errors import Problem, UnsupportedModelError
from optim.models.vocabularies import variables

Made = MutableMapping[int, Any]
"""id of a variable of the original -> the variable that was made from it."""


def call_layer(
    layer: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    specs: Any,
    weights: list[Any],
    made: Made | None = None,
) -> Any:
    """Call a layer on Keras tensors, and give it its weights.

    Args:
        layer: the layer; built by this call if it is not yet.
        args, kwargs: what to call it with.
        specs: the structure of its output specs, if they are known and calling the layer
            does nothing that building it does not; else None.
        weights: initial values for the weights that building it creates, in the order of
            `layer.weights`: variables, tensors or arrays. Empty: leave them.
        made: what was made from variables so far, and is made now. The same variable is
            made once, so that layers which share it still do.

    Returns:
        The output tensors, in the structure that the layer returns.
    """
    with _initial_values(weights, {} if made is None else made) as used:
        if specs is None or _masked((args, kwargs)):
            outputs = layer(*args, **kwargs)
        else:
            layer.__dict__["_infer_output_signature"] = _Known(layer, specs)
            try:
                outputs = layer(*args, **kwargs)
            finally:
                del layer.__dict__["_infer_output_signature"]
    if weights:
        _assign(layer, weights, used)
    return outputs


class _Known:
    """Stands in for `Layer._infer_output_signature`: builds the layer, traces nothing."""

    def __init__(self, layer: Any, specs: Any) -> None:
        self.layer = layer
        self.specs = specs

    def __call__(self, inputs: Any, args: Any, kwargs: Any, masks: Any) -> Any:
        with keras.backend.name_scope(self.layer._name_scope()):
            self.layer._maybe_build(inputs)
        self.layer._set_save_spec(inputs, args, kwargs)
        return tf.nest.map_structure(_keras_tensor, self.specs)


def _keras_tensor(spec: Any) -> Any:
    return keras.__internal__.KerasTensor(spec)


def _masked(structure: Any) -> bool:
    return any(getattr(x, "_keras_mask", None) is not None for x in tf.nest.flatten(structure))


@contextmanager
def _initial_values(weights: list[Any], made: Made) -> Iterator[dict[int, Any]]:
    """Create variables with the given values instead of their initializers'.

    Args:
        weights: the values; a variable among them that was made before is not made again.
        made: what was made from variables; added to.

    Yields:
        id of each variable created with a given value -> that value. Matching is by
        trainability and shape, in order: a guess that `_assign` verifies.
    """
    used: dict[int, Any] = {}
    waiting = list(weights)

    def create(next_creator: Any, **kwargs: Any) -> Any:
        initial = kwargs.get("initial_value")
        shape = kwargs.get("shape")
        if waiting and callable(initial) and shape is not None:
            source = waiting[0]
            if tuple(np.shape(source)) == tuple(shape):
                waiting.pop(0)
                if id(source) in made:
                    used[id(made[id(source)])] = source
                    return made[id(source)]
                dtype = kwargs.get("dtype") or tf.float32
                kwargs["initial_value"] = lambda: tf.cast(tf.convert_to_tensor(source), dtype)
                variable = next_creator(**kwargs)
                used[id(variable)] = source
                if isinstance(source, tf.Variable):
                    made[id(source)] = variable
                return variable
        return next_creator(**kwargs)

    if not weights:
        yield used
        return
    with tf.variable_creator_scope(create):
        yield used


def _assign(layer: Any, weights: list[Any], used: dict[int, Any]) -> None:
    """Set what `_initial_values` did not, or guessed wrong."""
    own = variables(unwrapped(layer).weights)
    if [tuple(w.shape) for w in own] != [tuple(np.shape(w)) for w in weights]:
        raise UnsupportedModelError(
            [
                Problem(
                    layer.name,
                    f"a {type(unwrapped(layer)).__name__} made from its config has other weights",
                    "make get_config() return all that __init__ and build() need",
                )
            ]
        )
    for variable, source in zip(own, weights, strict=True):
        if used.get(id(variable)) is not source:
            variable.assign(tf.cast(tf.convert_to_tensor(source), variable.dtype))
    inner = unwrapped(layer)
    if hasattr(inner, "finalize_state"):  # a preprocessing layer derives tensors from them
        inner.finalize_state()


def unwrapped(layer: Any) -> Any:
    """The layer itself, if a quantize wrapper is around it."""
    return layer.layer if hasattr(layer, "quantize_config") else layer
