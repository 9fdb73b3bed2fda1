"""Setting the ranges of a quantization-aware model from data, instead of training steps.

tfmot's ranges start at -6 and 6 and move by a thousandth per step. Calibration runs the
model once over some data with its activation quantizers switched to watching, and sets
each range from what passed through.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from optim._keras import check_model, keras, tf, tfmot
from optim.errors import ConfigError
from optim.models.batches import Inputs, as_batches
from optim.models.states import kept_states
from optim.quantization.calibration.lost_parts import REMEDY, LostParts
from optim.quantization.calibration.observers import METHODS, Observer
from optim.quantization.calibration.taps import tapped
from optim.quantization.quantizers.preserving import unchanging

_Q = tfmot.quantization.keras.quantizers
_WATCHED = tuple(
    getattr(_Q, name)
    for name in ("MovingAverageQuantizer", "AllValuesQuantizer")
    if hasattr(_Q, name)
)
# Those of weights, which may stand behind layers that compute weights.
_OF_WEIGHTS = (_Q.LastValueQuantizer,)

Watch = Callable[[Any, Any, dict[str, Any]], None]


def calibrate(
    model: Any,
    data: Any,
    method: str = "minmax",
    *,
    steps: int | None = None,
    batch_norm: bool = False,
    percentile: float = 99.99,
    progress: bool = False,
) -> Any:
    """Set the activation ranges, and the weight ranges, of a quantization-aware model.

    Args:
        model: from `quantize_model`, or from tfmot's. Modified in place.
        data: batches of inputs: one array, a list of arrays, any iterable,
            `tf.data.Dataset`, `Sequence`, or a function that returns one; an
            `(inputs, targets)` tuple counts as its inputs, whole arrays or a batch. What never
            ends is refused unless there are `steps`; so is, after a thousand batches, what does
            not say how many it has.
        method: "minmax", the range of what was seen; "percentile", without the tails;
            "mse", the range with the least squared quantization error.
        steps: number of batches to use; None for all.
        batch_norm: whether to re-estimate the moving mean and variance of the
            BatchNormalization layers first, layer by layer, from the same batches.
        percentile: share of values, in percent, that "percentile" keeps inside.
        progress: whether to show a progress bar on stderr.

    Returns:
        The same model.

    Raises:
        KerasModelError: not a model of the chosen Keras module.
        ConfigError: unknown method, no data, data that never ends, or a batch that does not fit
            the model.
    """
    check_model(model, "calibrate")
    if method not in METHODS:
        raise ConfigError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    batches = _Batches(model, data, steps, passes=1 + batch_norm)
    seen: dict[int, Observer] = {}
    parts = LostParts(model)

    def watch(quantizer: Any, x: Any, variables: dict[str, Any]) -> None:
        key = id(variables["min_var"])
        if key not in seen:
            seen[key] = METHODS[method](quantizer, variables, percentile)
        seen[key].see(np.asarray(quantizer.seen(x) if hasattr(quantizer, "seen") else x))

    bar = keras.utils.Progbar(len(batches) or None) if progress and sys.stderr else None
    with unchanging(model):
        if batch_norm:
            estimate_batch_norm(model, batches)
        set_weight_ranges(model)
        with kept_states(model, but=_ranges(model)), _watching(model, watch), parts.watching():
            for i, batch in enumerate(batches, 1):
                _run(model, batch)
                for observer in seen.values():
                    observer.end_batch()
                if bar is not None:
                    bar.update(i)
    for observer in seen.values():
        observer.finish()
    _tell(
        "zero for all data, so that their range is a guess",
        [one.name for one in seen.values() if one.saw_nothing],
    )
    _tell(
        "values are lost beside a number that is far larger and stands for none, such as that of "
        "a mask (use a smaller one, or skip the layer)",
        [one.name for one in seen.values() if one.saw_sentinel],
    )
    _tell(REMEDY, parts.found())
    return model


def _tell(what: str, names: list[str]) -> None:
    if names:
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        warnings.warn(f"calibrate: {what}: {listed}", stacklevel=3)


def _run(model: Any, batch: Any) -> None:
    try:
        model(batch, training=False)
    except tf.errors.OpError as error:  # an index out of its table, a vocabulary not adapted
        told = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"calibration data: the model cannot be run on a batch of it: {told}. "
            "Call the float model on such a batch to see why"
        ) from error


def set_weight_ranges(model: Any) -> Any:
    """Set the ranges of the weight quantizers from the weights as they are.

    Training does so at every step; without it, a model that was never trained would
    clip its weights at -6 and 6.
    """
    for layer in model._flatten_layers(include_self=False):
        for weight, quantizer, variables in getattr(layer, "_weight_vars", ()):
            if isinstance(variables, dict) and "min_var" in variables:
                kernel = tf.cast(tf.convert_to_tensor(weight), tf.float32)
                if hasattr(quantizer, "set_range"):
                    quantizer.set_range(kernel, variables)
                else:
                    quantizer(kernel, True, variables)
    return model


def estimate_batch_norm(model: Any, batches: Iterable[Any]) -> Any:
    """Set the statistics of BatchNormalization layers to those of the given batches.

    Each layer sees inputs normalized by the re-estimated layers before it; the
    statistics are averages over the batches.
    """
    norms = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    moments = {id(x): x.momentum for x in norms}
    means: dict[int, list[Any]] = {id(x): [] for x in norms}
    statistics = [v for layer in norms for v in layer.variables]
    others = kept_states(model, but=[*statistics, *_ranges(model)])
    with others, _watching(model, lambda *_: None), _training_only(norms):
        try:
            for layer in norms:
                layer.momentum = 0.0  # the moving statistics become those of the batch
            for batch in batches:
                model(batch, training=False)
                for layer in norms:
                    means[id(layer)].append(
                        (layer.moving_mean.numpy(), layer.moving_variance.numpy())
                    )
        finally:
            for layer in norms:
                layer.momentum = moments[id(layer)]
    for layer in norms:
        mean, variance = (np.mean(x, axis=0) for x in zip(*means[id(layer)], strict=True))
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
    return model


def _ranges(model: Any) -> list[Any]:
    """The variables of quantizers: those of computed weights are set in the calls themselves."""
    layers = [
        layer
        for layer in model._flatten_layers()
        if hasattr(layer, "quantizer") or hasattr(layer, "quantize_config")
    ]
    return [variable for layer in layers for variable in layer._non_trainable_weights]


@contextmanager
def _training_only(layers: Iterable[Any]) -> Iterator[None]:
    """Let the given layers run in training mode, everything else in inference."""
    chosen = list(layers)
    try:
        for layer in chosen:
            layer.__dict__["call"] = _Training(layer)
        yield
    finally:
        for layer in chosen:
            layer.__dict__.pop("call", None)


class _Training:
    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def __call__(self, inputs: Any, training: Any = None, **kwargs: Any) -> Any:
        return type(self.layer).call(self.layer, inputs, training=True, **kwargs)


@contextmanager
def _watching(model: Any, watch: Watch) -> Iterator[None]:
    """Let activations pass the quantizers of a model unchanged, and report them."""

    def replace(quantizer: Any, of_weight: bool) -> Any:
        if of_weight or not isinstance(quantizer, (*_WATCHED, *_OF_WEIGHTS)):
            return quantizer

        def stand_in(inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            if isinstance(quantizer, _OF_WEIGHTS):
                return quantizer(inputs, True, weights, **kwargs)  # sets its range, too
            watch(quantizer, inputs, weights)
            return inputs

        return stand_in

    with tapped(model, replace):
        yield


class _Batches:
    """The batches of calibration data, checked, as often as they are asked for."""

    def __init__(self, model: Any, data: Any, steps: int | None, passes: int) -> None:
        self.structure = model._nested_inputs
        specs = tf.nest.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), self.structure)
        self.inputs = Inputs(specs, model.input_names, "calibration data")
        self.steps = steps
        self.data = as_batches(data, "calibration data", steps)
        if passes > 1 and isinstance(self.data, Iterator):  # can be read once only
            self.data = list(itertools.islice(self.data, steps))

    def __len__(self) -> int:
        """The number of batches; 0 if it is unknown."""
        try:
            known = len(self.data)  # type: ignore[arg-type]
        except TypeError:
            return self.steps or 0
        return known if self.steps is None else min(known, self.steps)

    def __iter__(self) -> Iterator[Any]:
        for arrays in self.inputs.read(itertools.islice(self.data, self.steps)):
            tensors = [tf.convert_to_tensor(array) for array in arrays]
            yield tf.nest.pack_sequence_as(self.structure, tensors)
