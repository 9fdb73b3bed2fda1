"""Calling a layer whose outputs are known, because another like it was called so before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optim._keras import keras, tf

_TRACED_FOR_OUTPUT_ONLY = {"tf_keras", "tensorflow_model_optimization", "optim"}


@contextmanager
def known_outputs(layer: Any, node: Any) -> Iterator[Any]:
    """Within the context, calling `layer` builds it but does not trace it.

    To learn what a layer returns, Keras traces it into a graph that it throws away. Here
    that is known from the node that is being copied. Only for layers of Keras and for tfmot's
    wrappers around one, and not where tracing has effects (masks, regularizers, weights made
    in `call`).
    """
    inner = getattr(layer, "layer", layer)
    tensors = [*node.keras_inputs, *tf.nest.flatten(node.outputs)]
    if (
        not {type(x).__module__.split(".")[0] for x in (layer, inner)} <= _TRACED_FOR_OUTPUT_ONLY
        or isinstance(layer, keras.Sequential)
        or inner.activity_regularizer is not None
        or any(getattr(tensor, "_keras_mask", None) is not None for tensor in tensors)
    ):
        yield layer
        return
    trace = layer._infer_output_signature

    def known(inputs: Any, args: Any, kwargs: Any, input_masks: Any) -> Any:
        with keras.backend.name_scope(layer._name_scope()):
            layer._maybe_build(inputs)
        if len(inner.weights) != len(getattr(node.layer, "layer", node.layer).weights):
            return trace(inputs, args, kwargs, input_masks)
        layer._set_save_spec(inputs, args, kwargs)
        return tf.nest.map_structure(
            lambda t: type(t)(t.type_spec, t._inferred_value, t._name), node.outputs
        )

    object.__setattr__(layer, "_infer_output_signature", known)
    try:
        yield layer
    finally:
        object.__delattr__(layer, "_infer_output_signature")
