"""Copying a model layer by layer, nested models included, with its weights.

`keras.models.clone_model` gives new layers new weights, and the usual clone functions
avoid that by putting the *original's* layers into the copy, which ties the two models
together. Here every layer is copied through its config, may be replaced on the way, and
gets the values of the original's weights once the copy is built.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from optim._keras import keras, tf
from optim.errors import Problem, UnsupportedModelError
from optim.models.copy_layer import copy_layer
from optim.models.known_outputs import known_outputs
from optim.models.references import held
from optim.models.vocabularies import variables

Convert = Callable[[Any, str, "Copier"], Any]
"""`(layer, path, copy) -> new layer`, where `copy(layer)` is a copy that gets the weights."""

# The class has no public name. (Making a model to ask for its type would start TensorFlow's
# runtime at import, and no process that has started it can be forked.)
_FUNCTIONAL = importlib.import_module("tf_keras.src.engine.functional").Functional


def is_network(layer: Any) -> bool:
    """Whether `layer` is a Functional or Sequential model, one whose graph can be read."""
    return isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and bool(layer._is_graph_network)
    )


def walk(model: Any, prefix: str = "") -> Iterator[tuple[Any, str]]:
    """Yield `(layer, path)` of every layer that is not itself a network, inputs left out.

    A path is the names from `model` down, joined by `/`, without the name of `model`.
    """
    for layer in model._flatten_layers(include_self=False, recursive=False):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if is_network(layer):
            yield from walk(layer, f"{prefix}{layer.name}/")
        else:
            yield layer, f"{prefix}{layer.name}"


def plain_variable(variable: Any) -> Any:
    """Return the variable without the cast that mixed precision puts around it."""
    return getattr(variable, "_variable", variable)


def check_built(model: Any) -> None:
    """Refuse a model that has no weights yet.

    Raises:
        UnsupportedModelError: with how to build it.
    """
    if not model.built:
        problem = Problem(
            model.name,
            "is not built, and so has no kernels yet",
            "build the model first: model.build(input_shape), or call it on a batch",
        )
        raise UnsupportedModelError([problem])


class _CannotCopy(Exception):
    """Carries the layer; the reason is its `__cause__`."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        self.layer = layer


