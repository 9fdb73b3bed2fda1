"""Layers of tf_keras made from layers of Keras 3 that have one: class, config, options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.keras3 import layers as own
from optim.keras3.layout import as_channels_last, is_channels_first
from optim.keras3.table import LAYERS, Entry, Equal, Traced
from optim.saving import application_objects

#: What a class may define anew and still compute what its base class does.
_HARMLESS = {
    "__init__", "__module__", "__doc__", "__qualname__", "get_config", "from_config",
    "__firstlineno__", "__static_attributes__", "__annotations__", "_api_export_path",
    "_api_export_symbol_id", "__dict__", "__weakref__", "__orig_bases__", "__parameters__",
    "__classcell__", "__type_params__", "__annotate__", "__annotations_cache__",
}  # fmt: skip

_OBJECTS = ("_initializer", "_regularizer", "_constraint")


class NoEqual(Exception):
    """A layer has no equal in tf_keras; the message says why."""


def entry_of(layer: Any) -> tuple[str, Entry]:
    """Return the name and the entry of a layer's class, or of the one that it computes as.

    A class of one's own that changes nothing of what its base class computes is the base class.
    """
    k3 = import_module("keras").layers
    added: set[str] = set()
    if type(layer).__module__.startswith("keras.src.applications."):
        return type(layer).__name__, Equal()
    for cls in type(layer).__mro__:
        name = cls.__name__
        if getattr(k3, name, None) is cls and name in LAYERS:
            changed = {x for x in added if x not in _HARMLESS and hasattr(cls, x)}
            if cls is k3.Layer or changed or "call" in vars(layer):
                return name, Traced()
            return name, LAYERS[name]
        added |= set(vars(cls))
    return type(layer).__name__, Traced()


def is_network(layer: Any) -> bool:
    """Whether it is a Functional or built Sequential model, one whose layers can be read."""
    k3 = import_module("keras")
    if not isinstance(layer, k3.Model) or type(layer).call is k3.Model.call:
        return False
    functional = import_module("keras.src.models.functional").Functional
    if isinstance(layer, functional):
        return type(layer).call is functional.call
    return isinstance(layer, k3.Sequential) and type(layer).call is k3.Sequential.call


def make_equal(layer: Any, entry: Equal, name: str) -> Any:
    """Return the layer of tf_keras that computes what `layer` does, not yet built.

    Args:
        layer: of Keras 3.
        entry: its entry in the table.
        name: of the class in the table.

    Raises:
        NoEqual: its options have no equal there.
    """
    _check_options(layer, entry)
    cls = getattr(keras.layers, entry.name or name, None) or application_objects()[name]
    if name in _SPECIAL:
        return _SPECIAL[name](layer, entry, cls)
    config = config_of(layer, entry, cls)
    return cls(**(as_channels_last(config) if is_channels_first(layer, name) else config))


def _check_options(layer: Any, entry: Equal) -> None:
    if getattr(layer, "lora_enabled", False):
        raise NoEqual("it has low-rank weights beside its kernel")
    config = layer.get_config()
    for option, allowed in entry.unless.items():
        if option in config and config[option] not in allowed:
            raise NoEqual(f"{option}={config[option]!r}")


def config_of(layer: Any, entry: Equal, cls: type) -> dict[str, Any]:
    """Return the arguments of the equal's class."""
    taken = _parameters(cls)
    arguments: dict[str, Any] = {}
    for key, value in layer.get_config().items():
        if key in entry.without:
            continue
        if key == "dtype":
            arguments["dtype"] = policy_of(layer)
        elif key == "activation" or key.endswith("_activation"):
            arguments[key] = activation_of(getattr(layer, key))
        elif key.endswith(_OBJECTS):
            arguments[key] = object_of(value, key)
        else:
            to = entry.renamed.get(key, key)
            if to in taken or to in entry.unnamed:
                arguments[to] = value
            elif value not in (None, False, "auto"):
                raise NoEqual(f"{key}={value!r}")
    regularizer = getattr(layer, "activity_regularizer", None)
    if regularizer is not None and cls is not keras.layers.ActivityRegularization:
        arguments["activity_regularizer"] = object_of(_config(regularizer), "_regularizer")
    arguments["name"] = scope_name(layer.name)
    arguments["trainable"] = layer.trainable
    return arguments


def _parameters(cls: type) -> set[str]:
    found: set[str] = {"name", "trainable", "dtype"}
    for base in cls.__mro__:
        if "__init__" in vars(base) and base is not object:
            found |= set(inspect.signature(vars(base)["__init__"]).parameters)
    return found


def scope_name(name: str) -> str:
    """A name that TensorFlow takes for a scope: most are, as they are."""
    return re.sub(r"^[^A-Za-z0-9.]", "l_", re.sub(r"[^A-Za-z0-9_.\\/>-]", "_", name))


