"""The graph that every step of quantization reads and writes: nodes, and typed edges.

A `Node` is one call of a Keras layer. Its arguments are the very structure the layer was
called with, positional and keyword, with a `Value` wherever a tensor stood. A `Value` is
one output tensor of one node, so an edge always carries (producer, output index, slot).
Producers and consumers are indexed as edges are made: no step ever scans for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from optim._keras import keras, tf
from optim.graph.tracer import Tracer

Structure = Any  # a nest of lists, tuples and dicts


class Value:
    """One output tensor of a node.

    Attributes:
        node: the node that produces it.
        index: which of its (flattened) outputs it is.
        spec: a `tf.TypeSpec`: static shape and dtype.
        uses: nodes that take it, each with the number of slots it takes it in.
        mask: the value whose mask Keras passes along with it; None: it has none.
    """

    __slots__ = ("index", "mask", "node", "spec", "uses")

    def __init__(self, node: Node, index: int, spec: Any) -> None:
        self.node = node
        self.index = index
        self.spec = spec
        self.uses: dict[Node, int] = {}
        self.mask: Value | None = None

    @property
    def shape(self) -> tuple[int | None, ...] | None:
        """Static shape with None for unknown sizes; None if the rank is unknown."""
        shape = getattr(self.spec, "shape", None)
        return None if shape is None or shape.rank is None else tuple(shape.as_list())

    @property
    def rank(self) -> int | None:
        shape = self.shape
        return None if shape is None else len(shape)

    @property
    def channels(self) -> int | None:
        """Size of the last axis; None if unknown or if there is no axis."""
        shape = self.shape
        return shape[-1] if shape else None

    @property
    def is_float(self) -> bool:
        """Whether this is a dense floating-point tensor."""
        return isinstance(self.spec, tf.TensorSpec) and self.spec.dtype.is_floating

    def __repr__(self) -> str:
        return f"Value({self.node.name}:{self.index}, {self.shape})"


class Node:
    """One call of a layer.

    Attributes:
        layer: the layer as it was given, or a new, unbuilt one made by a rule. Never
            modified. Nodes that hold the same object share its weights.
        name: name of the layer in the rebuilt model; unique per layer.
        path: names of the layers it comes from, nested models joined by `/`.
        args, kwargs: what the layer is called with, `Value`s in place of tensors.
        outputs: its output values, flat.
        structure: its output values in the structure that the call returns.
        weights: arrays for the rebuilt layer's weights, in their order; None: those of
            `layer` itself.
        skip: why the node is to be left alone by rules and quantizers; empty otherwise.
        note: what was found out about a composite layer that could not be expanded.
        inert: whether it hands its input on unchanged in inference.
        masks: of each input, in the order of `inputs`, the value whose mask the layer goes by;
            empty: it goes by none.
    """

    __slots__ = (
        "args", "inert", "kwargs", "layer", "masks", "name", "note", "outputs", "path", "skip",
        "structure", "weights",
    )  # fmt: skip

    def __init__(self, layer: Any, name: str, args: Structure, kwargs: Structure) -> None:
        self.layer = layer
        self.name = name
        self.path = name
        self.args = args
        self.kwargs = kwargs
        self.outputs: list[Value] = []
        self.structure: Structure = None
        self.weights: list[Any] | None = None
        self.skip = ""
        self.note = ""
        self.inert = False
        self.masks: list[Value | None] = []

    @property
    def inputs(self) -> list[Value]:
        """The values it takes, flat, in slot order, with repetitions."""
        return [x for x in tf.nest.flatten((self.args, self.kwargs)) if isinstance(x, Value)]

    @property
    def output(self) -> Value:
        """Its first output."""
        return self.outputs[0]

    @property
    def symbol(self) -> str:
        """TensorFlow's public name of the function if this is an op layer, else ''."""
        return getattr(self.layer, "symbol", None) or ""

    def __repr__(self) -> str:
        return f"Node({self.name}: {type(self.layer).__name__})"


