"""Quantization-aware training: read -> lower -> plan -> build -> calibrate.

Each step is a package or module of its name. Importing this one imports TensorFlow.
"""

from optim.quantization.api import quantize_model
from optim.quantization.building.builder import build
from optim.quantization.building.untraced import untraced
from optim.quantization.calibration.calibrate import calibrate
from optim.quantization.lowering.driver import lower, rule
from optim.quantization.planning.plan import Plan, plan
from optim.quantization.planning.schemes import SCHEMES, Scheme

__all__ = [
    "SCHEMES",
    "Plan",
    "Scheme",
    "build",
    "calibrate",
    "lower",
    "plan",
    "quantize_model",
    "rule",
    "untraced",
]
