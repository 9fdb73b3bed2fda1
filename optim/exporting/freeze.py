"""From a Keras model to a `GraphDef` without variables.

TensorFlow's `convert_variables_to_constants_v2` first optimizes the graph, then rebuilds
it as a function twice. A graph of one level needs none of it: every read of a captured
variable becomes a constant, and the converter does the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.errors import ExportError, OptimError, Problem
from optim.exporting import passes
from optim.exporting.graph_passes.constants import producer, set_constant, value
from optim.exporting.states import States, assigned, named, whole
from optim.models.signature import Interface

# Results of these are values of the variable; any other use of one needs TensorFlow's way.
_READ = "ReadVariableOp"
_GATHER = "ResourceGather"
_CONTROL_FLOW = ("While", "StatelessWhile", "If", "StatelessIf")


@dataclass
class Frozen:
    """A model as a graph of constants.

    Attributes:
        graph: the graph it was traced in.
        graph_def: the same without variables; None when `handed_over` has been used.
        inputs, outputs: tensors of the graph, flat.
        output_names: name of each output.
        model_name: name of the model, the outermost scope of the names in the graph.
        states: what the model assigns as it runs; None if it assigns nothing.
    """

    graph: Any
    graph_def: Any
    inputs: list[Any]
    outputs: list[Any]
    output_names: tuple[str, ...]
    model_name: str
    states: States | None = None

    def handed_over(self) -> Serialized:
        """Return the graph for someone who serializes it once, and goes on to hold it.

        All weights are in it a second time then: here they are let go of.
        """
        return Serialized(self)

    @property
    def loops(self) -> list[str]:
        """Names of the nodes that are a loop or branch, or a function with one inside."""
        looping: set[str] = set()

        def loops(node: Any) -> bool:
            return node.op in _CONTROL_FLOW or any(
                value.func.name in looping for value in node.attr.values()
            )

        bodies = {f.signature.name: f.node_def for f in self.graph_def.library.function}
        found = -1
        while len(looping) > found:  # functions that call functions with loops
            found = len(looping)
            looping |= {name for name, nodes in bodies.items() if any(map(loops, nodes))}
        return [node.name for node in self.graph_def.node if loops(node)]


class Serialized:
    """A `GraphDef` that gives up its weights as it is serialized, and keeps its operations."""

    def __init__(self, frozen: Frozen) -> None:
        self._frozen = frozen
        self._rest: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rest or self._frozen.graph_def, name)

    def SerializeToString(self) -> bytes:
        whole = self._frozen.graph_def
        content = bytes(whole.SerializeToString())
        self._rest = tf.compat.v1.GraphDef(library=whole.library)
        for node in whole.node:
            self._rest.node.add(name=node.name, op=node.op)
        self._frozen.graph_def = None
        return content


def freeze(model: Any, io: Interface) -> Frozen:
    """Trace a model in inference mode and replace its variables by their values.

    Args:
        model: a built model. Not modified.
        io: what to call it with.
    """
    graph, inputs, outputs = _trace(model, io)
    kept = None
    if assigned(graph):
        graph, graph_def, inputs, outputs, kept = _freeze_with_states(model, io)
    else:
        graph_def = _with_constants(graph)
        if graph_def is None:  # a loop, a table, a function: something keeps the variable itself
            graph, graph_def, inputs, outputs = _freeze_by_tensorflow(model, io)
        else:
            _release(graph)
    for graph_pass in passes.GRAPH_PASSES:
        graph_pass(graph, graph_def)
    names = io.output_names
    if len(names) != len(outputs):
        names = tuple("output" if len(outputs) == 1 else f"output_{i}" for i in range(len(outputs)))
    return Frozen(graph, graph_def, inputs, outputs, names, model.name, kept)


def _trace(model: Any, io: Interface) -> tuple[Any, list[Any], list[Any]]:
    graph = tf.__internal__.FuncGraph("export")
    with graph.as_default(), unchanged(model):
        _in_full_precision(model)
        feeds = [tf.compat.v1.placeholder(s.dtype, s.shape, _op_name(s.name)) for s in io.specs]
        results = _call(model, tf.nest.pack_sequence_as(io.structure, feeds))
    return graph, feeds, results


def _release(graph: Any) -> None:
    """Let go of the variables: a lowered or stripped model is nobody else's."""
    graph.function_captures.clear()
    assert not graph.captures  # asking for them renews what is kept of them


