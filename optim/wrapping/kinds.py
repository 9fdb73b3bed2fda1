"""Models that still have the wrappers of pruning, clustering or quantization around layers.

A step that is to work on the layers would pass over those within wrappers of another, so such a
model is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optim.errors import Problem, UnsupportedModelError
from optim.models.sealed import check_open

# Not part of tfmot's public API. After the handles: they choose the Keras module.
from tensorflow_model_optimization.python.core.clustering.keras import (  # isort: skip
    cluster_wrapper as tfmot_clustering,
)
from tensorflow_model_optimization.python.core.quantization.keras import (  # isort: skip
    quantize_layer,
    quantize_wrapper,
)
from tensorflow_model_optimization.python.core.sparsity.keras import (  # isort: skip
    pruning_wrapper as tfmot_pruning,
)

__all__ = ["PRUNED", "Kind", "check_unwrapped", "known"]


@dataclass(frozen=True)
class Kind:
    """A kind of wrappers, ours or tfmot's.

    Attributes:
        classes: what they are.
        reason, remedy: of the `Problem` of a model that has some.
    """

    classes: tuple[type, ...]
    reason: str
    remedy: str


PRUNED = Kind(
    (tfmot_pruning.PruneLowMagnitude,), "still has pruning wrappers", "optim.unprune it first"
)
_TFMOTS = Kind(
    (tfmot_clustering.ClusterWeights,),
    "still has tfmot's clustering wrappers",
    "tfmot.clustering.keras.strip_clustering it first",
)
_QUANTIZED = Kind(
    (quantize_wrapper.QuantizeWrapperV2, quantize_layer.QuantizeLayer),
    "is quantized already",
    "start from the float model: prune and cluster it first, quantize it last",
)


#: All kinds, in the order in which a model is asked for them.
_KINDS: list[Kind] = [PRUNED, _TFMOTS, _QUANTIZED]


def known(kind: Kind) -> Kind:
    """Add a kind, and return it: for whoever defines the wrappers."""
    _KINDS.append(kind)
    return kind


def check_unwrapped(model: Any, *allowed: Kind) -> None:
    """Refuse a model, or a layer, that has wrappers, or no layers to wrap.

    Args:
        model: a model or layer of tf_keras.
        allowed: the kinds that it may have.

    Raises:
        UnsupportedModelError: it has others; with what to do first.
    """
    check_open(model)
    layers = list(model._flatten_layers())
    problems = [
        Problem(model.name, kind.reason, kind.remedy)
        for kind in _KINDS
        if kind not in allowed and any(isinstance(layer, kind.classes) for layer in layers)
    ]
    if problems:
        raise UnsupportedModelError(problems)
