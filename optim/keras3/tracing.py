"""What a model of Keras 3 computes, as operations of TensorFlow and calls of layers.

The model is called once on symbolic tensors. Calls of layers that have an equal in tf_keras are
noted, and what such a layer does inside is not looked at; everything else that code does, be it by
`keras.ops`, by operators or by functions of TensorFlow, is operations of the graph.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

from optim._keras import tf
from optim.errors import OptimError, Problem, UnsupportedModelError
from optim.keras3.shapes import settle_reshape

Structure = Any  # a nest of lists, tuples and dicts
After = Callable[[Any], Any]
Known = Callable[[Any, tuple[Any, ...], dict[str, Any]], After | None]


def unchanged(x: Any) -> Any:
    """What is left to do after most calls: nothing."""
    return x


class Inherited(int):
    """A `training` argument that says nothing: what the model is told holds.

    Remembers whether code asked for its value: such code does something else in training.
    """

    asked = False

    def __bool__(self) -> bool:
        type(self).asked = True
        return int(self) != 0


@dataclass(frozen=True)
class Call:
    """A call of a layer, or of a function that is one operation of tf_keras.

    Attributes:
        target: the layer of Keras 3, or the name of the function.
        args, kwargs: what it was called with; tensors of the graph among them.
        outputs: what it returned, in its own structure.
        within: names of the layers whose call makes this one, from the outermost.
    """

    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: Structure
    within: tuple[str, ...]


@dataclass
class Trace:
    """A call of a model on symbolic tensors.

    Attributes:
        graph: the TensorFlow graph.
        inputs, outputs: its tensors, structured.
        calls: of layers and functions, by the names of the tensors that they return.
        variables: of the model, by the names of the tensors that hand them to the graph.
        lost: names of layers whose code does something else in training, which is not traced.
    """

    graph: Any
    inputs: Structure
    outputs: Structure = None
    calls: dict[str, tuple[Call, int]] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


#: Functions of Keras 3's backend that are one function of TensorFlow, made of several operations.
FUNCTIONS = {
    "nn": ("gelu", "silu", "softmax", "log_softmax"),
    "random": ("uniform", "normal", "truncated_normal", "dropout"),
}

#: Name of the call that stands for one value in inference and another in training.
SWITCH = "switch"


class _Recorder:
    """Notes calls while a model is called."""

    def __init__(self, trace: Trace, known: Known) -> None:
        self.trace = trace
        self.known = known
        self.busy = False
        self.within: list[str] = []
        self.failed: tuple[str, ...] = ()
        self.refusal: OptimError | None = None

    def operation(self, original: Any) -> Any:
        """Return what stands in for `Operation.__call__` of Keras 3."""
        layers = import_module("keras").layers

        def call(target: Any, *args: Any, **kwargs: Any) -> Any:
            if self.busy or not isinstance(target, layers.Layer):
                return original(target, *args, **kwargs)
            try:
                after = self.known(target, args, kwargs)
            except OptimError as error:
                self.refusal = error  # Keras would make another of it
                raise
            if after is not None:
                with nullcontext() if after is unchanged else _linear(target):
                    results = self.note(target, original, (target, *args), kwargs, args)
                return after(results)
            self.within.append(target.name)
            try:
                return self.both_modes(partial(original, target, *args), kwargs)
            except Exception:
                self.failed = self.failed or tuple(self.within)
                raise
            finally:
                self.within.pop()

        return call

    def both_modes(self, run: Callable[..., Any], kwargs: dict[str, Any]) -> Structure:
        """Run code of a layer; where it asks whether it is training, once more with a yes.

        Returns:
            What it returns: in inference, or, where that is another thing, a call that stands for
            one or the other.
        """
        before, Inherited.asked = Inherited.asked, False
        try:
            results = run(**kwargs)
            if not Inherited.asked or int(kwargs.get("training") or 0):
                return results
            try:
                trained = run(**{**kwargs, "training": Inherited(True)})
                tf.nest.assert_same_structure(results, trained)
            except Exception:  # code of training alone may do anything
                self.failed = ()
                self.trace.lost.append("/".join(self.within))
                return results
        finally:
            Inherited.asked = before
        return tf.nest.map_structure(self._switch, results, trained)

    def _switch(self, result: Any, trained: Any) -> Any:
        if result is trained or not tf.is_tensor(result):
            return result
        return self.note(SWITCH, lambda a, b: a, (result, trained), {}, (result, trained))

    def function(self, name: str, original: Any) -> Any:
        """Return what stands in for a function of the backend."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.busy:
                return original(*args, **kwargs)
            return self.note(name, original, args, kwargs, args)

        return call

    def note(self, target: Any, original: Any, given: Any, kwargs: Any, args: Any) -> Any:
        asked = Inherited.asked
        self.busy = True
        try:
            results = original(*given, **kwargs)
        finally:
            self.busy = False
            Inherited.asked = asked
        # One that hands on its input would be taken for the maker of it.
        results = tf.nest.map_structure(lambda x: tf.identity(x) if tf.is_tensor(x) else x, results)
        call = Call(target, tuple(args), dict(kwargs), results, tuple(self.within))
        for index, tensor in enumerate(tf.nest.flatten(results)):
            if tf.is_tensor(tensor):
                self.trace.calls[tensor.name] = (call, index)
        return results

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put both in place, for as long as the model is called."""
        operation = import_module("keras").Operation
        with ExitStack() as stack:
            stack.enter_context(_replaced(operation, "__call__", self.operation))
            for module, names in FUNCTIONS.items():
                owner = getattr(import_module("keras.src.backend"), module)
                for name in names:
                    stack.enter_context(_replaced(owner, name, partial(self.function, name)))
            stack.enter_context(_replaced(tf, "reshape", _settling))
            yield


def _settling(original: Any) -> Any:
    def reshape(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        settle_reshape(result)
        return result

    return reshape


@contextmanager
def _linear(layer: Any) -> Iterator[None]:
    """Take the activation of a layer away, for a moment."""
    activation = layer.activation
    layer.activation = import_module("keras").activations.linear
    try:
        yield
    finally:
        layer.activation = activation


@contextmanager
def _replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, make(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def trace(
    model: Any,
    inputs: Structure,
    known: Known,
) -> Trace:
    """Call a model on symbolic tensors.

    Args:
        model: a built model of Keras 3.
        inputs: specs of its inputs, structured: `tf.TensorSpec`.
        known: of a call (the layer, its arguments), what is left to do after it, if it is to be
            noted as one; None: its code is run.

    Raises:
        UnsupportedModelError: its code raises an error on symbolic tensors.
    """
    graph = tf.__internal__.FuncGraph("optim_keras3")
    with graph.as_default():
        feeds = tf.nest.map_structure(
            lambda s: tf.compat.v1.placeholder(s.dtype, s.shape, s.name), inputs
        )
        traced = Trace(graph, feeds)
        recorder = _Recorder(traced, known)
        try:
            with recorder.installed():
                accepts = getattr(model, "_call_has_training_arg", True)
                told = {"training": Inherited(False)} if accepts else {}
                # Not `__call__`, which converts inputs that have been converted.
                traced.outputs = recorder.both_modes(partial(model.call, feeds), told)
        except Exception as error:  # whatever user code raises, there is no graph
            if recorder.refusal is not None:
                raise recorder.refusal from None
            raise UnsupportedModelError(
                [
                    Problem(
                        "/".join(recorder.failed) or model.name,
                        _told(error),
                        "write the call with keras.ops or functions of TensorFlow that work on "
                        "symbolic tensors, as model.export() needs, too",
                    )
                ],
                f"from_keras3: {model.name!r} cannot be traced",
            ) from error
    owned = {id(v.value.handle): v for v in all_variables(model) if hasattr(v.value, "handle")}
    for outer, inner in graph.captures:
        if id(outer) in owned:
            traced.variables[inner.name] = owned[id(outer)]
    return traced


def all_variables(model: Any) -> list[Any]:
    """The variables of a model, those of its seed generators and metrics included."""
    found = list(model.variables)
    for layer in model._flatten_layers():
        found.extend(seed.state for seed in getattr(layer, "_seed_generators", ()))
    return list({id(v): v for v in found}.values())


def _told(error: Exception) -> str:
    """What was raised, and at which line of the code that is neither Keras nor TensorFlow."""
    places = tuple(
        f"{os.path.dirname(import_module(name).__file__ or '')}{os.sep}"
        for name in ("tensorflow", "keras", "optim")
    )
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(places)
    ]
    place = f" in line {frames[-1].lineno} of {frames[-1].name}()" if frames else ""
    plain = re.sub("\x1b\\[[0-9;]*m", "", str(error))
    lines = [x.strip() for x in plain.splitlines() if x.strip()]
    told = [x for x in lines if not x.startswith("Exception encountered when calling")]
    first = (told or lines or [""])[0][:200]
    return f"its call raises {type(error).__name__}{place}: {first}"
