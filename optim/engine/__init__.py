"""The quantization engine: read -> lower -> plan -> build -> calibrate.

Importing this package imports TensorFlow; the names are those of `optim` itself.
"""

from optim.engine.build import build
from optim.engine.calibrate import calibrate
from optim.engine.graph import Graph, Node, Value
from optim.engine.lower import lower, rule
from optim.engine.plan import Plan, plan
from optim.engine.quantize import quantize_model
from optim.engine.read import read
from optim.engine.schemes import SCHEMES, Scheme
from optim.engine.untraced import untraced

__all__ = [
    "SCHEMES",
    "Graph",
    "Node",
    "Plan",
    "Scheme",
    "Value",
    "build",
    "calibrate",
    "lower",
    "plan",
    "quantize_model",
    "read",
    "rule",
    "untraced",
]
