"""Reading a Keras model into a `Graph`: nested models inlined, call arguments kept.

The calls are read from the nodes themselves (`call_args`, `call_kwargs`), never from the
model's config: a config drops tensor indices, unwraps single-element structures and
turns constants into lists.
"""

from __future__ import annotations

from typing import Any

from optim._keras import check_model, keras, tf
from optim.engine.graph import Graph, Structure, Value
from optim.engine.trace import as_functional
from optim.errors import Problem, UnsupportedModelError


def read(model: Any) -> Graph:
    """Read a model.

    Args:
        model: a Functional or Sequential `tf_keras.Model`, models nested in it to any
            depth, layers and models shared at will; or a subclassed model that can be
            called on symbolic inputs of the shape it was built with. Not modified.

    Returns:
        A `Graph` with one node per layer call. Layer objects are those of the model.

    Raises:
        KerasModelError: not a model of the chosen Keras module.
        UnsupportedModelError: the model has no graph: not built, or cannot be traced.
    """
    check_model(model, "read")
    functional = _require_graph(model, model.name)
    graph = Graph(model)
    feeds = []
    for tensor, layer in zip(functional.inputs, functional._input_layers, strict=True):
        name = graph.unique_name(layer.name)
        feeds.append(graph.add(layer, specs=tensor.type_spec, name=name).output)
    reader = Reader(graph)
    values = reader.inline(functional, feeds, "", None)
    graph.inputs = tf.nest.pack_sequence_as(functional._nested_inputs, feeds)
    graph.outputs = tf.nest.pack_sequence_as(functional._nested_outputs, values)
    graph.output_names = list(functional.output_names)
    return graph


def _require_graph(model: Any, path: str) -> Any:
    functional = as_functional(model)
    if functional is None:
        raise UnsupportedModelError(
            [
                Problem(
                    path,
                    "has no graph of layers to read (it was never built, or its call cannot "
                    "be traced on symbolic inputs)",
                    "call the model once on a batch, or rewrite it with keras.Input and "
                    "keras.Model(inputs, outputs)",
                )
            ]
        )
    return functional


class Reader:
    """Appends the calls of models to a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names: dict[int, str] = {}

    def inline(
        self, model: Any, feeds: list[Value], path: str, training: bool | None
    ) -> list[Value]:
        """Append the calls of `model`, fed with `feeds`; return its outputs, flat."""
        values: dict[int, Value] = {
            id(tensor): value for tensor, value in zip(model.inputs, feeds, strict=True)
        }

        def swap(x: Any) -> Any:
            return values.get(id(x), x)

        by_depth = model._nodes_by_depth
        for depth in sorted(by_depth, reverse=True):
            for call in by_depth[depth]:
                if call.is_input:
                    continue
                args = tf.nest.map_structure(swap, call.call_args)
                kwargs = tf.nest.map_structure(swap, call.call_kwargs)
                results = self.call(call, args, kwargs, path, training)
                for tensor, value in zip(tf.nest.flatten(call.outputs), results, strict=True):
                    values[id(tensor)] = value
        return [values[id(tensor)] for tensor in model.outputs]

    def call(
        self, call: Any, args: Structure, kwargs: Structure, path: str, training: bool | None
    ) -> list[Value]:
        layer = call.layer
        where = f"{path}/{layer.name}" if path else layer.name
        nested = as_functional(layer) if isinstance(layer, keras.Model) else None
        if nested is not None:
            inputs, _, rest = layer._call_spec.split_out_first_arg(args, kwargs)
            feeds = nested._flatten_to_reference_inputs(inputs)
            inner = rest.get("training", None)
            return self.inline(nested, feeds, where, training if inner is None else inner)
        if training is not None and layer._expects_training_arg:
            # What the enclosing model was called with reaches every layer inside it.
            _, given = layer._call_spec.set_arg_value("training", training, args, dict(kwargs))
            kwargs = given if kwargs.get("training") is None else kwargs
        node = self.graph.add(
            layer,
            *args,
            kwargs=dict(kwargs),
            specs=tf.nest.map_structure(lambda t: t.type_spec, call.outputs),
            name=self.name(layer, where),
        )
        node.path = where
        return node.outputs

    def name(self, layer: Any, where: str) -> str:
        """Name of the layer in the rebuilt model: its own if no other layer has it."""
        if id(layer) not in self.names:
            wish = layer.name if layer.name not in self.graph._names else where.replace("/", "_")
            self.names[id(layer)] = self.graph.unique_name(wish)
        return self.names[id(layer)]
