"""Masks: what Keras passes along with a tensor, from the layer that makes it to those that use it.

A mask is no argument of a call: it hangs on the tensor, and each layer hands it on or drops it.
A layer that is put in another's place may do otherwise. So before anything is replaced it is noted
where masks come from, and which layers use them.
"""

from __future__ import annotations

from typing import Any

from optim._keras import keras, tf
from optim.graph.graph import Graph, Node, Value

K = keras.layers

#: They drop a mask though they say that they support masking.
_DROP = (K.GlobalAveragePooling1D,)

#: They take the masks of their inputs by themselves, and not as an argument.
_TAKE = (K.MultiHeadAttention,)

#: They go by a mask in training alone, for their statistics.
_ONLY_TRAIN = (K.BatchNormalization,)


@keras.utils.register_keras_serializable(package="optim")
class CarryMask(keras.layers.Layer):  # type: ignore[misc]  # tf_keras is untyped
    """Hands on its first input with the mask of its second."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        return tf.identity(inputs[0])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None if mask is None else mask[1]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tf.TensorShape(input_shape[0])


@keras.utils.register_keras_serializable(package="optim")
class MaskZero(keras.layers.Layer):  # type: ignore[misc]  # tf_keras is untyped
    """Hands on whole numbers, and masks those that are zero."""

    def call(self, inputs: Any) -> Any:
        return tf.identity(inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return tf.not_equal(inputs, 0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tf.TensorShape(input_shape)


def note(node: Node, outputs: list[Any]) -> None:
    """Note at a node which masks it goes by, and of its values which mask they have.

    Args:
        node: just read; its inputs have been noted.
        outputs: the Keras tensors that its values stand for.
    """
    layer, found = node.layer, [value.mask for value in node.inputs]
    if any(found) and _goes_by_one(layer) and node.kwargs.get("mask") is None:
        node.masks = found
    passed = next((mask for mask in found if mask is not None), None)
    passes = layer.supports_masking and not isinstance(layer, (*_DROP, keras.Model))
    if isinstance(layer, K.RNN) and not layer.return_sequences:
        passes = False
    for tensor, value in zip(outputs, node.outputs, strict=True):
        has_one = getattr(tensor, "_keras_mask", None) is not None
        if passes and passed is not None:
            value.mask = passed
        elif has_one:
            value.mask = value


def _goes_by_one(layer: Any) -> bool:
    if isinstance(layer, K.TimeDistributed):  # it hands one to the layer within, if that takes any
        return _goes_by_one(layer.layer)
    if isinstance(layer, _ONLY_TRAIN):
        return False
    return bool(layer._expects_mask_arg) or isinstance(layer, _TAKE)


def carry(graph: Graph) -> None:
    """Give layers that go by a mask their inputs with it, whatever was put between."""
    for node in graph.nodes:
        if not any(node.masks) or isinstance(node.layer, CarryMask):
            continue
        wanted = list(node.masks)

        def with_mask(x: Any, wanted: list[Value | None] = wanted) -> Any:
            if not isinstance(x, Value):
                return x
            mask = wanted.pop(0)
            if mask is None or mask is x or not graph.alive(mask.node):
                return x
            name = graph.unique_name(f"{x.node.name}_mask")
            added = graph.add(CarryMask(name=name), [x, mask], specs=x.spec)
            added.path = x.node.path
            return added.output

        before = node.inputs
        args, kwargs = tf.nest.map_structure(with_mask, (node.args, node.kwargs))
        graph.call_with(node, args, kwargs, before)
