"""Layers and functions that twins have where tf_keras has no equal.

All are registered, so that a saved twin loads wherever `optim` has been imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

from optim._keras import keras, tf

register = keras.utils.register_keras_serializable(package="optim")


def run_operation(kind: str, inputs: list[Any], attributes: dict[str, Any]) -> Any:
    """Run an operation of TensorFlow by its type.

    Args:
        kind: its type, as graphs have it: `MatMul`.
        inputs: its arguments, in the order of its definition; a list for one that takes several.
        attributes: its other arguments, by name.

    Returns:
        What it returns: a tensor, or several.
    """
    names = [argument.name for argument in _definition(kind).input_arg]
    given = {**dict(zip(names, inputs, strict=True)), **attributes}
    renamed = _renamed(kind)
    return getattr(tf.raw_ops, kind)(**{renamed.get(k, k): v for k, v in given.items()})


@cache
def _renamed(kind: str) -> Mapping[str, str]:
    """Arguments that functions of TensorFlow have by other names than graphs, as they have them."""
    definition = _definition(kind)
    before = [x.name for x in (*definition.input_arg, *definition.attr)]
    taken = [x for x in inspect.signature(getattr(tf.raw_ops, kind)).parameters if x != "name"]
    new = [x for x in taken if x not in before]
    old = [x.name for x in definition.input_arg if x.name not in taken]
    if len(new) > len(old):  # an attribute, then; those that follow from inputs are no arguments
        old += [x.name for x in definition.attr if x.name not in taken and x.type != "type"]
    return dict(zip(old, new, strict=True))


def _definition(kind: str) -> Any:
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(kind)


@register
class Operation(keras.layers.Layer):  # type: ignore[misc]  # tf_keras is untyped
    """One operation of TensorFlow for which there is no function that Keras can write to a file.

    Args:
        kind: type of the operation, as graphs have it.
        attributes: its attributes by name, dtypes by their names.
        constants: place of an argument -> its value, for those that are no tensors.
        lists: number of tensors of each argument that takes several, by its place.
    """

    def __init__(
        self,
        kind: str,
        attributes: dict[str, Any],
        constants: dict[str, Any] | None = None,
        lists: dict[str, int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.kind = kind
        self.attributes = dict(attributes)
        self.constants = dict(constants or {})
        self.lists = dict(lists or {})

    def call(self, inputs: Any) -> Any:
        given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        arguments: list[Any] = []
        for place, argument in enumerate(_definition(self.kind).input_arg):
            if str(place) in self.constants:
                value, dtype = self.constants[str(place)]
                arguments.append(tf.constant(value, dtype))
            elif argument.number_attr or argument.type_list_attr:
                count = self.lists[str(place)]
                arguments.append([given.pop(0) for _ in range(count)])
            else:
                arguments.append(given.pop(0))
        attributes = {
            name: tf.as_dtype(value[6:])
            if isinstance(value, str) and value.startswith("dtype:")
            else value
            for name, value in self.attributes.items()
        }
        result = run_operation(self.kind, arguments, attributes)
        return tuple(result) if isinstance(result, tuple) else result

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kind": self.kind,
            "attributes": self.attributes,
            "constants": self.constants,
            "lists": self.lists,
        }


@register
class TrainingSwitch(keras.layers.Layer):  # type: ignore[misc]
    """Hands on its first input in inference, its second in training."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, training: Any = None) -> Any:
        result, trained = inputs
        if training is None:
            training = keras.backend.learning_phase()
        if isinstance(training, (bool, int)):
            return tf.identity(trained if training else result)
        return tf.cond(tf.cast(training, tf.bool), lambda: trained, lambda: result)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None if mask is None else mask[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config()}


@register
class RandomNumbers(keras.layers.Layer):  # type: ignore[misc]
    """Random numbers of a distribution, new ones at each call.

    Args:
        kind: name of a function of `tf.random`.
        sizes: the shape; None for sizes that are inputs.
        low, high: of "uniform" its ends, of others mean and standard deviation.
        numbers: dtype of what is returned.
    """

    def __init__(
        self, kind: str, sizes: Any, low: float, high: float, numbers: str, **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.kind = kind
        self.sizes = list(sizes)
        self.low = float(low)
        self.high = float(high)
        self.numbers = numbers

    def call(self, inputs: Any) -> Any:
        given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        sizes = [given.pop(0) if n is None else n for n in self.sizes]
        shape = tf.stack([tf.cast(n, tf.int32) for n in sizes]) if sizes else ()
        function = getattr(tf.random, self.kind)
        result = function(shape, self.low, self.high, self.numbers)
        return tf.ensure_shape(result, self.sizes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kind": self.kind,
            "sizes": self.sizes,
            "low": self.low,
            "high": self.high,
            "numbers": self.numbers,
        }


@register
def hard_sigmoid(x: Any) -> Any:
    """`relu6(x + 3) / 6`, as in Keras 3; tf_keras' own has another slope."""
    return tf.nn.relu6(x + 3.0) / 6.0


@register
def hard_silu(x: Any) -> Any:
    """`x * relu6(x + 3) / 6`."""
    return x * hard_sigmoid(x)
