"""Building a Keras model from a graph: one pass, every layer made once, weights shared.

A plain build gives the float model of the graph; a build with a plan gives a tfmot
quantization-aware model. Layers are made from the config of the original; the weights
are taken over when the variables are created, so nothing is initialised in vain.
"""

from __future__ import annotations

import warnings
from typing import Any

from optim._keras import keras, tf
from optim.errors import Problem, UnsupportedModelError
from optim.graph.graph import Graph, Node, Value, is_input
from optim.graph.masks import MaskZero
from optim.models.compile_state import copy_compile_state, model_like, tell_of_functions
from optim.models.copy_layer import copy_layer
from optim.models.references import held
from optim.models.shared_weights import tied
from optim.quantization.building.symbolic_call import call_layer, unwrapped
from optim.quantization.layers import Identity
from optim.quantization.node_facts import is_pure_keras, policy_for, sources_of
from optim.quantization.planning.plan import Entry, Plan
from optim.quantization.planning.roles import Role, assign
from optim.quantization.quantizers.wrappers import QuantizeLayer, QuantizeWrapper

# Roles whose layers compute their output shape without being called: Keras' own.
_TRACED = (Role.FLOAT,)


def build(graph: Graph, plan: Plan | None = None) -> Any:
    """Build the model of a graph.

    Args:
        graph: as `read` or `lower` returns it.
        plan: what to quantize; None builds the float model.

    Returns:
        A new `tf_keras.Model` with the name, the input and output structure, the output
        names, the weights and the compile state of the model that `graph` was read from.

    Raises:
        UnsupportedModelError: layers that cannot be made again, all of them listed.
    """
    return _Builder(graph, plan).run()


