"""Quantization-aware training and pruning for Keras models, on top of tfmot.

Importing this package chooses the Keras module (see `optim._keras`) and raises at
once if that is impossible. It does not import TensorFlow: the names below are
resolved on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from optim import _keras as _keras  # first of all: TensorFlow must not be imported before
from optim import errors as errors
from optim.errors import OptimError as OptimError
from optim.errors import UnsupportedModelError as UnsupportedModelError

if TYPE_CHECKING:  # for type checkers and editors; at run time __getattr__ does this
    from optim.configs import DefaultBNQuantizeConfig as DefaultBNQuantizeConfig
    from optim.configs import NoOpQuantizeConfig as NoOpQuantizeConfig
    from optim.engine import calibrate as calibrate
    from optim.engine import plan as plan
    from optim.engine import quantize_model as quantize_model
    from optim.engine import rule as rule
    from optim.pruning import get_pruning_callbacks as get_pruning_callbacks
    from optim.pruning import prune_low_magnitude as prune_low_magnitude
    from optim.pruning import unprune as unprune
    from optim.pruning_wrapper import PruneLowMagnitude as PruneLowMagnitude
    from optim.pruning_wrapper import register_prunable as register_prunable
    from optim.quantize import Quantize as Quantize
    from optim.recipe import AnnotateRecipe as AnnotateRecipe
    from optim.scope import custom_object_scope as custom_object_scope
    from optim.scope import load_model as load_model

# Public name -> module that defines it. Keep in step with the imports above.
_PUBLIC: dict[str, str] = {
    "AnnotateRecipe": "optim.recipe",
    "DefaultBNQuantizeConfig": "optim.configs",
    "NoOpQuantizeConfig": "optim.configs",
    "PruneLowMagnitude": "optim.pruning_wrapper",
    "Quantize": "optim.quantize",
    "custom_object_scope": "optim.scope",
    "get_pruning_callbacks": "optim.pruning",
    "load_model": "optim.scope",
    "prune_low_magnitude": "optim.pruning",
    "register_prunable": "optim.pruning_wrapper",
    "unprune": "optim.pruning",
    "calibrate": "optim.engine",
    "plan": "optim.engine",
    "quantize_model": "optim.engine",
    "rule": "optim.engine",
}

__all__ = ["OptimError", "UnsupportedModelError", "errors", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