class Graph:
    """A model as nodes and values.

    Attributes:
        inputs, outputs: values of the model, in the model's own structure.
        output_names: name of each output, in flat order; the rebuilt model keeps them.
        source: the model it was read from.
        layer_uses: number of nodes that hold a layer, by `id(layer)`.
        history: every node ever added, in order.
        tracer: traces the layers that are expanded; one per graph.
    """

    def __init__(self, source: Any = None) -> None:
        self.source = source
        self.tracer = Tracer()
        self.inputs: Structure = None
        self.outputs: Structure = None
        self.output_names: list[str] = []
        self.keeps_values = False  # no rule may give a kernel more values than it has
        self.layer_uses: dict[int, int] = {}
        self.history: list[Node] = []
        self._nodes: dict[Node, None] = {}
        self._names: dict[str, int] = {}
        self._derived: dict[tuple[int, str], Any] = {}
        self._shared: dict[int, Any] = {}  # with the layers themselves: an id may not be reused

    # -- reading ---------------------------------------------------------------------

    @property
    def nodes(self) -> list[Node]:
        """The nodes that the outputs depend on, producers first, in stable order."""
        roots = [v.node for v in [*self.flat_inputs, *self.flat_outputs]]
        return list(_topological(roots))

    @property
    def flat_inputs(self) -> list[Value]:
        return list(tf.nest.flatten(self.inputs))

    @property
    def flat_outputs(self) -> list[Value]:
        return list(tf.nest.flatten(self.outputs))

    def is_output(self, value: Value) -> bool:
        return any(value is out for out in self.flat_outputs)

    def is_shared(self, node: Node) -> bool:
        """Whether several nodes call the layer of this one, or will."""
        return self.layer_uses.get(id(node.layer), 0) > 1 or id(node.layer) in self._shared

    def share(self, layer: Any) -> None:
        """Let a layer count as shared: it stands for one that is, whose other calls come later."""
        self._shared[id(layer)] = layer

    def sole_use(self, value: Value) -> Node | None:
        """The only node that takes the value, if it takes it once and nothing else does."""
        if len(value.uses) != 1 or self.is_output(value):
            return None
        ((node, slots),) = value.uses.items()
        return node if slots == 1 else None

    # -- writing ---------------------------------------------------------------------

    def add(
        self,
        layer: Any,
        *args: Structure,
        specs: Structure,
        name: str | None = None,
        kwargs: dict[str, Any] | None = None,
        weights: list[Any] | None = None,
    ) -> Node:
        """Append a call of `layer`; `specs` is the structure of its output specs."""
        node = Node(layer, name or layer.name, args, kwargs or {})
        node.weights = weights
        flat = tf.nest.flatten(specs)
        node.outputs = [Value(node, i, spec) for i, spec in enumerate(flat)]
        node.structure = tf.nest.pack_sequence_as(specs, node.outputs)
        for value in node.inputs:
            value.uses[node] = value.uses.get(node, 0) + 1
        self._nodes[node] = None
        self.history.append(node)
        self.layer_uses[id(layer)] = self.layer_uses.get(id(layer), 0) + 1
        return node

    def replace(self, old: Value, new: Value) -> None:
        """Make everything that takes `old` take `new`, and drop what nothing needs now."""
        if old is new:
            return

        def swap(x: Any) -> Any:
            return new if x is old else x

        for node, slots in list(old.uses.items()):
            node.args = tf.nest.map_structure(swap, node.args)
            node.kwargs = tf.nest.map_structure(swap, node.kwargs)
            new.uses[node] = new.uses.get(node, 0) + slots
        old.uses.clear()
        self.outputs = tf.nest.map_structure(swap, self.outputs)
        self.discard(old.node)

    def call_with(self, node: Node, args: Structure, kwargs: Any, before: list[Value]) -> None:
        """Call the layer of a node with other values than `before`."""
        for value in before:
            value.uses[node] -= 1
            if not value.uses[node]:
                del value.uses[node]
        node.args, node.kwargs = args, kwargs
        for value in node.inputs:
            value.uses[node] = value.uses.get(node, 0) + 1

    def reroute(self, node: Node, old: Value, new: Value) -> None:
        """Make one node take another value."""
        before = node.inputs

        def swap(x: Any) -> Any:
            return new if x is old else x

        args = tf.nest.map_structure(swap, node.args)
        self.call_with(node, args, tf.nest.map_structure(swap, node.kwargs), before)

    def discard(self, node: Node) -> None:
        """Remove the node, and then its producers, if nothing uses them."""
        stack = [node]
        protected = {v.node for v in [*self.flat_inputs, *self.flat_outputs]}
        while stack:
            node = stack.pop()
            if node in protected or node not in self._nodes:
                continue
            if any(value.uses for value in node.outputs):
                continue
            self._remove(node)
            stack += [value.node for value in node.inputs]

    def drop_unneeded(self) -> None:
        """Remove what no output depends on, such as what computes a loss."""
        needed = set(self.nodes)
        for node in [node for node in self._nodes if node not in needed]:
            self._remove(node)

    def _remove(self, node: Node) -> None:
        del self._nodes[node]
        self.layer_uses[id(node.layer)] -= 1
        for value in node.inputs:
            value.uses.pop(node, None)

    def alive(self, node: Node) -> bool:
        return node in self._nodes

    def derive(self, node: Node, tag: str, make: Callable[[], Any]) -> Any:
        """Return the layer that replaces `node.layer`; one per layer, however often called."""
        key = (id(node.layer), tag)
        if key not in self._derived:
            # The original is kept alive with the entry: an id may not be reused.
            self._derived[key] = (node.layer, make())
            if self.is_shared(node):
                self.share(self._derived[key][1])
                self.share(node.layer)  # its last call, too, when all others are replaced
        return self._derived[key][1]

    def unique_name(self, wish: str) -> str:
        """Return `wish`, or `wish_1`, ... if it is taken; the name is then taken."""
        if wish not in self._names:
            self._names[wish] = 0
            return wish
        while True:
            self._names[wish] += 1
            name = f"{wish}_{self._names[wish]}"
            if name not in self._names:
                self._names[name] = 0
                return name


def _topological(roots: Iterable[Node]) -> Iterator[Node]:
    done: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(list(roots))]
    while stack:
        node, ready = stack.pop()
        if ready:
            if node not in done:
                done.add(node)
                yield node
        elif node not in done:
            stack.append((node, True))
            stack.extend((v.node, False) for v in reversed(node.inputs) if v.node not in done)


def is_input(node: Node) -> bool:
    return isinstance(node.layer, keras.layers.InputLayer)
