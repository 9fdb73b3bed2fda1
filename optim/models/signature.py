"""What goes into a model and what comes out: names, structure, shapes, dtypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optim._keras import keras, tf
from optim.errors import ConfigError, Problem, UnsupportedModelError

Structure = Any  # a nest of lists, tuples and dicts
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Interface:
    """The inputs and outputs of a model to be exported.

    Attributes:
        structure: `tf.TensorSpec`s in the structure that the model is called with.
        input_names: one name per input, in flat order.
        output_names: one name per output, in flat order; empty if not known before the
            model has been called.
    """

    structure: Structure
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    @property
    def specs(self) -> list[Any]:
        """The specs in flat order."""
        return list(tf.nest.flatten(self.structure))


def declared_interface(model: Any) -> Interface:
    """Describe what a model takes, as it says itself: sizes may be open.

    Raises:
        UnsupportedModelError: the model was never built.
    """
    structure = _declared(model)
    return Interface(structure, _input_names(model, structure), _output_names(model))


def interface(model: Any, input_shape: Any = None) -> Interface:
    """Describe what a model takes, with every size settled.

    Args:
        model: a built `tf_keras.Model`.
        input_shape: as `optim.export` takes it.

    Raises:
        UnsupportedModelError: the model was never built.
        ConfigError: a size is unknown and `input_shape` does not give it, or does not fit.
    """
    structure = _declared(model)
    names = _input_names(model, structure)
    flat = tf.nest.flatten(structure)
    shapes = _given(input_shape, names)
    as_called = not getattr(model, "_is_graph_network", False)
    specs = [
        tf.TensorSpec(_settle(_open(spec.shape, shape, as_called), shape, name), spec.dtype, name)
        for spec, shape, name in zip(flat, shapes, names, strict=True)
    ]
    return Interface(tf.nest.pack_sequence_as(structure, specs), names, _output_names(model))


def _declared(model: Any) -> Structure:
    if getattr(model, "_is_graph_network", False):
        # Inputs may be ragged or sparse; those have no place in LiteRT.
        return tf.nest.map_structure(
            lambda t: tf.TensorSpec(t.shape, t.dtype, t._keras_history.layer.name),
            model._nested_inputs,
        )
    spec = getattr(model, "_saved_model_inputs_spec", None)
    if spec is not None and model.built:
        return spec
    shape = getattr(model, "_build_input_shape", None)
    if model.built and shape is not None and not isinstance(shape, dict):
        return tf.TensorSpec(tf.TensorShape(shape), keras.backend.floatx())
    raise UnsupportedModelError(
        [Problem(model.name, "was never built", "call the model once on a batch, then export it")]
    )


def is_revived(model: Any) -> bool:
    """Whether Keras read it from a SavedModel without its class: as functions, without layers."""
    return type(model).__module__.endswith("saved_model.load")


def _input_names(model: Any, structure: Structure) -> tuple[str, ...]:
    names = getattr(model, "input_names", None)
    count = len(tf.nest.flatten(structure))
    if names and len(names) == count and getattr(model, "_is_graph_network", False):
        return tuple(names)
    if isinstance(structure, Mapping) and len(structure) == count:
        return tuple(map(str, sorted(structure)))  # the order of `tf.nest`
    if names and len(names) == count:
        return tuple(names)
    return tuple("input" if count == 1 else f"input_{i}" for i in range(count))


def _output_names(model: Any) -> tuple[str, ...]:
    return tuple(getattr(model, "output_names", None) or ())


def _given(input_shape: Any, names: Sequence[str]) -> list[Shape | None]:
    """One shape (or None) per input, from the forms that `input_shape` can have."""
    if input_shape is None:
        return [None] * len(names)
    if isinstance(input_shape, Mapping):
        unknown = sorted(set(input_shape) - set(names))
        if unknown:
            raise ConfigError(
                f"input_shape names {', '.join(map(repr, unknown))}; the inputs of the model are "
                f"{', '.join(map(repr, names))}"
            )
        return [_shape(input_shape.get(name)) for name in names]
    nested = isinstance(input_shape, (list, tuple)) and any(
        isinstance(x, (list, tuple, tf.TensorShape)) for x in input_shape
    )
    shapes = [_shape(x) for x in input_shape] if nested else [_shape(input_shape)]
    if len(shapes) != len(names):
        raise ConfigError(
            f"input_shape has {len(shapes)} shape(s), the model has {len(names)} input(s) "
            f"({', '.join(names)}): give a list in that order, or a dict by name"
        )
    return shapes


def _shape(given: Any) -> Shape | None:
    if given is None:
        return None
    try:
        sizes = tuple(tf.TensorShape(given).as_list())
    except (TypeError, ValueError):
        sizes = (0,)
    if any(size is not None and size < 1 for size in sizes):
        raise ConfigError(f"input_shape: {given!r} is not a shape such as (224, 224, 3)")
    return sizes


def _open(declared: Any, given: Shape | None, as_called: bool) -> Any:
    """What a model takes; of a subclassed one Keras knows the first call, not what others may be.

    The batch is free then, and so is every size where the caller names another.
    """
    if not as_called or not declared.rank:
        return declared
    if given is not None and len(given) in (declared.rank, declared.rank - 1):
        return tf.TensorShape([None] * declared.rank)
    return tf.TensorShape([None, *declared[1:]])


def _settle(declared: Any, given: Shape | None, name: str) -> Shape:
    """The shape to export for: batch 1 and no unknown size, unless told otherwise."""
    if declared.rank is None:
        if given is None:
            raise ConfigError(f"input {name!r} has no known shape: give input_shape, batch first")
        return given
    known: Shape = tuple(declared.as_list())
    if given is None:
        shape = (known[0] or 1, *known[1:]) if known else known
        if None in shape:
            size = 224 if len(known) > 3 else 128  # of images, or of sequences
            example = tuple(size if s is None else s for s in known[1:])
            raise ConfigError(
                f"input {name!r} has the shape {known}: LiteRT plans memory for fixed sizes, so "
                f"give them, for instance input_shape={example} or, of several inputs, "
                f"input_shape={{{name!r}: {example}, ...}}"
            )
        return shape
    if len(given) == len(known) - 1:
        given = (known[0] or 1, *given)
    if not declared.is_compatible_with(tf.TensorShape(given)):
        raise ConfigError(f"input_shape {given} does not fit input {name!r}, which is {known}")
    return tuple(a if b is None else b for a, b in zip(given, known, strict=True))
