"""The model of a check, opened in the process that works on it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from harness.vocabulary import UsageError


def open_model(source: dict[str, Any], custom: Sequence[str] = (), trust: bool = False) -> Any:
    """Return the model, as a `tf_keras.Model`.

    Args:
      source: fields of `harness.checking.asked.Source`.
      custom: where classes are that the file names.
      trust: whether what the file brings may run.
    """
    objects = _registered(custom)
    if source["path"]:
        from optim import load_model

        return load_model(source["path"], objects, safe_mode=not trust)
    module, _, function = source["word"].partition(":")
    return _twin(getattr(importlib.import_module(module), function)())


def _twin(model: Any) -> Any:
    """Return a model of tf_keras: itself, or the twin of one of Keras 3."""
    from optim._keras import check_model, is_keras_3

    if is_keras_3(model):
        from optim import from_keras3

        return from_keras3(model)
    check_model(model, "check")
    return model


def _registered(words: Sequence[str]) -> dict[str, Any]:
    """Import custom objects, and have both packages of Keras know them by their names."""
    import tf_keras

    found = {}
    for word in words:
        module, _, name = word.partition(":")
        try:
            found[name] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UsageError(f"--custom {word}: {error}") from error
    tf_keras.utils.get_custom_objects().update(found)
    return found
