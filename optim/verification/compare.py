"""How close the outputs of a file are to those of a reference."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from optim._keras import accepted, is_keras_3
from optim.errors import ConfigError
from optim.files.detection import detect
from optim.litert import Runtime, TensorDetails

_BATCH = 32  # samples that a reference model gets at a time, unless it takes just so many


@dataclass(frozen=True)
class Comparison:
    """One output of a file against the same output of a reference.

    Attributes:
        reference: name of the reference.
        output: name of the output.
        sqnr: signal to quantization-noise ratio in dB; infinite if both are equal.
        max_difference: largest absolute difference.
        max_steps: the same in quantization steps of the output (LSB); None if the output
            is not quantized.
        top1: share of samples on whose largest element both agree, for outputs of shape
            (batch, classes) with several classes; None for others.
        samples: number of samples compared.
    """

    reference: str
    output: str
    sqnr: float
    max_difference: float
    max_steps: float | None
    top1: float | None
    samples: int


def sqnr(signal: np.ndarray, other: np.ndarray) -> float:
    """Return the signal to noise ratio in dB, `other - signal` being the noise.

    Infinite without noise; minus infinity for noise on a signal of zeros.
    """
    signal = np.asarray(signal, np.float64)
    noise = float(np.sum((signal - np.asarray(other, np.float64)) ** 2))
    return decibels(float(np.sum(signal**2)), noise)


def decibels(power: float, noise: float) -> float:
    """Return the ratio of two powers in dB, with the infinities of `sqnr`."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(power / noise) if power else -math.inf


def check_references(reference: Any, data: Any) -> dict[str, Any]:
    """Return the references by name.

    Raises:
        ConfigError: a reference without data, data without a reference, or something that
            is no reference.
    """
    if reference is None:
        if data is not None:
            raise ConfigError("data is there to compare with a reference: give reference too")
        return {}
    if data is None:
        raise ConfigError("a comparison needs data: inputs to run both models on")
    named = isinstance(reference, Mapping)
    references = dict(reference) if named else {"reference": reference}
    for name, value in references.items():
        if not (callable(value) or isinstance(value, (bytes, str, os.PathLike, *_ARRAYS))):
            raise ConfigError(
                f"reference {name!r}: expected a model, the path of a model file or a LiteRT file, "
                f"the content of one, or arrays of outputs, got {type(value).__name__}"
            )
        if is_keras_3(value):
            references[name] = accepted(value, "verify", above=1)
    return references


_ARRAYS = (np.ndarray, list, tuple)


def compare(
    runtime: Runtime,
    references: Mapping[str, Any],
    data: Any,
    steps: Mapping[str, float],
) -> list[Comparison]:
    """Run a file and its references on the same data.

    Args:
        runtime: the file.
        references: name -> Keras model (or any function of a batch), the path of one that
            `optim.load_model` reads, LiteRT file, or the expected outputs.
        data: an array, a list in the order of the inputs, or a dict by input name; batch
            axis first.
        steps: output name -> size of its quantization step, where it has one.

    Raises:
        ConfigError: data that does not fit, or outputs that do not correspond.
    """
    got = runtime.run(data)
    expected = {name: _outputs(reference, data) for name, reference in references.items()}
    return compare_outputs(runtime.outputs, got, expected, steps)


def compare_outputs(
    outputs: Sequence[TensorDetails],
    got: Sequence[np.ndarray],
    references: Mapping[str, Sequence[np.ndarray]],
    steps: Mapping[str, float],
) -> list[Comparison]:
    """Compare what a file returned with what references did.

    Args:
        outputs: the file's outputs.
        got: the value of each, dequantized.
        references: name -> the expected value of each.
        steps: output name -> size of its quantization step, where it has one.

    Raises:
        ConfigError: the outputs do not correspond.
    """
    rows = []
    for name, wanted in references.items():
        shapes = [x.shape for x in wanted], [x.shape for x in got]
        if shapes[0] != shapes[1]:
            raise ConfigError(
                f"reference {name!r} has outputs of shape {shapes[0]}, the file {shapes[1]}"
            )
        rows += [
            _compare(name, details, a, b, steps.get(details.name))
            for details, a, b in zip(outputs, wanted, got, strict=True)
        ]
    return rows


def _compare(
    reference: str, details: TensorDetails, wanted: np.ndarray, got: np.ndarray, step: float | None
) -> Comparison:
    a, b = wanted.astype(np.float64), got.astype(np.float64)
    difference = float(np.max(np.abs(a - b), initial=0.0))
    top1 = None
    if a.ndim == 2 and a.shape[1] > 1:
        top1 = float(np.mean(a.argmax(1) == b.argmax(1)))
    return Comparison(
        reference=reference,
        output=details.name,
        sqnr=sqnr(a, b),
        max_difference=difference,
        max_steps=difference / step if step else None,
        top1=top1,
        samples=len(a) if a.ndim else 1,
    )


def _outputs(reference: Any, data: Any) -> list[np.ndarray]:
    if isinstance(reference, np.ndarray):
        return [reference]
    if isinstance(reference, (list, tuple)):
        return [np.asarray(x) for x in reference]
    if isinstance(reference, (str, os.PathLike)) and detect(Path(reference)).is_model:
        from optim.files.api import load_model

        reference = load_model(reference, compile=False)
    if isinstance(reference, (bytes, str, os.PathLike)):
        return Runtime(reference).run(data)
    return _in_batches(reference, data)


def _in_batches(function: Callable[..., Any], data: Any) -> list[np.ndarray]:
    """Call a Keras model, or another function, on pieces of the data."""
    keras_model = hasattr(function, "inputs") or hasattr(function, "_flatten_layers")
    options = {"training": False} if keras_model else {}
    count = len(_flatten(data)[0])
    size = _batch_size(function) or _BATCH
    parts = []
    with _kept_states(function) if keras_model else nullcontext():
        for start in range(0, count, size):
            piece = _map(data, partial(_slice, start=start, size=size))
            parts.append([np.asarray(y) for y in _flatten(function(_as_called(piece), **options))])
    return [np.concatenate(x) for x in zip(*parts, strict=True)]


def _kept_states(model: Any) -> Any:
    from optim.models.states import kept_states  # needs TensorFlow, as a model does

    return kept_states(model)


def _batch_size(model: Any) -> int | None:
    """The batch size of a Keras model that takes no other."""
    inputs = _flatten(getattr(model, "inputs", None) or ())
    sizes = {x.shape[0] for x in inputs if getattr(x, "shape", None)}
    return sizes.pop() if len(sizes) == 1 else None


def _slice(x: Any, start: int, size: int) -> np.ndarray:
    return np.asarray(x)[start : start + size]


def _as_called(piece: Any) -> Any:
    """A list of one input is that input, as for `Runtime.run`."""
    single = isinstance(piece, (list, tuple)) and len(piece) == 1
    return piece[0] if single else piece


def _map(data: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(data, Mapping):
        return {key: function(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [function(value) for value in data]
    return function(data)


def _flatten(structure: Any) -> list[Any]:
    """Leaves in the order of `tf.nest.flatten`: dicts by sorted key."""
    if isinstance(structure, Mapping):
        return [x for key in sorted(structure) for x in _flatten(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [x for item in structure for x in _flatten(item)]
    return [structure]
