"""Building the model of tf_keras that computes what a trace does."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.errors import Problem, UnsupportedModelError
from optim.graph.parameter import Parameter
from optim.keras3.functions import call_function
from optim.keras3.layers import run_operation
from optim.keras3.operations import BY_TYPE
from optim.keras3.raw import attributes, grouped, raw
from optim.keras3.tracing import SWITCH, Call, Trace

#: From how many numbers on a constant is a weight of the twin, and not part of its config.
LARGE = 4096

#: Operations that put a function of the model into a graph of its own.
_FLOW = (
    "While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase",
    "PartitionedCall", "StatefulPartitionedCall", "SymbolicGradient", "XlaCallModule",
)  # fmt: skip

#: Operations that hand a variable on.
_READS = ("ReadVariableOp",)


@dataclass(frozen=True)
class _Broken:
    """Stands for a tensor that cannot be built."""

    problem: Problem


class Names:
    """Gives each layer of a model a name of its own.

    Args:
        kept: names that the layers of the model itself have. Nothing else gets one of them.
    """

    def __init__(self, kept: Iterable[str] = ()) -> None:
        self.taken: set[str] = set()
        self.kept = frozenset(kept)

    def of(self, layer: str, within: tuple[str, ...]) -> str:
        """Return the name of a layer: its own, or that and those of the layers that it is in."""
        return self(layer, "_".join([*within, layer]), own=not within)

    def __call__(self, *wishes: str, own: bool = False) -> str:
        """Return the first wish that is free, or the last with a number.

        Args:
            own: whether it is for a layer of the model itself.
        """
        for wish in itertools.chain(wishes, (f"{wishes[-1]}_{n}" for n in itertools.count(1))):
            if wish not in self.taken and (own or wish not in self.kept):
                self.taken.add(wish)
                return wish
        raise AssertionError("numbers do not end")


class Builder:
    """Makes Keras tensors of the tensors of a trace, each once.

    Args:
        trace: the trace.
        feeds: Keras tensors of its inputs, flat.
        call: calls the equal of a layer of Keras 3: `(call, args, kwargs) -> what it returns`.
        parameter: the layer that holds a variable of Keras 3.
        names: of the layers of the model.
    """

    def __init__(
        self,
        trace: Trace,
        feeds: Iterable[Any],
        call: Callable[[Call, tuple[Any, ...], dict[str, Any]], Any],
        parameter: Callable[[Any], Parameter],
        names: Names,
    ) -> None:
        self.trace = trace
        self.call = call
        self.parameter = parameter
        self.names = names
        self.values: dict[str, Any] = {}
        self.constants: list[tuple[Parameter, np.ndarray]] = []
        self.lost: list[str] = list(trace.lost)
        self.wishes: dict[str, str] = {}
        for tensor, feed in zip(tf.nest.flatten(trace.inputs), feeds, strict=True):
            self.values[tensor.name] = feed
        self.anchor = next(iter(self.values.values()))

    def name_outputs(self, names: list[str]) -> None:
        """Have the outputs made by layers of these names, in flat order."""
        self.wanted = names
        tensors = [x for x in tf.nest.flatten(self.trace.outputs) if tf.is_tensor(x)]
        for tensor, name in zip(tensors, names, strict=False):
            call, _ = self.trace.calls.get(tensor.name, (None, 0))
            if call is None or isinstance(call.target, str):
                self.wishes.setdefault(tensor.op.name, name)

    def outputs(self) -> Any:
        """Return the Keras tensors of the trace's outputs, in its structure.

        Raises:
            UnsupportedModelError: with what cannot be built.
        """
        for tensor in self._needed():
            if tensor.name not in self.values:
                self._build(tensor)
        results = [self.values[x.name] for x in tf.nest.flatten(self.trace.outputs)]
        broken = {x.problem: None for x in results if isinstance(x, _Broken)}
        if broken:
            raise UnsupportedModelError(broken, "from_keras3: the model has no twin")
        return tf.nest.map_structure(
            lambda x: self.tensor(x) if tf.is_tensor(x) else x, self.trace.outputs
        )

    def _needed(self) -> list[Any]:
        """The tensors that the outputs depend on, makers first."""
        stack = [x for x in tf.nest.flatten(self.trace.outputs) if tf.is_tensor(x)]
        found: dict[str, Any] = {}
        while stack:
            tensor = stack.pop()
            if tensor.name in found or tensor.name in self.values:
                continue
            found[tensor.name] = tensor
            stack += self._sources(tensor)
        order = {op: place for place, op in enumerate(self.trace.graph.get_operations())}
        return sorted(found.values(), key=lambda tensor: order[tensor.op])

    def _sources(self, tensor: Any) -> list[Any]:
        if tensor.name not in self.trace.calls:
            return list(tensor.op.inputs)
        call, _ = self.trace.calls[tensor.name]
        given = tf.nest.flatten((call.args, call.kwargs))
        return [x for x in given if tf.is_tensor(x) and self._is_ours(x)]

    def _is_ours(self, tensor: Any) -> bool:
        return getattr(tensor, "graph", None) is self.trace.graph

    def _build(self, tensor: Any) -> None:
        if tensor.name in self.trace.calls:
            call, _ = self.trace.calls[tensor.name]
            self._build_call(call)
        else:
            self._build_operation(tensor.op)

    # -- calls --------------------------------------------------------------------------

    def _build_call(self, call: Call) -> None:
        args, kwargs = tf.nest.map_structure(self.given, (call.args, call.kwargs))
        before = [x for x in tf.nest.flatten(call.outputs) if tf.is_tensor(x)]
        broken = [x for x in tf.nest.flatten((args, kwargs)) if isinstance(x, _Broken)]
        if broken and call.target == SWITCH and not isinstance(args[0], _Broken):
            self.lost.append("/".join(call.within))
            self.values[before[0].name] = args[0]
            return
        if broken:
            self.values.update({x.name: broken[0] for x in before})
            return
        if isinstance(call.target, str):
            name = self._name(before[0].op, "_".join([*call.within, call.target]))
            results = call_function(call.target, name, self.anchor, args, kwargs)
        else:
            results = self.call(call, *self._symbolic(args, kwargs))
        for old, new in zip(before, tf.nest.flatten(results), strict=True):
            self.values[old.name] = new

    def _name(self, operation: Any, otherwise: str) -> str:
        """The name of the layer that makes what an operation of the graph makes."""
        wish = self.wishes.get(operation.name)
        return self.names(otherwise) if wish is None else self.names(wish, otherwise, own=True)

    def _symbolic(self, args: Any, kwargs: Any) -> Any:
        """Arguments of a layer: where all are constants, such as positions, layers that hold them.

        Called on constants themselves, an equal would compute at once, and with the weights that it
        has before they are copied.
        """
        given = (args, kwargs)
        if any(isinstance(x, keras.__internal__.KerasTensor) for x in tf.nest.flatten(given)):
            return given
        return tf.nest.map_structure(
            lambda x: self._constant(x) if isinstance(x, np.ndarray) else x, given
        )

    def given(self, x: Any) -> Any:
        """What an argument of a call is in the new model."""
        if tf.is_tensor(x) and self._is_ours(x):
            return self.values[x.name]
        if hasattr(x, "handle") or hasattr(getattr(x, "value", None), "handle"):
            return self.weight(x)
        return x.numpy() if tf.is_tensor(x) else x

    def weight(self, variable: Any) -> Any:
        return self.parameter(variable)(self.anchor)

    # -- operations ---------------------------------------------------------------------

    def _build_operation(self, operation: Any) -> None:
        inputs = [self.values.get(x.name) for x in operation.inputs]
        broken = [x for x in inputs if isinstance(x, _Broken)]
        if broken:
            self.values.update({x.name: broken[0] for x in operation.outputs})
            return
        if operation.type == "Placeholder":
            name = operation.outputs[0].name
            if name in self.trace.variables:
                self.values[name] = self.trace.variables[name]
                return
            captured = {inner.name: outer for outer, inner in self.trace.graph.captures}
            value = captured.get(name)
            if value is None or value.dtype == tf.resource:
                self._refuse(operation, "uses a variable that no layer of the model owns")
                return
            self.values[name] = value.numpy()
            return
        if operation.type in _READS:
            self.values[operation.outputs[0].name] = self.weight(inputs[0])
            return
        if operation.type in _FLOW:
            self._refuse(operation, f"has control flow ({operation.type}) outside of Keras' layers")
            return
        stateful = operation.op_def.is_stateful
        if stateful:
            self._refuse(operation, f"{operation.type} changes a state or draws random numbers")
            return
        symbolic = [x for x in inputs if isinstance(x, keras.__internal__.KerasTensor)]
        try:
            if not symbolic:
                results = _evaluated(operation, inputs)
            else:
                make = BY_TYPE.get(operation.type, raw)
                grouping = enumerate(grouped(operation, inputs))
                arguments = [self._argument(x, place) for place, x in grouping]
                name = self._name(operation, operation.name.replace("/", "_"))
                results = make(name, arguments, operation)
        except Exception as error:  # of operations that nobody has thought of
            self._refuse(operation, f"has a {operation.type}, which raises {_first_line(error)}")
            return
        flat = list(results) if isinstance(results, (list, tuple)) else [results]
        for old, new in zip(operation.outputs, flat, strict=True):
            self.values[old.name] = new

    def _argument(self, x: Any, place: int) -> Any:
        """A constant as Keras can write it: a number, a small array, or a weight."""
        if isinstance(x, list):
            return [self._argument(y, place) for y in x]
        if isinstance(x, keras.__internal__.KerasTensor):
            return x
        array = np.asarray(x)
        if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
            if array.size >= LARGE:
                return self._constant(array)
            return float(array) if array.ndim == 0 else array
        return array.item() if array.ndim == 0 else array

    def _constant(self, array: np.ndarray) -> Any:
        layer = Parameter(
            array.shape,
            array.dtype.name,
            False,
            name=self.names("constant"),
            trainable=False,
            dtype=array.dtype.name,
        )
        result = layer(self.anchor)
        self.constants.append((layer, array))
        return result

    def tensor(self, x: Any) -> Any:
        """The Keras tensor of an output; a constant as what it is of the first input."""
        value = self.values[x.name]
        if isinstance(value, keras.__internal__.KerasTensor):
            return value
        return self._constant(np.asarray(value))

    def _refuse(self, operation: Any, reason: str) -> None:
        where = operation.name.rpartition("/")[0] or "the model"
        remedy = "put this part into a layer of Keras, or take it out of the model"
        broken = _Broken(Problem(where, reason, remedy))
        self.values.update({x.name: broken for x in operation.outputs})


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"


def _evaluated(operation: Any, inputs: list[Any]) -> Any:
    """The value of an operation on constants, which have the dtypes that they have in the graph.

    Left to itself, TensorFlow would make whole numbers of what `Range` is given.
    """
    if operation.type == "Const":
        return tf.make_ndarray(operation.get_attr("value"))
    given = {
        key: tf.as_dtype(value[6:])
        if isinstance(value, str) and value.startswith("dtype:")
        else value
        for key, value in attributes(operation).items()
    }
    with tf.init_scope():
        typed = [tf.constant(x, y.dtype) for x, y in zip(inputs, operation.inputs, strict=True)]
        result = run_operation(operation.type, grouped(operation, typed), given)
    if isinstance(result, (list, tuple)):
        return [x.numpy() for x in result]
    return result.numpy()