class Copier:
    """Copies layers, and remembers which copy is of which layer."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Any, Any]] = []
        self._born_equal: dict[int, Any] = {}  # id of a weight -> the weight made from it

    def __call__(self, layer: Any) -> Any:
        """Return a layer of the same class and config, unbuilt where that can be.

        What it holds of other layers are their copies, as far as these were made before.
        """
        wanted = {id(one) for one in held(layer)}
        copies = {id(old): new for old, new in self.pairs if id(old) in wanted}
        try:
            new = copy_layer(layer, layer.name, copies)
        except Exception as error:  # whatever get_config, from_config and __init__ may raise
            raise _CannotCopy(layer) from error
        self.pairs.append((layer, new))
        if layer.weights and not new.built:
            self._inherit_values(layer, new)
        return new

    def _inherit_values(self, old: Any, new: Any) -> None:
        """Let the weights of `new` be created with the values of those of `old`.

        Saves drawing random values for every kernel; the variables share memory until one
        of them is changed. It rests on `build` adding its weights in the same order both
        times; `copy_weights` checks each and assigns the value where that was not so.
        """
        waiting = {
            True: variables(old._trainable_weights),
            False: variables(old._non_trainable_weights),
        }
        add_weight = new.add_weight

        def add_weight_with_value(*args: Any, **kwargs: Any) -> Any:
            # Dense and others give the name by position, and the shape as a list.
            given = {**dict(zip(("name", "shape"), args, strict=False)), **kwargs}
            queue = waiting[given.get("trainable") is not False]
            shape = given.get("shape")
            if len(args) > 2 or not queue or shape is None:
                return add_weight(*args, **kwargs)
            if not queue[0].shape.is_compatible_with(shape):
                return add_weight(*args, **kwargs)
            source = queue.pop(0)
            if id(source) in self._born_equal:  # of a layer that was made before
                return self._born_equal[id(source)]
            value = plain_variable(source).value
            weight = add_weight(**{**given, "initializer": lambda *_, **__: value()})
            self._born_equal[id(source)] = weight
            return weight

        object.__setattr__(new, "add_weight", add_weight_with_value)

    def counterpart(self, variable: Any, user: str) -> Any:
        """Return the copy of a variable that an op layer is called with.

        A variable that no layer of the model owns has none: the copy uses it, too.

        Args:
            variable: what the original is called with.
            user: name of the op layer.

        Raises:
            UnsupportedModelError: the layer that owns it has no weights yet.
        """
        for old, new in self.pairs:
            for place, weight in enumerate(old.weights):
                if weight is not variable:
                    continue
                if len(new.weights) == len(old.weights):
                    return new.weights[place]
                raise UnsupportedModelError(
                    [
                        Problem(
                            user,
                            f"uses {variable.name} of {old.name!r}, which is called later",
                            f"call {old.name!r} before, or put the operation into a layer",
                        )
                    ]
                )
        return variable

    def copy_weights(self) -> list[Problem]:
        """Give every copy the weights of its original; return what did not fit."""
        problems = []
        for old, new in self.pairs:
            new.__dict__.pop("add_weight", None)
            sources, targets = variables(old.weights), variables(new.weights)
            if not sources:
                continue
            if [w.shape for w in sources] != [w.shape for w in targets]:
                problems.append(
                    Problem(
                        old.name,
                        f"a {type(old).__name__} made from its config has other weights",
                        "make get_config() return all that __init__ and build() need",
                    )
                )
                continue
            for source, target in zip(sources, targets, strict=True):
                if self._born_equal.get(id(source)) is not target:
                    target.assign(source)
            new.finalize_state()  # Normalization derives constants from its weights
        return problems


def clone_model(model: Any, convert: Convert) -> Any:
    """Copy a model with its weights, replacing layers on the way. Nesting is kept.

    Args:
        model: Functional or Sequential; not modified.
        convert: called once per layer that is not a network, shared layers included;
            what it returns takes the layer's place.

    Returns:
        A model with the name of `model`, not compiled.

    Raises:
        UnsupportedModelError: a subclassed model, or layers that cannot be copied.
    """
    if not is_network(model):
        raise UnsupportedModelError(
            [
                Problem(
                    model.name,
                    f"{type(model).__name__} is a subclassed model, its graph cannot be read",
                    "rebuild it with the functional API, or transform its layers one by one",
                )
            ]
        )
    copy = Copier()
    made: dict[int, Any] = {}  # by id: a layer shared between models has one copy
    problems = []
    known = {id(layer) for layer, _ in walk(model)}

    def holds(found: tuple[Any, str]) -> bool:
        return any(id(one) in known for one in held(found[0]))

    for layer, path in sorted(walk(model), key=holds):  # what holds others comes after them
        if id(layer) in made:
            continue
        try:
            made[id(layer)] = convert(layer, path, copy)
        except _CannotCopy as error:
            cause = " ".join(str(error.__cause__).split())
            problems.append(
                Problem(
                    path,
                    f"a {type(error.layer).__name__} cannot be copied "
                    f"({type(error.__cause__).__name__}: {cause[:200]})",
                    "give the class get_config() and from_config() that fit each other",
                )
            )
    if problems:
        raise UnsupportedModelError(problems)

    def rebuild(network: Any) -> Any:
        if _is_plain_functional(network):
            new = _rebuild_functional(network, visit, copy)
        else:
            new = keras.models.clone_model(network, clone_function=visit)
        # Not the property: its setter would overwrite the flags of all layers within.
        new._trainable = network._trainable
        return new

    def visit(layer: Any) -> Any:
        if id(layer) not in made:
            made[id(layer)] = rebuild(layer)
        return made[id(layer)]

    result = rebuild(model)
    if model.built and not result.built:  # a Sequential model built without an input layer
        result.build(model._build_input_shape)
    problems = copy.copy_weights()
    if problems:
        raise UnsupportedModelError(problems)
    return result


def _is_plain_functional(network: Any) -> bool:
    """Whether `_rebuild_functional` can take it; `keras.models.clone_model` takes the rest."""
    return (
        type(network) is _FUNCTIONAL
        and all(isinstance(layer, keras.layers.InputLayer) for layer in network._input_layers)
        and min(network._nodes_by_depth) >= 0  # below: add_loss() and add_metric() layers
    )


def _rebuild_functional(network: Any, visit: Callable[[Any], Any], copy: Copier) -> Any:
    """Call the new layers as the old ones were called, in one topological pass.

    What `keras.models.clone_model` does too, but it goes through a config of the network
    and looks through all layers for each layer, which is most of its time on a deep model.
    """
    tensors: dict[int, Any] = {}  # id of a tensor of `network` -> the new tensor

    def renew(structure: Any, user: str = "") -> Any:
        def new(x: Any) -> Any:
            if isinstance(x, tf.Variable):
                return copy.counterpart(x, user)
            return tensors.get(id(x), x)

        return tf.nest.map_structure(new, structure)

    def record(old: Any, new: Any) -> None:
        for before, after in zip(tf.nest.flatten(old), tf.nest.flatten(new), strict=True):
            tensors[id(before)] = after

    for layer in network._input_layers:
        record(layer.output, type(layer).from_config(layer.get_config()).output)
    for depth in sorted(network._nodes_by_depth, reverse=True):
        for node in network._nodes_by_depth[depth]:
            if node.is_input:
                continue
            args, kwargs = renew((node.call_args, node.call_kwargs), node.layer.name)
            with known_outputs(visit(node.layer), node) as layer:
                record(node.outputs, layer(*args, **kwargs))
    return keras.Model(
        renew(network._nested_inputs), renew(network._nested_outputs), name=network.name
    )
