"""Verification of LiteRT files: what they hold, and how close they are to a model.

Needs no TensorFlow, unless a Keras model is given to compare with.
"""

from optim.verification.api import verify
from optim.verification.compare import Comparison, compare_outputs
from optim.verification.islands import Island
from optim.verification.report import Report

__all__ = ["Comparison", "Island", "Report", "compare_outputs", "verify"]
