"""Operations of TensorFlow as layers: of a function, or as they are."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.keras3.layers import Operation


def function(symbol: str, name: str) -> Any:
    """A new op layer for a function of TensorFlow, given by its public name."""
    # The class has no public name.
    op_layer = import_module("tf_keras.src.layers.core.tf_op_layer").TFOpLambda
    target: Any = tf
    for part in symbol.split("."):
        target = getattr(target, part)
    return op_layer(target, name=name)


def is_symbolic(x: Any) -> bool:
    return isinstance(x, keras.__internal__.KerasTensor)


def attribute_of(operation: Any, name: str) -> Any:
    value = operation.get_attr(name)
    if isinstance(value, bytes):
        return value.decode()
    return list(value) if isinstance(value, (list, tuple)) else value


def raw(name: str, inputs: list[Any], operation: Any) -> Any:
    """The operation as it is, in a layer."""
    definition = operation.op_def
    constants, lists, tensors = {}, {}, []
    for place, (argument, value) in enumerate(zip(definition.input_arg, inputs, strict=True)):
        if argument.number_attr or argument.type_list_attr:
            lists[str(place)] = len(value)
            tensors += value
        elif is_symbolic(value):
            tensors.append(value)
        else:
            array = np.asarray(value, _dtype_of(operation, argument).as_numpy_dtype)
            constants[str(place)] = [array.tolist(), array.dtype.name]
    layer = Operation(operation.type, attributes(operation), constants, lists, name=name)
    return layer(tensors if len(tensors) > 1 else tensors[0])


def typed(operation: Any, inputs: list[Any]) -> list[Any]:
    """The arguments of an operation, whole numbers of 64 bits marked as such.

    TensorFlow takes a number of Python for one of 32 bits, and refuses it beside one of 64.
    """
    return [
        np.asarray(value, dtype.as_numpy_dtype)
        if isinstance(value, int)
        and (dtype := _dtype_of(operation, argument)).is_integer
        and dtype != tf.int32
        else value
        for argument, value in zip(operation.op_def.input_arg, inputs, strict=True)
    ]


def _dtype_of(operation: Any, argument: Any) -> Any:
    """The dtype that an argument of an operation has in the graph."""
    return tf.as_dtype(
        operation.get_attr(argument.type_attr) if argument.type_attr else argument.type
    )


def attributes(operation: Any) -> dict[str, Any]:
    """The attributes that its function in `tf.raw_ops` takes, dtypes by name."""
    inferred = {
        key
        for argument in operation.op_def.input_arg
        for key in (argument.type_attr, argument.number_attr, argument.type_list_attr)
    }
    found = {}
    for attribute in operation.op_def.attr:
        if attribute.name in inferred:
            continue
        value = attribute_of(operation, attribute.name)
        found[attribute.name] = f"dtype:{value.name}" if isinstance(value, tf.DType) else value
    return found


def grouped(operation: Any, inputs: list[Any]) -> list[Any]:
    """Inputs by argument of the operation: a list for one that takes several."""
    rest, groups = list(inputs), []
    for argument in operation.op_def.input_arg:
        if argument.number_attr:
            count = operation.get_attr(argument.number_attr)
        elif argument.type_list_attr:
            count = len(operation.get_attr(argument.type_list_attr))
        else:
            groups.append(rest.pop(0))
            continue
        groups.append(rest[:count])
        del rest[:count]
    return groups
