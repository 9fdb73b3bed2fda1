"""Models that assign variables as they run: stateful layers, ring buffers, counters.

What is only read becomes a constant, as in every model. What is assigned stays a variable of
the file: LiteRT keeps it between calls, from the value that it has now. A new interpreter
begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from optim._keras import tf

# Operations whose first input is a variable, and that change it.
_ASSIGNS = (
    "AssignVariableOp",
    "AssignAddVariableOp",
    "AssignSubVariableOp",
    "ResourceScatterUpdate",
    "ResourceScatterAdd",
    "ResourceScatterSub",
    "ResourceScatterNdUpdate",
    "ResourceScatterNdAdd",
    "ResourceStridedSliceAssign",
)


@dataclass
class States:
    """The variables that a graph assigns.

    Attributes:
        values: value now, by the name of the placeholder that stands for the variable.
        function, owner: instead, a function that was not frozen, and who holds its variables.
    """

    values: dict[str, Any] = field(default_factory=dict)
    function: Any = None
    owner: Any = None


def assigned(graph: Any) -> set[str]:
    """Names of the captured variables that operations of a `FuncGraph` assign."""
    captured = {inner.op.name for _, inner in graph.captures}
    ops = (op for op in graph.get_operations() if op.type in _ASSIGNS)
    return captured & {op.inputs[0].op.name for op in ops}


def named(graph: Any, names: set[str]) -> States:
    """The states of a graph whose other variables are constants."""
    found = {inner.op.name: outer for outer, inner in graph.captures}
    reads = {
        op.inputs[0].op.name: op.get_attr("dtype")
        for op in graph.get_operations()
        if op.type == "ReadVariableOp" or op.type in _ASSIGNS
    }
    return States(
        {
            name: tf.raw_ops.ReadVariableOp(resource=found[name], dtype=reads[name]).numpy()
            for name in sorted(names)
        }
    )


def whole(function: Any, model: Any) -> States:
    """A function that is handed over as it is."""
    return States(function=function, owner=model)


def as_module(frozen: Any) -> tuple[list[Any], Any]:
    """Return functions and their owner, for a converter that reads a SavedModel.

    A signature gives its inputs and outputs in the order of their names, so they are numbered.
    """
    states = frozen.states
    module = tf.Module()
    if states.function is not None:
        module.kept = states.owner
        outputs = states.function
    else:
        module.kept = [tf.Variable(v, trainable=False) for v in states.values.values()]
        outputs = partial(_imported, frozen, _without_inputs(frozen), module.kept)
    specs = {f"in{i:04}": t for i, t in enumerate(frozen.inputs)}
    specs = {name: tf.TensorSpec(t.shape, t.dtype, name) for name, t in specs.items()}

    def run(**feeds: Any) -> dict[str, Any]:
        return {f"out{i:04}": y for i, y in enumerate(outputs(*feeds.values()))}

    traced = tf.function(run, autograph=False).get_concrete_function(**specs)
    return [traced], module


def _without_inputs(frozen: Any) -> Any:
    """The graph without what is replaced when it is imported: inputs and variables."""
    replaced = {*frozen.states.values, *(t.op.name for t in frozen.inputs)}
    graph_def = tf.compat.v1.GraphDef()
    graph_def.CopyFrom(frozen.graph_def)
    del graph_def.node[:]
    graph_def.node.extend(n for n in frozen.graph_def.node if n.name not in replaced)
    return graph_def


def _imported(frozen: Any, graph_def: Any, variables: list[Any], *feeds: Any) -> Any:
    """The outputs of the graph, imported into the one that is being traced."""
    given = dict(zip((t.name for t in frozen.inputs), feeds, strict=True))
    capture = tf.compat.v1.get_default_graph().capture
    places = (f"{name}:0" for name in frozen.states.values)
    handles = {p: capture(v.handle) for p, v in zip(places, variables, strict=True)}
    wanted = [t.name for t in frozen.outputs]
    return tf.import_graph_def(graph_def, {**given, **handles}, wanted, name="")
