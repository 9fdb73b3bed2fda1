"""The Keras package that was chosen, and what version of it is installed."""

from __future__ import annotations

import importlib.metadata
import os
from functools import cache

from harness.vocabulary import KERAS_3

DEFAULT_KERAS_MODULE = "tf_keras"


def keras_module() -> str:
    """Return the name of the chosen Keras module (``KERAS_MODULE``)."""
    return os.environ.get("KERAS_MODULE") or DEFAULT_KERAS_MODULE


def is_converted() -> bool:
    """Whether the models of the chosen module are of Keras 3, and so are converted."""
    return keras_module().partition(".")[0] == KERAS_3


@cache
def distribution_version(module: str) -> str:
    """Return the installed version of the distribution that ships ``module``."""
    name = module.partition(".")[0].replace("_", "-")
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
