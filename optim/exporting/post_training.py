"""Post-training int8 by way of a quantization-aware model, where that makes the better file.

The converter's own calibrator takes a range for each tensor of the file as it comes: of a
variance, of scores with a sentinel in them, of each of a chain of concatenations, every one of
which is rounded anew, of what a selection leaves of its inputs, which are clipped to it, of the
columns of a table, whatever their units; and it cannot run loops, which recurrent layers are. The
planner knows what these are. Elsewhere both give the same, and the converter's way is the shorter
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.errors import OptimError
from optim.exporting.checks import Samples
from optim.graph.graph import Node, Value
from optim.models.signature import Interface
from optim.quantization.api import quantize_model
from optim.quantization.layers import Rsqrt
from optim.quantization.node_facts import averages
from optim.quantization.planning.model_inputs import BY_INPUT
from optim.quantization.planning.plan import Entry
from optim.quantization.planning.planner import plan
from optim.quantization.planning.roles import BY_SYMBOL, Role
from optim.quantization.quantizers.quantizers import ScoreQuantizer
from optim.quantization.recurrent.layer import Recurrent

__all__ = ["is_simulated", "simulated"]

K = keras.layers

_ACTIVATIONS = (K.Activation, K.ELU, K.ReLU, K.ThresholdedReLU)

#: Functions and layers of which the converter takes ranges that do not fit: what they do not choose
#: is clipped, elsewhere too, and zeros and ones are taken for numbers of another scale.
_MISJUDGED = (
    "clip_by_value",
    "compat.v1.where",
    "math.maximum",
    "math.minimum",
    "one_hot",
    "where",
)
_CHOOSING = (K.Maximum, K.Minimum)

_TOGETHER = 32
"""Samples that go through the model at once."""


def is_simulated(model: Any) -> bool:
    """Whether a float model's int8 file is to be made by way of a quantization-aware one."""
    try:
        decided = plan(model)
    except OptimError:  # no graph to read, or what the converter alone can do
        return False
    if any(isinstance(entry.node.layer, Recurrent) for entry in decided):
        return True
    gains = any(map(_gains, decided)) or _joins_means(decided)
    return gains and not any(map(_loses, decided))


def _gains(entry: Entry) -> bool:
    if entry.grid_of is not None or entry.node.symbol in _MISJUDGED or _is_better_float(entry):
        return True
    if isinstance(entry.output, ScoreQuantizer):
        return True
    return isinstance(entry.node.layer, (Rsqrt, *_CHOOSING))


def _joins_means(decided: Iterable[Entry]) -> bool:
    """Whether means are joined: the converter clips what they are of to the range of the result."""
    roles = {entry.node: entry.role for entry in decided}
    return any(_is_joined(node.output, roles) for node in roles if averages(node))


def _is_joined(value: Value, roles: Mapping[Node, Role]) -> bool:
    for node in value.uses:
        if roles[node] is Role.JOIN:
            return True
        if roles[node] is Role.SAME and _is_joined(node.output, roles):
            return True
    return False


def _loses(entry: Entry) -> bool:
    """Whether it would be float, where the converter may have an int8 operation.

    What is float as a function, or an activation, is so in the converter's files as well.
    """
    if not entry.is_float or not any(value.is_float for value in entry.node.inputs):
        return False
    if _is_better_float(entry):
        return False
    return entry.node.symbol not in BY_SYMBOL and not isinstance(entry.node.layer, _ACTIVATIONS)


def _is_better_float(entry: Entry) -> bool:
    """Whether it is float because its int8 form loses what it is for.

    It masks scores, with numbers so far away that they are all of a range; or it takes an input
    of parts that have no scale in common.
    """
    return entry.is_float and (any(entry.node.masks) or entry.reason in BY_INPUT)


def simulated(model: Any, samples: Samples, io: Interface) -> Any:
    """Return a quantization-aware model with ranges from data.

    Args:
        model: a float one for which `is_simulated` says so. Not modified.
        samples: the data.
        io: the inputs of the model.
    """
    fixed = {x.shape[0] for x in tf.nest.flatten(model.inputs or ())} - {None}
    batches = samples.pieces() if fixed else _grouped(samples.batches)
    structured = (tf.nest.pack_sequence_as(io.structure, one) for one in batches)
    return quantize_model(model, calibration_data=structured)


def _grouped(batches: Iterable[list[np.ndarray]]) -> Iterator[list[np.ndarray]]:
    """Batches of one sample each, as they often come, take too long one by one."""
    held: list[list[np.ndarray]] = []
    for batch in batches:
        fits = all([x.shape[1:] for x in one] == [x.shape[1:] for x in batch] for one in held[:1])
        if held and (not fits or sum(len(one[0]) for one in held) + len(batch[0]) > _TOGETHER):
            yield _joined(held)
            held = []
        held.append(batch)
    if held:
        yield _joined(held)


def _joined(batches: list[list[np.ndarray]]) -> list[np.ndarray]:
    if len(batches) == 1:
        return batches[0]
    return [np.concatenate(arrays) for arrays in zip(*batches, strict=True)]
