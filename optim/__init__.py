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
from optim.errors import ExportError as ExportError
from optim.errors import OptimError as OptimError
from optim.errors import UnsupportedModelError as UnsupportedModelError

if TYPE_CHECKING:  # for type checkers and editors; at run time __getattr__ does this
    from optim.annotation.configs import (
        DefaultBNQuantizeConfig as DefaultBNQuantizeConfig,
    )
    from optim.annotation.configs import NoOpQuantizeConfig as NoOpQuantizeConfig
    from optim.annotation.recipe import AnnotateRecipe as AnnotateRecipe
    from optim.clustering.api import cluster_weights as cluster_weights
    from optim.clustering.api import uncluster as uncluster
    from optim.clustering.wrapper import ClusterWeights as ClusterWeights
    from optim.debugging.api import DebugResult as DebugResult
    from optim.debugging.api import debug as debug
    from optim.exporting import export as export
    from optim.files.api import load_model as load_model
    from optim.keras3.api import from_keras3 as from_keras3
    from optim.keras3.back import to_keras3 as to_keras3
    from optim.pruning.api import prune_low_magnitude as prune_low_magnitude
    from optim.pruning.api import sparsify as sparsify
    from optim.pruning.api import unprune as unprune
    from optim.pruning.callbacks import get_pruning_callbacks as get_pruning_callbacks
    from optim.pruning.wrapper import PruneLowMagnitude as PruneLowMagnitude
    from optim.pruning.wrapper import register_prunable as register_prunable
    from optim.quantization.api import quantize_model as quantize_model
    from optim.quantization.calibration.calibrate import calibrate as calibrate
    from optim.quantization.lowering.registry import rule as rule
    from optim.quantization.options import Quantize as Quantize
    from optim.quantization.planning.planner import plan as plan
    from optim.saving import custom_object_scope as custom_object_scope
    from optim.sparsity.report import SparsityReport as SparsityReport
    from optim.sparsity.report import sparsity_report as sparsity_report
    from optim.verification import Report as Report
    from optim.verification import verify as verify

# Public name -> module that defines it. Keep in step with the imports above.
_PUBLIC: dict[str, str] = {
    "AnnotateRecipe": "optim.annotation.recipe",
    "ClusterWeights": "optim.clustering.wrapper",
    "DebugResult": "optim.debugging.api",
    "DefaultBNQuantizeConfig": "optim.annotation.configs",
    "NoOpQuantizeConfig": "optim.annotation.configs",
    "PruneLowMagnitude": "optim.pruning.wrapper",
    "Quantize": "optim.quantization.options",
    "Report": "optim.verification",
    "SparsityReport": "optim.sparsity.report",
    "cluster_weights": "optim.clustering.api",
    "custom_object_scope": "optim.saving",
    "debug": "optim.debugging.api",
    "export": "optim.exporting.api",
    "from_keras3": "optim.keras3.api",
    "get_pruning_callbacks": "optim.pruning.callbacks",
    "load_model": "optim.files.api",
    "prune_low_magnitude": "optim.pruning.api",
    "register_prunable": "optim.pruning.wrapper",
    "sparsity_report": "optim.sparsity.report",
    "to_keras3": "optim.keras3.back",
    "uncluster": "optim.clustering.api",
    "sparsify": "optim.pruning.api",
    "unprune": "optim.pruning.api",
    "verify": "optim.verification",
    "calibrate": "optim.quantization.calibration.calibrate",
    "plan": "optim.quantization.planning.planner",
    "quantize_model": "optim.quantization.api",
    "rule": "optim.quantization.lowering.registry",
}


def _twin(model: Any) -> Any:
    return importlib.import_module(_PUBLIC["from_keras3"]).from_keras3(model)


def _loaded(path: Any) -> Any:
    return importlib.import_module(_PUBLIC["load_model"]).load_model(path)


_keras.twins_by(_twin)
_keras.files_by(_loaded)


def import_registering() -> None:
    """Import what has to be there before a model is read from a file."""
    from optim.registering import import_all

    import_all()


__all__ = ["ExportError", "OptimError", "UnsupportedModelError", "errors", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
