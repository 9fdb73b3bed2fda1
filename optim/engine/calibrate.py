"""Setting the ranges of a quantization-aware model from data, instead of training steps.

tfmot's ranges start at -6 and 6 and move by a thousandth per step. Calibration runs the
model once over some data with its activation quantizers switched to watching, and sets
each range from what passed through.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from optim._keras import keras, tf, tfmot
from optim.engine.observers import METHODS, Observer
from optim.errors import ConfigError

_Q = tfmot.quantization.keras.quantizers
_WATCHED = tuple(
    getattr(_Q, name)
    for name in ("MovingAverageQuantizer", "AllValuesQuantizer")
    if hasattr(_Q, name)
)


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
        data: batches of inputs: one array, a list of arrays, any iterable or
            `tf.data.Dataset`; an `(inputs, targets)` tuple counts as its inputs.
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
        ConfigError: unknown method, no data, or a batch that does not fit the model.
    """
    if method not in METHODS:
        raise ConfigError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    batches = _batches(data, steps)
    if not batches:
        raise ConfigError("calibration needs at least one batch of data; got none")
    for batch in batches:
        _check_shapes(model, batch)
    if batch_norm:
        estimate_batch_norm(model, batches)
    set_weight_ranges(model)
    seen: dict[int, Observer] = {}

    def watch(quantizer: Any, x: Any, variables: dict[str, Any]) -> None:
        key = id(variables["min_var"])
        if key not in seen:
            seen[key] = METHODS[method](quantizer, variables, percentile)
        seen[key].see(np.asarray(x))

    with _watching(watch):
        for batch in _progress(batches, progress):
            _run(model, batch)
            for observer in seen.values():
                observer.end_batch()
    for observer in seen.values():
        observer.finish()
    return model


def set_weight_ranges(model: Any) -> Any:
    """Set the ranges of the weight quantizers from the weights as they are.

    Training does so at every step; without it, a model that was never trained would
    clip its weights at -6 and 6.
    """
    for layer in model._flatten_layers(include_self=False):
        for weight, quantizer, variables in getattr(layer, "_weight_vars", ()):
            if isinstance(variables, dict) and "min_var" in variables:
                quantizer(tf.cast(tf.convert_to_tensor(weight), tf.float32), True, variables)
    return model


def estimate_batch_norm(model: Any, batches: Iterable[Any]) -> Any:
    """Set the statistics of BatchNormalization layers to those of the given batches.

    Each layer sees inputs normalized by the re-estimated layers before it; the
    statistics are averages over the batches.
    """
    norms = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    moments = {id(x): x.momentum for x in norms}
    means: dict[int, list[Any]] = {id(x): [] for x in norms}
    with _watching(lambda *_: None):
        try:
            for layer in norms:
                layer.momentum = 0.0  # the moving statistics become those of the batch
            for batch in batches:
                _run(model, batch, training=True, only=norms)
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


def _run(model: Any, batch: Any, training: bool = False, only: Iterable[Any] = ()) -> None:
    if not training:
        model(batch, training=False)
        return
    with _training_only(model, only):
        model(batch, training=False)


def _check_shapes(model: Any, batch: Any) -> None:
    wanted = [tensor.shape for tensor in model.inputs]
    given = [tf.TensorShape(np.shape(x)) for x in tf.nest.flatten(batch)]
    fits = len(wanted) == len(given) and all(map(tf.TensorShape.is_compatible_with, wanted, given))
    if not fits:
        raise ConfigError(
            f"a calibration batch of shape {', '.join(map(str, given))} does not fit the model, "
            f"whose input is {', '.join(map(str, wanted))}"
        )


@contextmanager
def _training_only(model: Any, layers: Iterable[Any]) -> Iterator[None]:
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
def _watching(watch: Callable[[Any, Any, dict[str, Any]], None]) -> Iterator[None]:
    """Let activation quantizers report what they get and pass it on unchanged.

    Done on tfmot's classes, so that models of its own `quantize_model` can be calibrated
    as well. Not thread-safe.
    """
    before = {cls: cls.__dict__["__call__"] for cls in _WATCHED}

    def call(self: Any, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        watch(self, inputs, weights)
        return inputs

    try:
        for cls in _WATCHED:
            cls.__call__ = call
        yield
    finally:
        for cls, function in before.items():
            cls.__call__ = function


def _batches(data: Any, steps: int | None) -> list[Any]:
    if isinstance(data, (np.ndarray, tf.Tensor, dict)):
        data = [data]
    found: list[Any] = []
    for item in data:
        if steps is not None and len(found) >= steps:
            break
        batch = item[0] if isinstance(item, tuple) and len(item) in (2, 3) else item
        if any(np.shape(x)[:1] == (0,) for x in tf.nest.flatten(batch)):
            raise ConfigError("a calibration batch is empty")
        found.append(tf.nest.map_structure(tf.convert_to_tensor, batch))
    return found


def _progress(batches: list[Any], show: bool) -> Iterator[Any]:
    bar = keras.utils.Progbar(len(batches)) if show and sys.stderr is not None else None
    for i, batch in enumerate(batches, 1):
        yield batch
        if bar is not None:
            bar.update(i)
