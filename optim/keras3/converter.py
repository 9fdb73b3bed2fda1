"""Twins: the model of tf_keras for a model of Keras 3, nested ones included."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.errors import Problem, UnsupportedModelError
from optim.graph.parameter import Parameter
from optim.keras3 import weights
from optim.keras3.admission import check_built, check_loop
from optim.keras3.builder import Builder, Names
from optim.keras3.calls import Masks, arguments_of, mask_of, without_mask
from optim.keras3.compile_state import copy_compile_state
from optim.keras3.equals import NoEqual, entry_of, is_network, make_equal, scope_name
from optim.keras3.layout import Layout, is_channels_first
from optim.keras3.signature import inputs_of, layer_names_of, output_names_of
from optim.keras3.table import Equal, Refused, Traced
from optim.keras3.tracing import After, Call, Inherited, Trace, trace, unchanged

_QUANTIZED = Refused(
    "was quantized by Keras 3, and has no float weights",
    "take the model as it was before model.quantize()",
)


@dataclass
class Twin:
    """A model of tf_keras that computes what one of Keras 3 does.

    Attributes:
        model: of tf_keras.
        pairs: `(variable of Keras 3, weight of tf_keras)`, each variable once.
        lost: what the twin does not do, one sentence each.
    """

    model: Any
    pairs: list[weights.Pair]
    lost: list[str] = field(default_factory=list)


def make_twin(model: Any) -> Twin:
    """Make the twin of a model; its weights have the values of the model's.

    Raises:
        UnsupportedModelError: there is none: all reasons, with remedies.
    """
    converter = _Converter()
    made = converter.network(model)
    pairs = converter.pairs()
    weights.copy(pairs)
    for layer, array in converter.constants:
        layer.value.assign(array)
    for equal in converter.equals.values():
        if equal is not None:
            weights.finalize(*equal)
    converter.lost += copy_compile_state(model, made)
    return Twin(made, pairs, converter.lost)


class _Converter:
    """Makes twins. A layer that is called in several places has one equal.

    Attributes:
        equals: by `id` of the layer: the layer and its equal; None: it is traced.
        parameters: by `id` of the variable: the variable and the layer that holds it.
        constants: layers that hold large constants, and what these are.
        lost: what the twin does not do.
    """

    def __init__(self) -> None:
        self.equals: dict[int, tuple[Any, Any] | None] = {}
        self.networks: dict[int, tuple[Any, Any]] = {}
        self.after: dict[int, After] = {}
        self.parameters: dict[int, tuple[Any, Parameter]] = {}
        self.constants: list[tuple[Parameter, np.ndarray]] = []
        self.lost: list[str] = []
        self.masks = Masks()
        self.layout = Layout()
        self.named: set[int] = set()

    def pairs(self) -> list[weights.Pair]:
        """Pair variables and weights."""
        found: dict[int, weights.Pair] = {}
        for pair in self.equals.values():
            if pair is not None:
                for variable, weight in weights.pairs_of(*pair):
                    found.setdefault(id(weight), (variable, weight))
        for variable, layer in self.parameters.values():
            found.setdefault(id(layer.value), (variable, layer.value))
        return list(found.values())

    # -- models -------------------------------------------------------------------------

    def network(self, model: Any) -> Any:
        """Return the twin of a model."""
        if id(model) in self.networks:
            return self.networks[id(model)][1]
        check_built(model)
        specs = inputs_of(model)
        traced = trace(model, specs, self.known)
        names = Names(map(scope_name, layer_names_of(model)))
        twin = self._sequential(model, traced, specs, names)
        if twin is None:
            twin = self._functional(model, traced, specs, names)
        twin._trainable = model.trainable
        self.networks[id(model)] = (model, twin)
        return twin

    def _feeds(self, specs: Any, names: Names) -> Any:
        return tf.nest.map_structure(
            lambda s: keras.Input(
                batch_shape=s.shape,
                dtype=s.dtype,
                name=names(scope_name(s.name or "input"), own=True),
            ),
            specs,
        )

    def _functional(self, model: Any, traced: Trace, specs: Any, names: Names) -> Any:
        feeds = self._feeds(specs, names)
        wanted = output_names_of(model)
        call = partial(self.call, names)
        builder = Builder(traced, tf.nest.flatten(feeds), call, self.parameter(names), names)
        builder.name_outputs(wanted)
        outputs = builder.outputs()
        self.constants += builder.constants
        self.lost += [
            f"{place or model.name!r}: its code does something else in training, which cannot be "
            "traced; the twin does what it does in inference"
            for place in builder.lost
        ]
        return keras.Model(feeds, outputs, name=scope_name(model.name))

    def _sequential(self, model: Any, traced: Trace, specs: Any, names: Names) -> Any:
        """A Sequential model of the equals, if the trace is a chain of them; else None."""
        if not isinstance(model, import_module("keras").Sequential):
            return None
        calls = list({id(call): call for call, _ in traced.calls.values()}.values())
        if [call.target for call in calls] != list(model.layers):
            return None
        before = traced.inputs
        for call in calls:
            others = [v for k, v in call.kwargs.items() if v is not None and k != "training"]
            explicit = not isinstance(call.kwargs.get("training"), (Inherited, type(None)))
            if len(call.args) != 1 or call.args[0] is not before or others or explicit:
                return None
            before = call.outputs
        if before is not traced.outputs or id(model.layers[-1]) in self.after:
            return None
        if any(_is_first(layer) for layer in model.layers):
            return None
        chain = [self.twin_of(layer) for layer in model.layers]
        (spec,) = tf.nest.flatten(specs)
        first = keras.layers.InputLayer(
            batch_input_shape=spec.shape,
            dtype=spec.dtype,
            name=names(scope_name(spec.name), own=True),
        )
        return keras.Sequential([first, *chain], name=scope_name(model.name))

    # -- layers -------------------------------------------------------------------------

    def known(self, layer: Any, args: Any, kwargs: Any) -> After | None:
        """Return what is left to do after the call of a layer's equal; None: it is traced."""
        masks = [v for k, v in kwargs.items() if k.endswith("mask")]
        masked = any(x is not None for x in tf.nest.flatten(masks))
        if is_network(layer):
            return None if masked or _has_mask(args) else unchanged
        _name, entry = entry_of(layer)
        if isinstance(entry, Equal):
            if entry.unmasked and (masked or _has_mask(args)):
                return None
            if entry.floats and not all(x.dtype.is_floating for x in _tensors(args)):
                return None
        if self.equal(layer) is None:
            return None
        after: After = self.after.get(id(layer), unchanged)
        return after

    def equal(self, layer: Any) -> Any:
        """Return the equal of a layer, unbuilt; None: it is to be traced.

        Raises:
            UnsupportedModelError: it can be neither.
        """
        if id(layer) not in self.equals:
            made = self._make_equal(layer)
            self.equals[id(layer)] = None if made is None else (layer, made)
        pair = self.equals[id(layer)]
        return None if pair is None else pair[1]

    def _make_equal(self, layer: Any) -> Any:
        name, entry = entry_of(layer)
        if getattr(layer, "quantization_mode", None):
            entry = _QUANTIZED
        if isinstance(entry, Refused):
            raise UnsupportedModelError(
                [Problem(layer.name, f"a {name} {entry.reason}", entry.remedy)]
            )
        if isinstance(entry, Traced):
            return None
        try:
            return make_equal(layer, entry, name)
        except NoEqual as error:
            check_loop(layer, name, error)
        activation = getattr(layer, "activation", None)
        recurrent = hasattr(layer, "cell") or hasattr(layer, "state_size")
        if activation is None or recurrent or layer.activity_regularizer is not None:
            return None
        if not layer.variables:
            return None
        try:  # with the activation behind it
            linear = import_module("keras").activations.linear
            layer.activation = linear
            try:
                made = make_equal(layer, entry, name)
            finally:
                layer.activation = activation
        except NoEqual:
            return None
        self.after[id(layer)] = activation
        return made

    def twin_of(self, layer: Any) -> Any:
        return self.network(layer) if is_network(layer) else self.equal(layer)

    def parameter(self, names: Names) -> Callable[[Any], Parameter]:
        def make(variable: Any) -> Parameter:
            if id(variable) not in self.parameters:
                path = [scope_name(part) for part in variable.path.split("/")]
                wish = "_".join(path[-2:])
                layer = Parameter(
                    variable.shape,
                    variable.dtype,
                    variable.trainable,
                    name=names(wish, "_".join(path)),
                    trainable=variable.trainable,
                    dtype=variable.dtype,
                )
                self.parameters[id(variable)] = (variable, layer)
            return self.parameters[id(variable)][1]

        return make

    # -- calls --------------------------------------------------------------------------

    def call(self, names: Names, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the equal of a layer as the layer was called; return what it returns."""
        layer = call.target
        twin = self.twin_of(layer)
        if id(twin) not in self.named:
            self.named.add(id(twin))
            within = tuple(map(scope_name, call.within))
            twin._name = names.of(scope_name(layer.name), within)
        first, rest = arguments_of(layer, args, kwargs)
        training = rest.pop("training", None)
        if training is not None and not isinstance(training, Inherited):
            rest["training"] = bool(training)
        if is_network(layer):
            rest = {k: v for k, v in rest.items() if k == "training"}
            results = twin(first, **rest)
        else:
            first = self._masked(call, first, rest)
            name, entry = entry_of(layer)
            results = self.layout.called(twin, name, _is_first(layer), first, rest, names)
            if isinstance(entry, Equal) and entry.own_mask:
                return results
        before = [x for x in tf.nest.flatten(call.outputs) if tf.is_tensor(x)]
        for old, new in zip(before, tf.nest.flatten(results), strict=True):
            self.masks.note(mask_of(old), mask_of(new))
        return results

    def _masked(self, call: Call, first: Any, rest: dict[str, Any]) -> Any:
        """Let the equal see the masks that the layer sees; return its first argument."""
        given = {
            k: rest.pop(k)
            for k in list(rest)
            if k == "mask" or (k.endswith("_mask") and k != "attention_mask")
        }
        sought = arguments_of(call.target, call.args, call.kwargs)[1].get("mask")
        before, now = tf.nest.flatten(sought), tf.nest.flatten(first)
        implied = [mask_of(x) for x in now]
        if all(m is None for m in before):
            if any(m is not None for m in implied):
                return tf.nest.map_structure(without_mask, first)
            return first
        same = len(before) == len(implied) and all(
            i is None if m is None else self.masks.is_implied(m, i)
            for m, i in zip(before, implied, strict=True)
        )
        if not same:
            rest["mask"] = given["mask"]
        return first


def _tensors(args: Any) -> list[Any]:
    return [x for x in tf.nest.flatten(args) if tf.is_tensor(x)]


def _has_mask(args: Any) -> bool:
    return any(mask_of(x) is not None for x in tf.nest.flatten(args))


def _is_first(layer: Any) -> bool:
    return not is_network(layer) and is_channels_first(layer, entry_of(layer)[0])


def warn_of(lost: list[str]) -> None:
    for sentence in dict.fromkeys(lost):
        warnings.warn(f"from_keras3: {sentence}", stacklevel=3)
