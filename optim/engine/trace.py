"""Finding the graph of layers of a model: its own, or one traced from its `call`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optim._keras import keras, tf


def as_functional(model: Any) -> Any:
    """Return a model with a graph of layers that computes what `model` computes.

    Args:
        model: a Functional or built Sequential model, returned as it is; or a built
            subclassed one, whose `call` is traced on symbolic inputs in inference mode.

    Returns:
        A functional model that shares the layers of `model`, or None.
    """
    if getattr(model, "_is_graph_network", False):
        return model
    spec = _input_spec(model)
    if spec is None or type(model).call is keras.Model.call:
        return None
    try:
        with untouched(model):
            inputs = tf.nest.map_structure(_symbolic, spec)
            outputs = model.call(inputs)
            traced = keras.Model(inputs, outputs, name=model.name)
        return traced if _is_complete(traced, model) else None
    except Exception:  # whatever user code raises on symbolic tensors, there is no graph
        return None


def _input_spec(model: Any) -> Any:
    spec = getattr(model, "_saved_model_inputs_spec", None)
    if spec is not None:
        return spec
    shape = getattr(model, "_build_input_shape", None)
    if shape is None or isinstance(shape, dict) or (shape and isinstance(shape[0], (tuple, list))):
        return None
    return tf.TensorSpec(tf.TensorShape(shape), keras.backend.floatx())


def _symbolic(spec: Any) -> Any:
    shape = [None, *spec.shape.as_list()[1:]]
    return keras.Input(batch_shape=shape, dtype=spec.dtype)


def _is_complete(traced: Any, model: Any) -> bool:
    """Whether no weight of the model was lost: used directly in `call`, not by a layer."""
    found = {id(w) for w in traced.weights}
    return all(id(w) in found for w in model.weights)


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Undo the call records that tracing leaves on the layers of `model`.

    The traced model keeps its own references to them.
    """
    layers = [m for m in model.submodules if isinstance(m, keras.layers.Layer)]
    before = [(x, len(x._inbound_nodes_value), len(x._outbound_nodes_value)) for x in layers]
    try:
        yield
    finally:
        for layer, inbound, outbound in before:
            del layer._inbound_nodes_value[inbound:]
            del layer._outbound_nodes_value[outbound:]