class _Builder:
    def __init__(self, graph: Graph, plan: Plan | None) -> None:
        self.graph = graph
        self.entries = {e.node: e for e in plan.entries} if plan else {}
        self.names = self._output_names()
        self.given: dict[int, str] = {}  # id of a layer -> the name of the one made from it
        self.layers: dict[int, Any] = {}
        self.tensors: dict[Value, Any] = {}
        self.made: dict[int, Any] = {}
        self.problems: list[Problem] = []

    def run(self) -> Any:
        nodes = self.graph.nodes
        for node in nodes:
            if id(node.layer) not in self.layers:
                self._make(node)
        if self.problems:
            raise UnsupportedModelError(self.problems)
        for node in nodes:
            self._call(node)
        source = self.graph.source
        inputs = tf.nest.map_structure(
            lambda v: self.layers[id(v.node.layer)].output, self.graph.inputs
        )
        if source is not None and self.entries:
            model = model_like(source, inputs, self._outputs())
        else:  # not to be trained
            model = keras.Model(inputs, self._outputs(), name=source.name if source else None)
        if source is not None:
            if not source.trainable and not any(w.trainable for w in source.weights):
                model.trainable = False
            copy_compile_state(source, model)
            if self.entries:
                tell_of_functions(source, model)
            self._tell_of_ties(source, model)
        return model

    def _tell_of_ties(self, source: Any, model: Any) -> None:
        """Warn of weights that are shared no more, as a layer was rewritten for LiteRT."""
        before = tied(source)
        now = tied(model) if before else {}
        for key, one in before.items():
            kept = now.get(id(self.made.get(key)))
            if kept is None or len(kept.layers) < len(one.layers) + bool(one.calls):
                warnings.warn(
                    f"{source.name!r}: {', '.join(one.names)} share {one.variable.name}; not all "
                    "can in the new model, where training makes different weights of it",
                    stacklevel=4,
                )

    # -- names --------------------------------------------------------------------------

    def _output_names(self) -> dict[Node, str]:
        """Layers renamed so that each output of the model keeps its name.

        Possible where a layer is called once and feeds one output; elsewhere an identity
        layer takes the name.
        """
        names: dict[Node, str] = {}
        for value, name in zip(self.graph.flat_outputs, self.graph.output_names, strict=True):
            node = value.node
            if node.name == name or node in names or name in self.graph._names:
                continue
            shown = sum(map(self.graph.is_output, node.outputs))
            if not is_input(node) and not self.graph.is_shared(node) and shown == 1:
                names[node] = name
        return names

    def _name(self, node: Node) -> str:
        """A name that no other layer has: rules name a layer like the call it stands for.

        The calls of a function within a model that is called twice have one name, and each a
        layer of its own.
        """
        if node in self.names:
            return self.names[node]
        key = id(node.layer)
        if key not in self.given:
            taken = node.name in self.given.values()
            self.given[key] = self.graph.unique_name(node.name) if taken else node.name
        return self.given[key]

    # -- layers -------------------------------------------------------------------------

    def _make(self, node: Node) -> None:
        """Make the layer of a node, wrapped if its weights or output are quantized."""
        entry = self.entries.get(node)
        name = self._name(node)
        if entry is not None and self._follows(entry) and not self._wraps(node, entry):
            name = self._split_name(node)
        try:
            layer = copy_layer(node.layer, name, self._copies(node))
            if entry is not None and self._wraps(node, entry):
                layer = self._wrap(node, entry, layer)
        except Exception as error:  # a user's get_config or from_config may raise anything
            self.problems.append(
                Problem(
                    node.path,
                    f"{type(node.layer).__name__} cannot be made again from its config: {error}",
                    "give the class a get_config that returns every argument of __init__",
                )
            )
            return
        self.layers[id(node.layer)] = layer

    def _copies(self, node: Node) -> dict[int, Any]:
        """What stands for the layers that a layer holds, made before it."""
        wanted = {id(layer) for layer in held(node.layer)}
        return {key: unwrapped(x) for key, x in self.layers.items() if key in wanted}

    def _wraps(self, node: Node, entry: Entry) -> bool:
        """Whether quantizers go into a wrapper rather than a layer of their own."""
        if is_input(node):
            return False
        if entry.config is not None or entry.weights or entry.activation:
            return True
        return (
            entry.output is not None
            and entry.role is not Role.FLOAT
            and not hasattr(entry.output, "axes")  # wants to know the shape
            and not node.symbol
            and len(node.outputs) == 1
            and (not self.graph.is_shared(node) or self._one_range(node))
            and len(node.args) == 1
        )

    def _follows(self, entry: Entry) -> bool:
        return entry.output is not None

    def _wrap(self, node: Node, entry: Entry, layer: Any) -> Any:
        config = entry.quantize_config()
        if self.graph.is_shared(node) and entry.config is None and not self._one_range(node):
            config = type(config)(entry.weights, entry.activation, None)
        return getattr(config, "wrapper", QuantizeWrapper)(layer, config)

    def _one_range(self, node: Node) -> bool:
        """Whether a shared layer quantizes its outputs itself, all with one range.

        It does if one of them is an output of the model, whose name is the layer's. Each
        call has a range of its own otherwise.
        """
        calls = [e for n, e in self.entries.items() if n.layer is node.layer]
        return all(e.output is not None for e in calls) and any(
            self.graph.is_output(e.node.output) for e in calls
        )

    def _split_name(self, node: Node) -> str:
        """Name of a layer whose own name goes to the quantize layer behind it."""
        name = self._name(node)
        if is_input(node) or not any(self.graph.is_output(v) for v in node.outputs):
            return name
        if self.graph.is_shared(node):
            return name
        return self.graph.unique_name(f"{name}_op")

    # -- calls --------------------------------------------------------------------------

    def _call(self, node: Node) -> None:
        layer = self.layers[id(node.layer)]
        entry = self.entries.get(node)
        if is_input(node):
            results = tf.nest.flatten(layer.output)
        else:
            args = tf.nest.map_structure(self._result, node.args)
            kwargs = tf.nest.map_structure(self._result, node.kwargs)
            kwargs = self._training_of_layer(node, layer, kwargs)
            specs = tf.nest.map_structure(lambda v: v.spec, node.structure)
            known = is_pure_keras(node.layer) and not node.symbol
            known = known and not isinstance(node.layer, MaskZero)  # which is made in the call
            role = entry.role if entry is not None else assign(node).role
            specs = specs if known and role not in _TRACED else None
            sources = self._sources(layer, node)
            outputs = call_layer(layer, args, kwargs, specs, sources, self.made)
            results = tf.nest.flatten(outputs)
        for value, tensor in zip(node.outputs, results, strict=True):
            self.tensors[value] = self._quantized(node, entry, value, tensor, layer)

    def _training_of_layer(self, node: Node, layer: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Let a wrapper keep what its layer is told of training: the quantizers are not meant.

        So ranges follow the weights of a backbone that is called with `training=False`, once
        they are trained. A layer whose calls differ is told as it was.
        """
        told = kwargs.get("training")
        if not isinstance(layer, QuantizeWrapper) or not isinstance(told, (bool, int)):
            return kwargs
        calls = [n.kwargs.get("training") for n in self.graph.nodes if n.layer is node.layer]
        if any(other is not told for other in calls):
            return kwargs
        layer.layer_training = bool(told)
        return {key: x for key, x in kwargs.items() if key != "training"}

    def _sources(self, layer: Any, node: Node) -> list[Any]:
        built = unwrapped(layer)
        return [] if built.built and built.weights else sources_of(node)

    def _quantized(
        self, node: Node, entry: Entry | None, value: Value, tensor: Any, layer: Any
    ) -> Any:
        """Put a quantize layer behind an output, unless a wrapper does the same."""
        if entry is None or entry.output is None or not value.is_float:
            return tensor
        if isinstance(layer, QuantizeWrapper) and layer._output_quantizers:
            return tensor
        if not value.uses and not self.graph.is_output(value):
            return tensor
        name = self._name(node)
        if layer.name == name or value is not self._named(node):
            name = self.graph.unique_name(f"{name}_quantize")
        quantizer = type(entry.output).from_config(entry.output.get_config())
        quantize = QuantizeLayer(quantizer, name=name, dtype=policy_for(value.spec.dtype))
        return call_layer(quantize, (tensor,), {}, value.spec, [])

    def _named(self, node: Node) -> Value:
        """Which of its outputs has the node's name behind it: an output of the model first."""
        shown = (value for value in node.outputs if self.graph.is_output(value))
        return next(shown, node.output)

    def _result(self, x: Any) -> Any:
        return self.tensors[x] if isinstance(x, Value) else x

    def _outputs(self) -> Any:
        taken: set[str] = set()
        tensors = []
        for value, name in zip(self.graph.flat_outputs, self.graph.output_names, strict=True):
            tensor = self.tensors[value]
            if is_input(value.node):  # handed through as it came
                tensor = self.layers[id(value.node.layer)].output
            current = tensor._keras_history.layer.name
            if current != name and name not in taken and not self._has_layer(name):
                tensor = Identity(name=name, dtype=policy_for(tensor.dtype))(tensor)
            taken.add(name)
            tensors.append(tensor)
        return tf.nest.pack_sequence_as(self.graph.outputs, tensors)

    def _has_layer(self, name: str) -> bool:
        return any(layer.name == name for layer in self.layers.values())
