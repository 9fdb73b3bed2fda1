"""Post-training quantization of models with recurrent layers.

LiteRT's calibrator cannot run loops. Such a model is made one for quantization-aware training,
its ranges are taken from the same data, and it is exported without training: the file has the
form that training would give it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from optim._keras import tf
from optim.errors import UnsupportedModelError
from optim.graph.reader import read
from optim.quantization.api import quantize_model
from optim.quantization.lowering.driver import lower
from optim.quantization.recurrent.layer import Recurrent

_MOST = 32  # samples at a time: a step of many samples takes as long as of one


def quantized(model: Any, samples: Iterable[list[np.ndarray]]) -> Any:
    """Return a float model with recurrent layers as a calibrated one for training.

    Args:
        model: without wrappers. Not modified.
        samples: batches, each a list of arrays in the order of the inputs.

    Returns:
        The new model; None if there are no recurrent layers that have an int8 form, or the model
        has no graph to read.
    """
    try:
        graph = lower(read(model))
    except UnsupportedModelError:
        return None
    if not any(isinstance(node.layer, Recurrent) for node in graph.nodes):
        return None
    return quantize_model(model, calibration_data=_batches(model, samples))


def _batches(model: Any, samples: Iterable[list[np.ndarray]]) -> list[Any]:
    sizes = {x.shape[0] for x in tf.nest.flatten(model.inputs)}
    found = []
    for group in _groups(samples, 1 if sizes != {None} else _MOST):
        arrays = [np.concatenate(parts) for parts in zip(*group, strict=True)]
        found.append(arrays if len(arrays) > 1 else arrays[0])
    return found


def _groups(samples: Iterable[list[np.ndarray]], most: int) -> Iterator[list[list[np.ndarray]]]:
    group: list[list[np.ndarray]] = []
    for sample in samples:
        group.append(sample)
        if len(group) * max(1, len(sample[0])) >= most:
            yield group
            group = []
    if group:
        yield group
