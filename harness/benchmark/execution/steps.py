"""What the names of the table of techniques stand for; imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import optim
from harness.benchmark.definition.settings import Settings
from harness.benchmark.definition.techniques import Step
from optim.clustering.wrapper import clustered_layers
from optim.pruning.wrapper import pruned_layers


def apply(step: Step, model: Any, images: Any, steps: int, settings: Settings) -> Any:
    """Return the model that one step of a technique makes of `model`.

    Args:
      step: a row's.
      model: a `tf_keras.Model`; not modified.
      images: training images that ranges may be taken from, ``(count, size, size, 3)``.
      steps: how many training steps follow.
      settings: of the benchmark.
    """
    return STEPS[step.name](model, step.options, images, steps, settings)


def _prune(
    model: Any, options: Mapping[str, Any], images: Any, steps: int, settings: Settings
) -> Any:
    if "sparsity_m_by_n" in options:  # set once, at the first step
        return optim.prune_low_magnitude(model, **options)
    end = max(2, round(settings.ramp * steps))
    return optim.prune_low_magnitude(
        model, schedule="polynomial", end_step=end, frequency=max(1, end // 16), **options
    )


def _cluster(model: Any, options: Mapping[str, Any], *_: Any) -> Any:
    return optim.cluster_weights(model, **options)


def _snap(model: Any, options: Mapping[str, Any], *_: Any) -> Any:
    """Cluster at once: what is trained afterwards keeps the values, and moves them."""
    return optim.uncluster(optim.cluster_weights(model, **options))


def _quantize(model: Any, options: Mapping[str, Any], images: Any, *_: Any) -> Any:
    return optim.quantize_model(model, calibration_data=[images], **options)


STEPS: Mapping[str, Callable[..., Any]] = {
    "prune": _prune,
    "cluster": _cluster,
    "snap": _snap,
    "quantize": _quantize,
}


def stripped(model: Any) -> Any:
    """Return a trained model without the wrappers of pruning or clustering."""
    if pruned_layers(model):
        return optim.unprune(model)
    if clustered_layers(model):
        return optim.uncluster(model)
    return model
