"""Reading a Keras model into a `Graph`: nested models inlined, call arguments kept.

The calls are read from the nodes themselves (`call_args`, `call_kwargs`), never from the
model's config: a config drops tensor indices, unwraps single-element structures and
turns constants into lists.
"""

from __future__ import annotations

from typing import Any

from optim._keras import check_model, keras, tf
from optim.errors import Problem, UnsupportedModelError
from optim.graph import masks
from optim.graph.graph import Graph, Structure, Value
from optim.graph.parameter import Parameter
from optim.graph.tracer import Tracer, Untraceable, with_training
from optim.models.sealed import check_open
from optim.models.shared_weights import Tied, tied


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
    check_open(model)
    graph = Graph(model)
    reader = Reader(graph)
    network = functional(model, reader.tracer)
    feeds = []
    for tensor, layer in zip(network.inputs, network._input_layers, strict=True):
        name = graph.unique_name(layer.name)
        feeds.append(graph.add(layer, specs=tensor.type_spec, name=name).output)
    graph.inputs = tf.nest.pack_sequence_as(network._nested_inputs, feeds)
    reader.owned = {key: one for key, one in tied(network).items() if one.calls}
    values = reader.inline(network, feeds, "", None)
    if reader.problems:
        raise UnsupportedModelError(reader.problems)
    graph.outputs = tf.nest.pack_sequence_as(network._nested_outputs, values)
    graph.output_names = list(network.output_names)
    graph.drop_unneeded()
    return graph


def functional(model: Any, tracer: Tracer | None = None) -> Any:
    """Return a model with a graph of layers, of the layers of `model`: itself if it has one.

    Args:
        model: Functional or Sequential and built, or a subclassed one that was called.
        tracer: who remembers what stands for which weight.

    Raises:
        UnsupportedModelError: there is no such graph.
    """
    try:
        return (tracer or Tracer()).functional(model)
    except Untraceable as error:
        raise UnsupportedModelError([_problem(model.name, error)]) from error


def _problem(path: str, error: Untraceable) -> Problem:
    remedy = (
        "call the model once on a batch before; let its call use layers and TensorFlow functions "
        "only (no numpy, no loops over unknown sizes), or rewrite it with keras.Input and "
        "keras.Model(inputs, outputs)"
    )
    return Problem(path, f"has no graph of layers to read: {error}", error.remedy or remedy)


class Reader:
    """Appends the calls of models to a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tracer = graph.tracer
        self.names: dict[int, str] = {}
        self.problems: list[Problem] = []
        self.owned: dict[int, Tied] = {}  # weights of layers that op layers are called with
        self.weights: dict[int, Value] = {}

    def inline(
        self, model: Any, feeds: list[Value], path: str, training: bool | None
    ) -> list[Value]:
        """Append the calls of `model`, fed with `feeds`; return its outputs, flat."""
        values: dict[int, Value] = {
            id(tensor): value for tensor, value in zip(model.inputs, feeds, strict=True)
        }

        def swap(x: Any) -> Any:
            if id(x) in self.owned:
                return self.weight(self.owned[id(x)])
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
        if isinstance(layer, keras.Model):
            inner = self.inner(layer, args, kwargs, where, training)
            if inner is not None:
                return inner
        if isinstance(layer, Parameter):
            # Anything will do as its input; the model's own has no fusion to be spoilt.
            args, kwargs = (self.graph.flat_inputs[0],), {}
        if training is not None:
            # What the enclosing model was called with reaches every layer inside it.
            args, kwargs = with_training(layer, args, kwargs, training)
        node = self.graph.add(
            layer,
            *args,
            kwargs=dict(kwargs),
            specs=tf.nest.map_structure(lambda t: t.type_spec, call.outputs),
            name=self.name(layer, where),
        )
        node.path = where
        masks.note(node, tf.nest.flatten(call.outputs))
        return node.outputs

    def inner(
        self, model: Any, args: Structure, kwargs: Structure, path: str, training: bool | None
    ) -> list[Value] | None:
        """Append the calls of a nested model; return its outputs, flat."""
        args, kwargs = with_training(model, args, dict(kwargs), training)
        given = {"training": kwargs.get("training")} if model._expects_training_arg else {}
        if model._is_graph_network:
            inputs, _, _ = model._call_spec.split_out_first_arg(args, kwargs)
            feeds = model._flatten_to_reference_inputs(inputs)
            return self.inline(model, feeds, path, given.get("training"))
        try:
            traced = traced_call(self.tracer, model, args, kwargs)
        except Untraceable as error:
            self.problems.append(_problem(path, error))
            return None
        feeds = operands(args, kwargs)
        return self.inline(traced, feeds, path, given.get("training"))

    def weight(self, used: Tied) -> Value:
        """Return the value of a weight that op layers take as an argument."""
        variable = used.variable
        if id(variable) not in self.weights:
            name = variable.name.split("/")[-1].partition(":")[0]
            parameter = self.tracer.parameter(variable, used.layers[0], name)
            node = self.graph.add(
                parameter,
                self.graph.flat_inputs[0],
                specs=tf.TensorSpec(variable.shape, variable.dtype),
                name=self.name(parameter, parameter.name),
            )
            self.weights[id(variable)] = node.output
        return self.weights[id(variable)]

    def name(self, layer: Any, where: str) -> str:
        """Name of the layer in the rebuilt model: its own if no other layer has it."""
        if id(layer) not in self.names:
            wish = layer.name if layer.name not in self.graph._names else where.replace("/", "_")
            self.names[id(layer)] = self.graph.unique_name(wish)
        return self.names[id(layer)]


def operands(*structure: Structure) -> list[Value]:
    """The different values in call arguments."""
    return list(dict.fromkeys(x for x in tf.nest.flatten(structure) if isinstance(x, Value)))


def traced_call(
    tracer: Tracer, layer: Any, args: Structure, kwargs: Structure, training: bool | None = None
) -> Any:
    """A functional model of one call: from its different operands to its outputs, flat.

    Raises:
        Untraceable: there is no such model.
    """
    values = operands(args, kwargs)
    feeds = {id(v): keras.Input(batch_shape=v.shape, dtype=v.spec.dtype) for v in values}

    def swap(x: Any) -> Any:
        return feeds[id(x)] if isinstance(x, Value) else x

    return tracer.trace(
        layer,
        list(feeds.values()),
        tf.nest.map_structure(swap, args),
        tf.nest.map_structure(swap, dict(kwargs)),
        training,
    )
