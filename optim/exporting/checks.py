"""Checks of the arguments of `export`, all made before any work starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from optim.errors import ConfigError, ExportError
from optim.exporting.modes import FLOAT, IO_DTYPES, PTQ, QAT, Mode
from optim.models.finite import not_finite
from optim.models.samples import read_batches
from optim.models.signature import Interface

_OTHERS = (".keras", ".h5", ".hdf5", ".pb", ".onnx", ".pt", ".ckpt", ".json", ".zip")
"""What files of other formats are named: whoever loads one by its name would be misled."""


def check_mode(qat_bits: int, optimize: str | None) -> Mode:
    """Return how to quantize.

    Args:
        qat_bits: bits of the activations of a quantization-aware model; 0 for a float one.
        optimize: as `optim.export` takes it.

    Raises:
        ConfigError: no such mode, or not one for this model.
    """
    if optimize is not None and optimize not in PTQ:
        raise ConfigError(
            f"optimize={optimize!r}: choose None or one of {', '.join(map(repr, PTQ))}"
        )
    if not qat_bits:
        return FLOAT if optimize is None else PTQ[optimize]
    own = "int16x8" if qat_bits > 8 else "int8"
    if optimize not in (None, own):
        raise ConfigError(
            f"optimize={optimize!r}: the model was made for {own!r} by quantization-aware "
            f"training. Leave optimize out, or export the float model with it"
        )
    return QAT[own]


def check_io_dtype(io_dtype: str, mode: Mode) -> None:
    """Refuse an input and output dtype that a mode does not have.

    Raises:
        ConfigError: naming those that it has.
    """
    if io_dtype in mode.io_dtypes:
        return
    if io_dtype not in IO_DTYPES:
        raise ConfigError(f"io_dtype={io_dtype!r}: choose one of {', '.join(map(repr, IO_DTYPES))}")
    raise ConfigError(
        f"io_dtype={io_dtype!r} does not go with a file of scheme {mode.scheme!r}, which takes "
        f"{' or '.join(map(repr, mode.io_dtypes))}"
    )


def check_path(path: str | os.PathLike[str] | None) -> Path | None:
    """Refuse a path that cannot be written before the work is done.

    Raises:
        ConfigError: it is a folder, its folder does not exist, or the name is that of another
            format.
    """
    if path is None:
        return None
    target = Path(path)
    if target.is_dir():
        raise ConfigError(f"path {str(target)!r} is a folder; give the name of a file")
    if not target.parent.is_dir():
        raise ConfigError(f"path: there is no folder {str(target.parent)!r}")
    if target.suffix.lower() in _OTHERS:
        raise ConfigError(
            f"path {str(target)!r}: export writes a LiteRT file, so name it "
            f"{target.with_suffix('.tflite').name!r}; model.save writes Keras' formats"
        )
    return target


def check_values(model: Any, mode: Mode) -> None:
    """Refuse weights that are no numbers: of those the converter makes a crash of the process.

    Infinite ones only where something is quantized: they have no scale.

    Raises:
        ExportError: naming all layers that have some.
    """
    problems = list(
        not_finite(
            model._flatten_layers(include_self=False),
            lambda x: [] if mode is FLOAT else x._trainable_weights + x._non_trainable_weights,
        )
    )
    if problems:
        raise ExportError(problems, "a model with values that are no numbers cannot be exported")


class Samples:
    """Checked samples for calibration, to be used once.

    Attributes:
        batches: as they were given, each a list of arrays in the flat order of the inputs.
    """

    def __init__(self, batches: Iterator[list[np.ndarray]], io: Interface) -> None:
        self.batches = batches
        self.io = io

    def pieces(self) -> Iterator[list[np.ndarray]]:
        """Yield them in pieces of the batch size that the file is made for."""
        for batch in self.batches:
            yield from _samples(batch, self.io)


def check_data(data: Any, io: Interface, mode: Mode) -> Samples | None:
    """Return the samples for calibration.

    Args:
        data: as `optim.export` takes `representative_data`.
        io: the inputs of the model. Batches are cut into pieces of the batch size in it.
        mode: says whether data is needed.

    Raises:
        ConfigError: data missing, of no use, empty, or of a wrong structure, shape or
            dtype. The first batch is looked at now, the others when they are used.
    """
    if not mode.calibrates:
        if data is None:
            return None
        raise ConfigError(
            f"representative_data is for calibration, which {mode.technique!r} does not do; "
            "leave it out, or say optimize='int8' with a float model"
        )
    if data is None:
        raise ConfigError(
            f"a file of scheme {mode.scheme!r} needs representative_data: batches of inputs such "
            "as the model will see, a few hundred samples in all"
        )
    batches = read_batches(data, io, "representative_data")
    first = next(batches)
    if not _samples(first, io):
        raise ConfigError(f"representative_data: the first batch is smaller than {_size(io)}")
    return Samples(chain([first], batches), io)


def _size(io: Interface) -> int | None:
    return io.specs[0].shape[0] if io.specs[0].shape.rank else None


def _samples(batch: list[np.ndarray], io: Interface) -> list[list[np.ndarray]]:
    """Pieces of the batch size that the file is made for; the whole if that is open."""
    size = _size(io)
    if size is None:
        return [batch]
    starts = range(0, len(batch[0]) - size + 1, size)
    return [[x[start : start + size] for x in batch] for start in starts]