def _in_full_precision(model: Any) -> None:
    """Let layers of mixed precision compute in float32: LiteRT has no half-precision kernels."""
    for layer in model._flatten_layers():
        if layer.variable_dtype == "float32" and layer.compute_dtype in ("float16", "bfloat16"):
            vars(layer)["_dtype_policy"] = keras.mixed_precision.Policy("float32")
            vars(layer)["_compute_dtype_object"] = tf.float32


def _call(model: Any, inputs: Any) -> list[Any]:
    # AutoGraph would rewrite the `call` of each layer that is not Keras' own.
    run = tf.autograph.experimental.do_not_convert(partial(model, training=False))
    try:
        outputs = tf.nest.flatten(run(inputs))
    except (OptimError, MemoryError):
        raise
    except Exception as error:  # whatever the layers raise, sizes that do not fit among it
        raise _refused(model, inputs, error) from error
    # The converter wants each output once and under a name of its own.
    return [tf.identity(y, "Identity") for y in outputs]


def _refused(model: Any, inputs: Any, error: Exception) -> ExportError:
    shapes = ", ".join(str(tuple(x.shape)) for x in tf.nest.flatten(inputs))
    said = " ".join(str(error).split())[:300]
    remedy = "call it on such a batch to see why; give `input_shape` if it takes other sizes"
    reason = f"raises {type(error).__name__} when it is called on {shapes}: {said}"
    return ExportError([Problem(model.name, reason, remedy)])


def _op_name(name: str) -> str:
    """A name that TensorFlow allows for an operation."""
    allowed = "".join(c if c.isascii() and (c.isalnum() or c in "._-/") else "_" for c in name)
    return allowed if allowed[:1].isalnum() else f"input_{allowed}"


def _with_constants(graph: Any, kept: Collection[str] = ()) -> Any:
    """The graph with a constant for each read of a variable; None if reads are not all.

    Args:
        graph: with the variables as captured inputs.
        kept: names of captured inputs that stay as they are.
    """
    captured = {
        inner.op.name: outer for outer, inner in graph.captures if inner.op.name not in kept
    }
    source = graph.as_graph_def()
    frozen = tf.compat.v1.GraphDef(versions=source.versions, library=source.library)
    for node in source.node:
        if node.name in captured:
            if captured[node.name].dtype != tf.resource:  # a tensor from outside
                _add_constant(frozen, node.name, captured[node.name].numpy())
            continue
        uses = [x for x in map(producer, node.input) if x in captured]
        uses = [x for x in uses if captured[x].dtype == tf.resource]
        if not uses:
            frozen.node.append(node)
            continue
        if node.op not in (_READ, _GATHER):
            return None
        # Read anew for each use: keeping the values would hold all weights a second time.
        read = tf.raw_ops.ReadVariableOp(resource=captured[uses[0]], dtype=node.attr["dtype"].type)
        if node.op == _READ:
            _add_constant(frozen, node.name, read.numpy())
        else:
            _add_gather(frozen, node, read.numpy())
    return frozen


