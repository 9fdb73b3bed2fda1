"""Finding the graph of layers that a `call` consists of, by calling it on symbolic tensors."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from optim._keras import keras, tf
from optim.graph.parameter import Parameter
from optim.models.signature import is_revived

# Where Keras itself keeps the weights of a layer.
_BOOKS = {"_trainable_weights", "_non_trainable_weights"}


class Untraceable(Exception):
    """A call has no graph of layers; the message says why.

    Args:
        reason: why.
        remedy: what the caller can do, if that is known.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


class Tracer:
    """Traces calls. Layers that own the same variable get the same `Parameter` layer."""

    def __init__(self) -> None:
        self._parameters: dict[int, tuple[Any, Parameter]] = {}

    def functional(self, model: Any) -> Any:
        """Return a model with a graph of layers that computes what `model` computes.

        Args:
            model: a Functional or built Sequential model, returned as it is; or a built
                subclassed one, whose `call` is traced.

        Returns:
            A functional model that shares the layers of `model`.

        Raises:
            Untraceable: there is no such graph.
        """
        if getattr(model, "_is_graph_network", False):
            return model
        if is_revived(model):
            raise Untraceable(
                "it was read from a SavedModel without its class",
                "give load_model custom_objects={name: class}; or quantize it after training "
                "alone: optim.export(model, optimize='int8', ...)",
            )
        spec = _input_spec(model)
        if spec is None or type(model).call is keras.Model.call:
            raise Untraceable("it was never built")
        inputs = _inputs(spec, {layer.name for layer in model._flatten_layers()})
        traced = self.trace(model, inputs, (inputs,), {}, flat=False)
        lost = lost_weights(traced, model)
        if lost:
            raise Untraceable(f"its call does not show how it uses {', '.join(lost)}")
        return traced

    def trace(
        self,
        layer: Any,
        inputs: Any,
        args: Any,
        kwargs: dict[str, Any],
        training: bool | None = None,
        flat: bool = True,
    ) -> Any:
        """Return the functional model of what `layer.call` does with symbolic tensors.

        In place of its own variables it is given symbolic tensors, too, so that none
        disappears in a constant. Unless told otherwise by `kwargs` or `training` the layers
        within are not told whether they are training: they learn it from the model.

        Args:
            layer: the layer.
            inputs: the inputs of the model, structured.
            args, kwargs: what to call it with, made of these.
            training: what to say where the call asks, and `kwargs` do not tell.
            flat: whether to flatten the outputs.

        Raises:
            Untraceable: whatever the code of the layer raises on symbolic tensors.
        """
        args, kwargs = with_training(layer, tuple(args), kwargs, training)
        args = (tf.nest.map_structure(lambda x: _cast(x, layer), args[0]), *args[1:])
        traced = self._trace(layer, [layer], inputs, args, kwargs, flat)
        # A layer that is called on constants, such as positions, is a constant so far.
        lost = {id(w) for w in layer.weights} - {id(w) for w in traced.weights}
        parts = [x for x in layer._flatten_layers(include_self=False) if _owned(x) & lost]
        if not parts:
            return traced
        try:
            return self._trace(layer, [layer, *parts], inputs, args, kwargs, flat)
        except Untraceable:
            return traced

    def _trace(
        self, layer: Any, opened: list[Any], inputs: Any, args: Any, kwargs: Any, flat: bool
    ) -> Any:
        anchor = next(x for x in tf.nest.flatten((args, kwargs)) if _is_symbolic(x))
        with untouched(layer):
            try:
                with ExitStack() as stack:
                    for x in opened:
                        stack.enter_context(self._symbolic_weights(x, anchor))
                    outputs = layer.call(*args, **kwargs)
            except Exception as error:  # whatever user code raises, there is no graph
                raise Untraceable(_told(error)) from error
            try:
                results = tf.nest.flatten(outputs) if flat else outputs
                return keras.Model(inputs, results, name=layer.name)
            except Exception as error:
                reason = "its outputs do not follow from its inputs"
                raise Untraceable(f"{reason} ({_first_line(error)})") from error

    @contextmanager
    def _symbolic_weights(self, layer: Any, anchor: Any) -> Iterator[None]:
        """Put the outputs of `Parameter` layers in place of the variables of a layer."""
        own = _owned(layer)

        def swap(x: Any, name: str) -> Any:
            return self.parameter(x, layer, name)(anchor) if id(x) in own else x

        before = {}
        for name, value in list(vars(layer).items()):
            if name in _BOOKS or name.startswith("_self_"):
                continue
            if isinstance(value, tf.Variable):
                before[name] = value
                layer.__dict__[name] = swap(value, name)
            elif isinstance(value, (list, tuple, dict)) and _holds(value, own):
                before[name] = value
                layer.__dict__[name] = _swapped(value, name, swap)
        try:
            yield
        finally:
            layer.__dict__.update(before)

    def parameter(self, variable: Any, layer: Any, name: str) -> Parameter:
        """Return the layer that stands for a variable of `layer`, always the same."""
        if id(variable) not in self._parameters:
            made = Parameter.of(variable, layer, f"{layer.name}_{name.strip('_')}")
            self._parameters[id(variable)] = (variable, made)
        return self._parameters[id(variable)][1]