def policy_of(layer: Any) -> Any:
    """The dtype policy of tf_keras for a layer of Keras 3."""
    compute, variable = layer.compute_dtype, layer.variable_dtype
    if compute == variable:
        return compute or layer.dtype_policy.name
    return keras.mixed_precision.Policy(f"mixed_{compute}")


#: Activations of Keras 3 -> what tf_keras has for them.
_ACTIVATIONS: Mapping[str, Any] = {
    **{
        name: name
        for name in (
            "elu", "exponential", "gelu", "linear", "mish", "relu", "selu", "sigmoid", "softmax",
            "softplus", "softsign", "tanh", "leaky_relu",
        )
    },
    "silu": "swish",
    "relu6": tf.nn.relu6,
    "hard_sigmoid": own.hard_sigmoid,
    "hard_silu": own.hard_silu,
}  # fmt: skip


def activation_of(activation: Any) -> Any:
    """The activation function of tf_keras.

    Raises:
        NoEqual: there is none.
    """
    if activation is None:
        return None
    functions = import_module("keras").activations
    for name, equal in _ACTIVATIONS.items():
        if getattr(functions, name, None) is activation:
            return equal
    name = getattr(activation, "__name__", type(activation).__name__)
    raise NoEqual(f"tf_keras has no activation {name!r} that can be written to a file")


def _config(thing: Any) -> dict[str, Any]:
    return {"class_name": type(thing).__name__, "config": thing.get_config()}


def object_of(value: Any, key: str) -> Any:
    """An initializer, regularizer or constraint of tf_keras, of a config of Keras 3.

    Raises:
        NoEqual: tf_keras has no such regularizer or constraint.
    """
    if not isinstance(value, Mapping):
        return value
    kind = key.rpartition("_")[2]
    config = {k: v for k, v in value.get("config", {}).items() if k != "seed"}
    module = getattr(keras, f"{kind}s")
    cls = getattr(module, str(value["class_name"]), None)
    if cls is not None:
        try:
            return cls(**config)
        except (TypeError, ValueError):
            cls = None
    if kind == "initializer":
        return "zeros"  # of no consequence: the weights are copied
    raise NoEqual(f"its {kind} {value['class_name']}")


# -- layers that are made of more than a config -------------------------------------------


def _wrapper(layer: Any, entry: Equal, cls: type) -> Any:
    inner = equal_of(layer.layer)
    config = {**config_of(layer, Equal(without=("layer", "module")), cls)}
    return cls(inner, **config)


def _bidirectional(layer: Any, entry: Equal, cls: type) -> Any:
    forward, backward = equal_of(layer.forward_layer), equal_of(layer.backward_layer)
    config = config_of(layer, Equal(without=("layer", "backward_layer", "module")), cls)
    return cls(forward, backward_layer=backward, **config)


def _rnn(layer: Any, entry: Equal, cls: type) -> Any:
    cell = equal_of(layer.cell)
    without = (*entry.without, "cell")
    return cls(cell, **config_of(layer, replace(entry, without=without), cls))


def _stacked(layer: Any, entry: Equal, cls: type) -> Any:
    cells = [equal_of(cell) for cell in layer.cells]
    return cls(cells, **config_of(layer, Equal(without=("cells",)), cls))


def _normalization(layer: Any, entry: Equal, cls: type) -> Any:
    config = config_of(layer, entry, cls)
    if layer.input_mean is not None and layer.mean is not None:
        # Keras 3 rounds what it is given to float32, whatever the layer computes in.
        sizes = [layer._broadcast_shape[axis] for axis in layer._keep_axis]
        for key in ("mean", "variance"):
            config[key] = np.reshape(getattr(layer, key), sizes).tolist()
    return cls(**config)


def _lookup(layer: Any, entry: Equal, cls: type) -> Any:
    """A layer with a vocabulary, which its config has only if it was given, not if adapted."""
    config = config_of(layer, entry, cls)
    with tf.init_scope():  # it reads tables
        words = layer.get_vocabulary(include_special_tokens=False)
    if config.get("output_mode") == "tf_idf" and config.get("idf_weights") is None:
        raise NoEqual("its weights of words were adapted, not given")
    if words:
        config["vocabulary"] = [getattr(word, "item", lambda word=word: word)() for word in words]
    del config["dtype"]  # of words, here; Keras 3 names that of what it computes
    with tf.init_scope():
        return cls(**config)


_SPECIAL = {
    "Bidirectional": _bidirectional,
    "Normalization": _normalization,
    "TimeDistributed": _wrapper,
    "SpectralNormalization": _wrapper,
    "IntegerLookup": _lookup,
    "StringLookup": _lookup,
    "TextVectorization": _lookup,
    "RNN": _rnn,
    "StackedRNNCells": _stacked,
}


def equal_of(layer: Any) -> Any:
    """The equal of a layer inside another.

    Raises:
        NoEqual: it has none.
    """
    name, entry = entry_of(layer)
    if not isinstance(entry, Equal):
        raise NoEqual(f"{layer.name!r} inside it, a {type(layer).__name__}, has no equal")
    return make_equal(layer, entry, name)
