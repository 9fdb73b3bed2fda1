"""Magnitude pruning of any model, nested ones included.

pruned = prune_low_magnitude(model, schedule="polynomial", sparsity=0.75, end_step=2000)
pruned.compile(...)
pruned.fit(data, callbacks=get_pruning_callbacks())
small = unprune(pruned)
"""

from __future__ import annotations

from optim.pruning.callbacks import PruningSummaries, get_pruning_callbacks
from optim.pruning.policies import LatencyXNNPack
from optim.pruning.transform import prune_low_magnitude, sparsify, unprune

__all__ = [
    "LatencyXNNPack",
    "PruningSummaries",
    "get_pruning_callbacks",
    "prune_low_magnitude",
    "sparsify",
    "unprune",
]
