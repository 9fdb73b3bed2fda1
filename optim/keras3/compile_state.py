"""The compile state of a model of Keras 3, for its twin."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from optim._keras import is_keras_3, keras

#: Arguments of objects of Keras 3 that tf_keras does not have, and that change nothing there.
_WITHOUT = ("dtype", "loss_scale_factor", "gradient_accumulation_steps")


class _NoEqual(Exception):
    """Something has no equal in tf_keras; the message names it."""


def copy_compile_state(source: Any, target: Any) -> list[str]:
    """Compile `target` as `source` is compiled, with new objects.

    Args:
        source: a model of Keras 3.
        target: its twin.

    Returns:
        What has no equal in tf_keras, one sentence each. A model whose optimizer or loss has none
        is not compiled.
    """
    if not getattr(source, "compiled", False) or not hasattr(source, "_compile_config"):
        return []
    given = source._compile_config.config
    lost: list[str] = []
    arguments: dict[str, Any] = {}
    try:
        arguments["optimizer"] = _equal(source.optimizer, "optimizers")
        arguments["loss"] = _structure(given.get("loss"), "losses")
    except _NoEqual as error:
        return [f"{source.name!r} is not compiled: tf_keras has no {error}. Call compile() on it"]
    for key in ("metrics", "weighted_metrics"):
        try:
            arguments[key] = _structure(given.get(key), "metrics")
        except _NoEqual as error:
            lost.append(f"{key} of {source.name!r} are left out: tf_keras has no {error}")
    target.compile(
        loss_weights=given.get("loss_weights"),
        run_eagerly=bool(given.get("run_eagerly")),
        steps_per_execution=given.get("steps_per_execution") or 1,
        jit_compile=True if given.get("jit_compile") is True else None,
        **arguments,
    )
    return lost


def _structure(value: Any, module: str) -> Any:
    if isinstance(value, dict):
        return {key: _structure(item, module) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_structure(item, module) for item in value]
    return _equal(value, module)


def _equal(value: Any, module: str) -> Any:
    """The equal of an optimizer, loss or metric: a name, a function, or an object."""
    ours = getattr(keras, module)
    if value is None:
        return None
    if isinstance(value, str):
        if value not in ("accuracy", "acc", "ce", "crossentropy"):
            _known(ours.get, value)
        return value
    theirs = getattr(import_module("keras"), module)
    if not is_keras_3(value) or isinstance(value, type):
        name = getattr(value, "__name__", "")
        if name and getattr(theirs, name, None) is value:
            return _known(lambda known: getattr(ours, known), name)
        if callable(value):
            return value  # a function of one's own computes with tensors of TensorFlow
        raise _NoEqual(repr(value))
    name = type(value).__name__
    if getattr(theirs, name, None) is not type(value):
        raise _NoEqual(f"{name}, which is a class of one's own")
    return _known(lambda known: _made(getattr(ours, known), value), name)


def _made(cls: Any, value: Any) -> Any:
    config = {k: v for k, v in value.get_config().items() if k not in _WITHOUT}
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        schedules = keras.optimizers.schedules
        config["learning_rate"] = getattr(schedules, rate["class_name"])(**rate["config"])
    if config.get("fn") is not None:
        raise _NoEqual(f"{type(value).__name__} of a function")
    return cls.from_config(config)


def _known(make: Any, name: str) -> Any:
    try:
        return make(name)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _NoEqual(f"{name} with these options") from error
