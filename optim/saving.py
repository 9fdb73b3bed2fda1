"""Custom objects: the classes that files may name, and what they are read within."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib import import_module
from types import FunctionType
from typing import Any, TypeVar
from unittest.mock import patch

from optim._keras import keras, tfmot

__all__ = ["LOADING", "application_objects", "custom_object_scope", "default_custom_objects"]

_Class = TypeVar("_Class", bound=type)

#: Classes that files have by their bare names, as tfmot's own go by.
_CLASSES: dict[str, type] = {"SpectralNormalization": keras.layers.SpectralNormalization}

#: What a model is made within when it is read from a file.
LOADING: list[Callable[[], AbstractContextManager[None]]] = []


def in_files(cls: _Class) -> _Class:
    """Have a class found by its bare name wherever Keras reads a model; a decorator.

    For classes that stand for one of tfmot's, or that models had before Keras knew packages of
    classes. Any other is registered with Keras, under the package `optim`.
    """
    _CLASSES[cls.__name__] = cls
    # Copies and pickles are read by Keras itself, which has no scope around it; one that is
    # there still goes first.
    keras.utils.get_custom_objects().setdefault(cls.__name__, cls)
    return cls


def while_loading(context: Callable[[], AbstractContextManager[None]]) -> Any:
    """Have `load_model` make models within a context; a decorator."""
    LOADING.append(context)
    return context


@while_loading
@contextmanager
def functions_by_name() -> Iterator[None]:
    """Let activations in HDF5 files be functions that are registered or given.

    tf_keras writes such a function as a dictionary with its name, and looks in HDF5 files for
    something that is called "function".
    """
    activations = import_module("tf_keras.src.activations")
    registered = import_module("tf_keras.src.saving.object_registration").get_registered_object
    original = activations.deserialize

    def deserialize(name: Any, custom_objects: Any = None, *args: Any, **kwargs: Any) -> Any:
        if isinstance(name, Mapping) and name.get("class_name") == "function":
            found = registered(name.get("config"), custom_objects)
            if isinstance(found, FunctionType):
                return found
        return original(name, custom_objects, *args, **kwargs)

    with patch.object(activations, "deserialize", deserialize):
        yield


@cache
def application_objects() -> dict[str, type]:
    """Return the layer classes that `tf_keras.applications` itself defines, by name.

    Looked up, not listed: the layer classes in the modules where the constructors are
    (LayerScale and StochasticDepth in convnext, CustomScaleLayer in inception_resnet_v2).
    """
    constructors = [value for value in vars(keras.applications).values() if callable(value)]
    modules = {constructor.__module__ for constructor in constructors}
    return {
        name: value
        for module in sorted(modules)
        for name, value in vars(sys.modules[module]).items()
        if isinstance(value, type)
        and issubclass(value, keras.layers.Layer)
        and value.__module__ == module
    }


def default_custom_objects() -> dict[str, Any]:
    """Return the custom objects known without being told, by the name used in files."""
    from optim import import_registering  # late: the package is still being imported before

    import_registering()
    return {**application_objects(), **_CLASSES}


def own_classes(objects: Iterable[Any]) -> dict[str, type]:
    """Return the classes among the objects that neither Keras nor tfmot defines, by name."""
    libraries = ("tf_keras", "tensorflow_model_optimization")
    classes = [x for x in objects if isinstance(x, type)]
    return {c.__name__: c for c in classes if c.__module__.split(".")[0] not in libraries}


def custom_object_scope(custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return a context manager in which Keras can read every model this package writes.

    It holds tfmot's quantization objects, the wrappers and configs of this package, and the
    layers that `tf_keras.applications` defines.

    Args:
        custom_objects: more objects by name; they win over the known ones.
    """
    # Not handed to quantize_scope: it puts its own objects last, so that they would win.
    tfmot_objects = tfmot.quantization.keras.quantize_scope().custom_objects
    return keras.utils.custom_object_scope(
        *tfmot_objects, default_custom_objects(), dict(custom_objects or {})
    )
