"""What TensorFlow is told before it is imported, where that changes what it computes.

A table of its own, for it is part of the key of every outcome; whatever else runs a case,
how and beside what, is not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

#: For a case of the matrix. oneDNN's allocator keeps what it once had: a training step would
#: take twice the memory. A user's own setting of the first two wins.
MATRIX: Mapping[str, str] = {
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_USE_LEGACY_KERAS": "1",
}

#: For a unit of the benchmark: its single steps want little memory, training wants speed.
BENCHMARK: Mapping[str, str] = {**MATRIX, "TF_ENABLE_ONEDNN_OPTS": "1"}


def tell(settings: Mapping[str, str]) -> None:
    """Set what is not set yet, and that it is Keras 2 in any case."""
    for name, value in settings.items():
        if name == "TF_USE_LEGACY_KERAS":
            os.environ[name] = value
        else:
            os.environ.setdefault(name, value)


def effective(settings: Mapping[str, str]) -> dict[str, str]:
    """Return what decides the order of sums: a user may have set it otherwise."""
    return {name: os.environ.get(name, settings[name]) for name in ("TF_ENABLE_ONEDNN_OPTS",)}
