"""Techniques: what is done to a model; the columns of the matrix.

A technique is a small object behind one registry. Built-in ones are registered by
:mod:`harness.techniques.builtin` exactly as a plug-in registers its own: a package names
a module under the entry point group ``tfmot_matrix.techniques``, and that module calls
:func:`register`. Nothing here imports TensorFlow; a technique's methods do, when called.
"""

from harness.techniques.protocol import REQUIRED, Technique, fits
from harness.techniques.registry import ENTRY_POINTS, register, registry, select

__all__ = ["ENTRY_POINTS", "REQUIRED", "Technique", "fits", "register", "registry", "select"]
