"""Inputs and outputs of models of Keras 3."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from optim._keras import tf
from optim.errors import Problem, UnsupportedModelError


def inputs_of(model: Any) -> Any:
    """Specs of a built model's inputs, in the structure in which it takes them.

    Raises:
        UnsupportedModelError: they are sparse or ragged, or not known.
    """
    functional = _functional(model)
    if functional is not None:
        return tf.nest.map_structure(lambda x: _spec(model, x), functional._inputs_struct)
    shapes = dict(model._build_shapes_dict or {})
    if not shapes:
        raise _unknown(model, "the shape of its input is not known")
    if len(shapes) > 1:
        raise _unknown(model, f"it is called on several arguments ({', '.join(shapes)})")
    (shape,) = shapes.values()
    count = iter(range(1_000_000))
    return _specs(shape, model.input_dtype, lambda: f"input_{next(count) + 1}")


def _functional(model: Any) -> Any:
    functional = import_module("keras.src.models.functional").Functional
    if isinstance(model, functional):
        return model
    return getattr(model, "_functional", None)


def _spec(model: Any, x: Any) -> Any:
    if getattr(x, "sparse", False) or getattr(x, "ragged", False):
        raise _unknown(model, f"its input {x.name!r} is sparse or ragged")
    return tf.TensorSpec(x.shape, x.dtype, x.name)


def _specs(shape: Any, dtype: str, name: Any) -> Any:
    if isinstance(shape, dict):
        return {
            key: tf.TensorSpec((None, *one[1:]), dtype, str(key))
            if _is_shape(one)
            else _specs(one, dtype, name)
            for key, one in shape.items()
        }
    if _is_shape(shape):
        return tf.TensorSpec((None, *shape[1:]), dtype, name())
    return [_specs(one, dtype, name) for one in shape]


def _is_shape(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and all(n is None or isinstance(n, int) for n in x)


def _unknown(model: Any, reason: str) -> UnsupportedModelError:
    problem = Problem(
        model.name,
        reason,
        "wrap it: inputs = keras.Input(...), then keras.Model(inputs, model(inputs))",
    )
    return UnsupportedModelError([problem], f"from_keras3: {model.name!r} cannot be converted")


def layer_names_of(model: Any) -> list[str]:
    """Names of the layers and operations of a Functional or Sequential model; else none."""
    functional = _functional(model)
    return [] if functional is None else [x.name for x in functional.operations]


def output_names_of(model: Any) -> list[str]:
    """Names of the outputs, flat; empty if it has none."""
    functional = _functional(model)
    if functional is None:
        return []
    outputs = tf.nest.flatten(functional._outputs_struct)
    return [x._keras_history.operation.name for x in outputs]
