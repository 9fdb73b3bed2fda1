"""Choice of the Keras module, made once, before TensorFlow is first imported.

`tfmot` works with Keras 2 (`tf_keras`) only. TensorFlow decides which Keras
`tf.keras` is by reading `TF_USE_LEGACY_KERAS` when it is imported, so the choice
cannot be made afterwards. Importing this module checks that the choice is possible
and makes it; it does not import TensorFlow. That happens on the first use of one of
the handles:

    from optim._keras import keras, tf, tfmot

Environment:
    KERAS_MODULE: the Keras module to use. `tf_keras` is the default and, with tfmot,
        the only one that can work.
    TF_USE_LEGACY_KERAS: set to `1` here if unset.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from optim.errors import KerasModelError, KerasModuleError, MissingPackageError

if TYPE_CHECKING:  # the real ones come from __getattr__ below
    keras: Any
    tf: Any
    tfmot: Any

DEFAULT_KERAS_MODULE = "tf_keras"
LEGACY_VARIABLE = "TF_USE_LEGACY_KERAS"
LEGACY_VALUES = ("1", "true", "True")  # what tensorflow/__init__.py accepts as "yes"

# Handle -> module to import.
_HANDLES = {
    "tf": "tensorflow",
    "keras": DEFAULT_KERAS_MODULE,
    "tfmot": "tensorflow_model_optimization",
}

# Module -> what to install for it. tfmot imports `distutils`, which Python dropped in
# 3.12 and setuptools still provides.
_PACKAGES = {
    "tensorflow": "tensorflow",
    "tf_keras": "tf_keras",
    "tensorflow_model_optimization": "tensorflow-model-optimization",
    "distutils": "setuptools",
}


def keras_module_name() -> str:
    """Return the Keras module named by `KERAS_MODULE`; `tf_keras` if unset or empty."""
    return os.environ.get("KERAS_MODULE") or DEFAULT_KERAS_MODULE


def select_keras() -> None:
    """Check that `tf_keras` can be used, and make TensorFlow use it.

    Raises:
        KerasModuleError: `KERAS_MODULE` names another module, `TF_USE_LEGACY_KERAS`
            says no, or TensorFlow has already been imported with another Keras.
        MissingPackageError: TensorFlow, tf_keras or tfmot is not installed.
    """
    name = keras_module_name()
    if name != DEFAULT_KERAS_MODULE:
        raise KerasModuleError(
            f"KERAS_MODULE={name!r} cannot be used: tensorflow-model-optimization works with "
            f"{DEFAULT_KERAS_MODULE} (Keras 2) only. Unset KERAS_MODULE or set "
            f"KERAS_MODULE={DEFAULT_KERAS_MODULE}."
        )
    wish = os.environ.get(LEGACY_VARIABLE)
    if "tensorflow" in sys.modules:
        if wish not in LEGACY_VALUES:
            raise KerasModuleError(
                f"TensorFlow was imported before optim and without {LEGACY_VARIABLE}=1, so its "
                "tf.keras is Keras 3, which tensorflow-model-optimization cannot use. Import "
                f"optim before TensorFlow, or export {LEGACY_VARIABLE}=1, and start Python again."
            )
        if _imported_without_legacy():
            raise KerasModuleError(
                f"{LEGACY_VARIABLE}=1 was set after TensorFlow had been imported (importing "
                "tensorflow_model_optimization sets it, too late), so tf.keras is Keras 3. Import "
                f"optim before TensorFlow, or export {LEGACY_VARIABLE}=1, and start Python again."
            )
    elif wish not in (None, "", *LEGACY_VALUES):
        raise KerasModuleError(
            f"{LEGACY_VARIABLE}={wish!r} asks for Keras 3, which tensorflow-model-optimization "
            f"cannot use. Unset {LEGACY_VARIABLE} or export {LEGACY_VARIABLE}=1."
        )
    require(*_HANDLES.values(), "distutils")
    if wish not in LEGACY_VALUES:
        os.environ[LEGACY_VARIABLE] = "1"


def require(*modules: str) -> None:
    """Check, without importing them, that modules are installed.

    Raises:
        MissingPackageError: with the command that installs the first that is not.
    """
    for module in modules:
        if not _is_installed(module):
            raise _missing(module)


def _is_installed(module: str) -> bool:
    if module in sys.modules:
        return True
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _imported_without_legacy() -> bool:
    """Whether the loaded TensorFlow chose Keras 3, whatever the environment says by now."""
    loaded = vars(sys.modules["tensorflow"])
    if not loaded.get("_tf_uses_legacy_keras", True):  # noted by tensorflow/__init__.py
        return True
    # `tf.keras` is a lazy loader; ordinary attribute access would resolve it.
    return bool(vars(loaded.get("keras", object)).get("_tfll_keras_version") == "keras_3")


def _missing(module: str) -> MissingPackageError:
    package = _PACKAGES.get(module, module)
    return MissingPackageError(
        f"optim needs the module {module!r}, which is not installed: "
        f"run `{os.path.basename(sys.executable) or 'python'} -m pip install {package}`.",
        name=module,
    )


def __getattr__(name: str) -> Any:
    if name not in _HANDLES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    select_keras()  # again: TensorFlow may have been imported since, the environment changed
    try:
        module = importlib.import_module(_HANDLES[name])
    except ModuleNotFoundError as error:
        raise _missing(error.name or _HANDLES[name]) from error
    globals()[name] = module
    return module


def is_keras_3(thing: object) -> bool:
    """Whether `thing` is an object of Keras 3 (package `keras`), without importing it."""
    return any(base.__module__.split(".")[0] == "keras" for base in type(thing).__mro__)


#: Makes a `tf_keras.Model` of a model of Keras 3. What does is far above this module.
_TWIN: list[Callable[[Any], Any]] = []


def twins_by(make: Callable[[Any], Any]) -> None:
    """Say what makes a `tf_keras.Model` of a model of Keras 3."""
    _TWIN[:] = [make]


#: Loads a `tf_keras.Model` from a file, as the one above.
_LOADER: list[Callable[[Any], Any]] = []


def files_by(load: Callable[[Any], Any]) -> None:
    """Say what loads a `tf_keras.Model` from a file."""
    _LOADER[:] = [load]


def accepted(model: Any, caller: str, *, above: int = 0) -> Any:
    """Return a model as a `tf_keras.Model`: of one of Keras 3 its twin, and tell so.

    Args:
        model: anything; the path of a file is loaded, and nothing that it brings is run.
        caller: name of the public function, for the message.
        above: how many calls lie between it and this function.

    Raises:
        KerasModelError: it is no model.
        KerasModuleError, UnsupportedModelError: as `optim.from_keras3`.
        ModelFileError: as `optim.load_model`.
    """
    if _LOADER and isinstance(model, (str, os.PathLike)):
        return _LOADER[0](model)
    if _TWIN and is_keras_3_model(model):
        twin = _TWIN[0](model)
        warnings.warn(
            f"{caller}: {model.name!r} is a model of Keras 3; this works on its tf_keras twin, as "
            "optim.from_keras3 makes it",
            stacklevel=3 + above,
        )
        return twin
    check_model(model, caller)
    return model


def is_keras_3_model(thing: object) -> bool:
    """Whether `thing` is a model of Keras 3, and no other layer, without importing it."""
    return is_keras_3(thing) and hasattr(thing, "layers")


def check_model(model: object, caller: str = "optim") -> None:
    """Refuse what is not a `tf_keras.Model`.

    Args:
        model: anything.
        caller: name of the public function, for the message.

    Raises:
        KerasModelError: with a remedy if it is a Keras 3 model.
    """
    _check(model, "Model", "a model", caller)


def check_layer(layer: object, caller: str = "optim") -> None:
    """Refuse what is not a `tf_keras` layer (a model is a layer too).

    Raises:
        KerasModelError: with a remedy if it is a Keras 3 layer.
    """
    _check(layer, "Layer", "a layer", caller)


def _check(thing: object, what: str, article: str, caller: str) -> None:
    if is_keras_3(thing):  # before the handles: this answer needs no TensorFlow
        raise KerasModelError(
            f"{caller}: {type(thing).__name__} is {article} of Keras 3; "
            "tensorflow-model-optimization works with Keras 2. Make its twin with "
            "optim.from_keras3(model), or build it with `import tf_keras` (or with tf.keras, after "
            "`import optim`) instead of `import keras`."
        )
    loaded = sys.modules[__name__].keras
    wanted = loaded.Model if what == "Model" else loaded.layers.Layer
    if not isinstance(thing, wanted):
        raise KerasModelError(
            f"{caller}: expected {article} of {DEFAULT_KERAS_MODULE}, "
            f"got {type(thing).__module__}.{type(thing).__qualname__}{_instead(thing, article)}."
        )


def _instead(thing: object, article: str) -> str:
    """What to give instead of something that is often taken for a model or a layer."""
    if isinstance(thing, type):
        return f": {thing.__name__} is a class; give {article} made of it"
    if isinstance(thing, (str, os.PathLike)):
        return ": load it with optim.load_model"
    if hasattr(thing, "_keras_history") or hasattr(thing, "type_spec"):
        model = "keras.Model(inputs, outputs)"
        layer = "" if article == "a model" else ", or the layer before it is called"
        return f", what a layer gives when it is called: give the model, {model}{layer}"
    return ""


select_keras()