def with_training(
    layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], training: bool | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with `training` filled in, where the call takes it and lacks it."""
    if not layer._expects_training_arg:
        return args, kwargs
    try:
        given = layer._call_spec.get_arg_value("training", args, kwargs, inputs_in_args=True)
    except KeyError:
        given = None
    if given is not None:
        return args, kwargs
    args, kwargs = layer._call_spec.set_arg_value(
        "training", training, args, dict(kwargs), inputs_in_args=True
    )
    return tuple(args), kwargs


def _is_symbolic(x: Any) -> bool:
    return bool(isinstance(x, keras.__internal__.KerasTensor))


def _cast(x: Any, layer: Any) -> Any:
    """What a layer does with its (first) argument before `call` sees it."""
    dtype = layer.compute_dtype
    if not (layer._autocast and _is_symbolic(x) and x.dtype.is_floating and dtype):
        return x
    return x if x.dtype == dtype or not tf.as_dtype(dtype).is_floating else tf.cast(x, dtype)


def _owned(layer: Any) -> set[int]:
    return {id(w) for w in layer._trainable_weights + layer._non_trainable_weights}


def _holds(value: Any, own: set[int]) -> bool:
    return any(id(x) in own for x in tf.nest.flatten(value))


def _swapped(value: Any, name: str, swap: Any) -> Any:
    if isinstance(value, dict):
        return {k: swap(v, f"{name}_{k}") for k, v in value.items()}
    return [swap(v, f"{name}_{i}") for i, v in enumerate(value)]


def _input_spec(model: Any) -> Any:
    spec = getattr(model, "_saved_model_inputs_spec", None)
    if spec is not None:
        return spec
    shape = getattr(model, "_build_input_shape", None)
    if shape is None:
        return None
    try:
        return _specs_of(shape)
    except TypeError:
        return None


def _specs_of(shape: Any) -> Any:
    """Specs of what a model was built for: a shape, or shapes in a list or dict."""
    if isinstance(shape, dict):
        return {name: _specs_of(s) for name, s in shape.items()}
    nested = (tuple, list, tf.TensorShape)
    if isinstance(shape, (list, tuple)) and shape and isinstance(shape[0], nested):
        return [_specs_of(s) for s in shape]
    return tf.TensorSpec(tf.TensorShape(shape), keras.backend.floatx())


def _inputs(spec: Any, taken: set[str]) -> Any:
    """Inputs as a model was called with; those of a dict are named like there."""
    named = isinstance(spec, dict) and all(
        isinstance(one, tf.TensorSpec) and str(name).isidentifier() and name not in taken
        for name, one in spec.items()
    )
    if named:
        return {name: _symbolic(one, name) for name, one in spec.items()}
    return tf.nest.map_structure(_symbolic, spec)


def _symbolic(spec: Any, name: str | None = None) -> Any:
    shape = [None, *spec.shape.as_list()[1:]]
    return keras.Input(batch_shape=shape, dtype=spec.dtype, name=name)


def lost_weights(traced: Any, layer: Any) -> list[str]:
    """Names of the weights of a layer that are used, if at all, behind the scenes."""
    found = {id(w) for w in traced.weights}
    return [w.name for w in layer.weights if id(w) not in found]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


def _told(error: Exception) -> str:
    """What was raised, and at which line of the code that is neither Keras nor TensorFlow."""
    # By where they are: a folder of the user's may have the name of one of them.
    libraries = ("tensorflow", "tf_keras", "optim")
    places = tuple(f"{path}{os.sep}" for name in libraries for path in sys.modules[name].__path__)
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(places)
    ]
    place = f" in line {frames[-1].lineno} of {frames[-1].name}()" if frames else ""
    return f"its call raises {type(error).__name__}{place}: {_first_line(error)}"


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
