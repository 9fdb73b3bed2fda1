"""What a model's description asks for: nothing of it is run, imported or opened unasked.

A description (JSON) names classes, functions and modules, and Keras makes of them what it
finds. Here it is looked through before Keras sees it. What is allowed is what describes layers:
the classes of Keras, tfmot and this package, the functions of Keras that compute, and what the
caller has registered or given. All else would be the file's code, or a file of its choice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from optim.errors import Problem
from optim.files.symbols import runs_code

#: Packages whose classes a description may name.
_TRUSTED = ("keras", "tf_keras", "tensorflow_model_optimization", "optim")

#: Parts of Keras that describe no layers: they read, write, load and download.
_NOT_LAYERS = frozenset(
    {"utils", "saving", "callbacks", "datasets", "preprocessing", "export", "wrappers", "config"}
    | {"distribution", "distribute", "tree", "trainers", "testing", "legacy_tf_layers", "estimator"}
)

#: Parts of Keras whose functions compute.
_FUNCTIONS = frozenset(
    {"activations", "losses", "metrics", "initializers", "regularizers", "constraints", "ops"}
)

#: Layers of Keras that run what is in a file, or open one.
_FOREIGN = {
    "TFSMLayer": "loads a SavedModel that the file names",
    "TorchModuleWrapper": "unpickles a module of PyTorch",
    "FlaxLayer": "runs a module of Flax",
    "JaxLayer": "runs functions of JAX",
}

#: Arguments of lookup layers that may be the name of a file.
_VOCABULARIES = ("vocabulary", "idf_weights")

_LOOKUPS = ("StringLookup", "IntegerLookup", "TextVectorization", "IndexLookup")

_NEED_CLASS = (
    "replace it by a layer class of yours, registered with "
    "keras.utils.register_keras_serializable or given in custom_objects"
)
_NEED_OBJECT = "import and register it, or give it in custom_objects"


class _Found(NamedTuple):
    reason: str
    remedy: str


_Rule = Callable[[Mapping[str, Any], Collection[str]], "_Found | None"]


def problems(description: Any, known: Collection[str]) -> Iterator[Problem]:
    """Find what a description would have run, imported or opened.

    Args:
        description: of a model, as JSON gives it: of any depth, and perhaps no model at all.
        known: names of classes and functions that the caller has given or registered.
    """
    waiting: list[tuple[Any, str]] = [(description, "model")]
    while waiting:
        one, layer = waiting.pop()
        if isinstance(one, list):
            waiting += [(item, layer) for item in reversed(one)]
        elif isinstance(one, dict):
            layer = _name(one) or layer
            for rule in _RULES:
                found = rule(one, known)
                if found is not None:
                    yield Problem(layer, *found)
                    break
            waiting += [(value, layer) for value in reversed(list(one.values()))]


def _name(one: Mapping[str, Any]) -> str:
    config = one.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return name if isinstance(name, str) and "class_name" in one else ""


def _class(one: Mapping[str, Any]) -> str:
    """The class that is named, without the package that it is registered in."""
    return str(one.get("class_name") or "").rpartition(">")[2]


def _config(one: Mapping[str, Any]) -> Mapping[str, Any]:
    config = one.get("config")
    return config if isinstance(config, dict) else {}


def _is_known(one: Mapping[str, Any], known: Collection[str]) -> bool:
    names = (one.get("config"),) if one.get("class_name") == "function" else ()
    return any(
        isinstance(name, str) and name in known
        for name in (*names, one.get("registered_name") or one.get("class_name"))
    )


def _code(one: Mapping[str, Any], known: Collection[str]) -> _Found | None:
    """Code that Python has packed: of a lambda, or of a function inside another."""
    types = ("function_type", "output_shape_type", "mask_type")
    if one.get("class_name") == "__lambda__" or any(one.get(key) == "lambda" for key in types):
        return _Found("has Python code in the file, which is not run", _NEED_CLASS)
    return None


def _lambda(one: Mapping[str, Any], known: Collection[str]) -> _Found | None:
    if _class(one) != "Lambda" or _is_known(one, known):
        return None
    for key in ("function", "output_shape", "mask"):
        function = _config(one).get(key)
        if isinstance(function, dict) and function.get("class_name") in ("__lambda__", "__tuple__"):
            return _Found("is a Lambda with Python code in the file, which is not run", _NEED_CLASS)
        if key == "output_shape" or function is None:
            continue
        if isinstance(function, str) and function not in known:
            return _Found(f"is a Lambda of a function {function!r}", _NEED_OBJECT)
        if isinstance(function, list):
            return _Found("is a Lambda with Python code in the file, which is not run", _NEED_CLASS)
    return None


def _operation(one: Mapping[str, Any], known: Collection[str]) -> _Found | None:
    """A layer that calls a function of TensorFlow by its name."""
    reason = runs_code(_class(one), _config(one))
    if reason and not _is_known(one, known):
        return _Found(reason, "write it as a layer class of yours, given in custom_objects")
    return None


def _lookup(one: Mapping[str, Any], known: Collection[str]) -> _Found | None:
    if _class(one) in _LOOKUPS:
        for key in _VOCABULARIES:
            value = _config(one).get(key)
            if isinstance(value, str):
                return _Found(
                    f"reads the file {value!r}", "give the layer its vocabulary as a list"
                )
    return None


def _foreign(one: Mapping[str, Any], known: Collection[str]) -> _Found | None:
    if _class(one) in _FOREIGN and not _is_known(one, known):
        return _Found(f"is a {_class(one)}: it {_FOREIGN[_class(one)]}", "build it of Keras layers")
    return None


def _module(one: Mapping[str, Any], known: Collection[str]) -> _Found | None:
    """A class or function of a module that the file names."""
    module = one.get("module")
    if module is None or "class_name" not in one or _is_known(one, known):
        return None
    named = str(one.get("class_name"))
    if named == "__typespec__":
        allowed = str(module).startswith("tensorflow.python.framework.")
        return None if allowed else _Found(f"has a type of {module!r}", _NEED_OBJECT)
    function = named == "function"
    name = str(one.get("config")) if function else named
    if _allowed(str(module), name, function):
        return None
    what = "function" if function else "class"
    return _Found(f"names the {what} {name!r} of the module {str(module)!r}", _NEED_OBJECT)


def _allowed(module: str, name: str, function: bool) -> bool:
    """Whether a module's class, or its function, is one that describes a layer."""
    root, *parts = module.split(".")
    if function:
        return module == "builtins" or (
            root in ("keras", "tf_keras") and bool(_FUNCTIONS & set(parts[:2]))
            and bool(re.fullmatch(r"[A-Za-z]\w*", name))
        )  # fmt: skip
    if root not in _TRUSTED or _NOT_LAYERS & set(parts):
        return False
    # Functions of Keras that load or clone begin with a small letter.
    return bool(re.fullmatch(r"_?[A-Z]\w*", name))


_RULES: tuple[_Rule, ...] = (_code, _lambda, _foreign, _operation, _lookup, _module)