def _add_gather(graph_def: Any, node: Any, table: np.ndarray) -> None:
    """A look-up in a variable as one in a constant."""
    _add_constant(graph_def, f"{node.name}/table", table)
    _add_constant(graph_def, f"{node.name}/axis", np.asarray(node.attr["batch_dims"].i, np.int32))
    made = graph_def.node.add(name=node.name, op="GatherV2")
    made.input.extend([f"{node.name}/table", node.input[1], f"{node.name}/axis"])
    for own, given in (("Tparams", "dtype"), ("Tindices", "Tindices"), ("batch_dims",) * 2):
        made.attr[own].CopyFrom(node.attr[given])
    made.attr["Taxis"].type = tf.int32.as_datatype_enum


def without_fake_quant(frozen: Frozen) -> Frozen:
    """The graph with quantized constants as constants and no fake-quant operation.

    For int16 activations: the converter reads fake-quants as 8-bit ones, so it has to take
    the ranges of activations from data. Kernels keep the values that training gave them.
    """
    graph_def = tf.compat.v1.GraphDef()
    graph_def.CopyFrom(frozen.graph_def)
    nodes = {node.name: node for node in graph_def.node}
    for node in graph_def.node:
        if not node.op.startswith("FakeQuantWithMinMax"):
            continue
        values = [value(nodes, producer(edge)) for edge in node.input]
        if all(known is not None for known in values):
            options = {key: getattr(node.attr[key], kind) for key, kind in _FAKE_QUANT.items()}
            names = ("inputs", "min", "max")
            function = getattr(tf.raw_ops, node.op)
            set_constant(node, function(**dict(zip(names, values, strict=True)), **options).numpy())
        else:
            del node.input[1:]
            node.op = "Identity"
            node.attr.clear()
            node.attr["T"].type = tf.float32.as_datatype_enum
    return replace(frozen, graph_def=graph_def)


_FAKE_QUANT = {"num_bits": "i", "narrow_range": "b"}


def _add_constant(graph_def: Any, name: str, content: np.ndarray) -> None:
    set_constant(graph_def.node.add(name=name), content)


def _freeze_with_states(model: Any, io: Interface) -> tuple[Any, Any, list[Any], list[Any], States]:
    """Freeze what is only read; an assignment has to keep its place between the reads."""
    traced = _as_function(model, io)
    graph = traced.graph
    inputs, outputs = list(traced.inputs[: len(io.specs)]), list(graph.outputs)
    names = assigned(graph)
    graph_def = _with_constants(graph, names)
    if graph_def is None:  # loops: TensorFlow's converter tells itself what is assigned
        return graph, graph.as_graph_def(), inputs, outputs, whole(traced, model)
    return graph, graph_def, inputs, outputs, named(graph, names)


def _as_function(model: Any, io: Interface) -> Any:
    specs = [tf.TensorSpec(s.shape, s.dtype, _op_name(s.name)) for s in io.specs]

    def export(*feeds: Any) -> list[Any]:  # what layers know the graph by (`is_exported`)
        return _call(model, tf.nest.pack_sequence_as(io.structure, feeds))

    with unchanged(model):
        _in_full_precision(model)
        return tf.function(export, autograph=False).get_concrete_function(*specs)


def _freeze_by_tensorflow(model: Any, io: Interface) -> tuple[Any, Any, list[Any], list[Any]]:
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2_as_graph,
    )

    traced = _as_function(model, io)
    frozen, graph_def = convert_variables_to_constants_v2_as_graph(traced, lower_control_flow=False)
    inputs = [t for t in frozen.inputs if t.dtype != tf.resource]
    return frozen.graph, graph_def, inputs, list(frozen.outputs)


@contextmanager
def unchanged(model: Any) -> Iterator[None]:
    """Undo what calling a model leaves on its layers.

    tfmot's wrapper leaves the quantized kernel of its last call in place of the kernel:
    a tensor of a graph that nobody else has.
    """
    before = [(layer, dict(vars(layer))) for layer in model._flatten_layers()]
    for layer, _ in before:
        vars(layer)["_self_setattr_tracking"] = False  # what is set now, Keras need not know
    try:
        yield
    finally:
        for layer, state in before:
            vars(layer).clear()
            vars(layer).update(state)
