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
    from optim.clustering import cluster_weights as cluster_weights
    from optim.clustering import uncluster as uncluster
    from optim.clustering_wrapper import ClusterWeights as ClusterWeights
    from optim.configs import DefaultBNQuantizeConfig as DefaultBNQuantizeConfig
    from optim.configs import NoOpQuantizeConfig as NoOpQuantizeConfig
    from optim.debugging import DebugResult as DebugResult
    from optim.debugging import debug as debug
    from optim.engine import calibrate as calibrate
    from optim.engine import plan as plan
    from optim.engine import quantize_model as quantize_model
    from optim.engine import rule as rule
    from optim.exporting import export as export
    from optim.pruning import get_pruning_callbacks as get_pruning_callbacks
    from optim.pruning import prune_low_magnitude as prune_low_magnitude
    from optim.pruning import sparsify as sparsify
    from optim.pruning import unprune as unprune
    from optim.pruning_wrapper import PruneLowMagnitude as PruneLowMagnitude
    from optim.pruning_wrapper import register_prunable as register_prunable
    from optim.quantize import Quantize as Quantize
    from optim.recipe import AnnotateRecipe as AnnotateRecipe
    from optim.scope import custom_object_scope as custom_object_scope
    from optim.scope import load_model as load_model
    from optim.sparsity import SparsityReport as SparsityReport
    from optim.sparsity import sparsity_report as sparsity_report
    from optim.verification import Report as Report
    from optim.verification import verify as verify

# Public name -> module that defines it. Keep in step with the imports above.
_PUBLIC: dict[str, str] = {
    "AnnotateRecipe": "optim.recipe",
    "ClusterWeights": "optim.clustering_wrapper",
    "DebugResult": "optim.debugging",
    "DefaultBNQuantizeConfig": "optim.configs",
    "NoOpQuantizeConfig": "optim.configs",
    "PruneLowMagnitude": "optim.pruning_wrapper",
    "Quantize": "optim.quantize",
    "Report": "optim.verification",
    "SparsityReport": "optim.sparsity",
    "cluster_weights": "optim.clustering",
    "custom_object_scope": "optim.scope",
    "debug": "optim.debugging",
    "export": "optim.exporting",
    "get_pruning_callbacks": "optim.pruning",
    "load_model": "optim.scope",
    "prune_low_magnitude": "optim.pruning",
    "register_prunable": "optim.pruning_wrapper",
    "sparsity_report": "optim.sparsity",
    "uncluster": "optim.clustering",
    "sparsify": "optim.pruning",
    "unprune": "optim.pruning",
    "verify": "optim.verification",
    "calibrate": "optim.engine",
    "plan": "optim.engine",
    "quantize_model": "optim.engine",
    "rule": "optim.engine",
}

__all__ = ["ExportError", "OptimError", "UnsupportedModelError", "errors", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
