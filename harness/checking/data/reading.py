"""Reading inputs: one entry for each kind of source."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.checking.data import images, made
from harness.vocabulary import UsageError


@dataclass(frozen=True)
class Inputs:
    """Inputs of a model.

    Attributes:
      arrays: one for each input, in the model's order; all of the same length.
      told: what they are, in words.
      rough: whether they are made up, so that figures are rough.
    """

    arrays: list[Any]
    told: str
    rough: bool = False


@dataclass(frozen=True)
class Wanted:
    """What inputs have to fit.

    Attributes:
      given: fields of `harness.checking.asked.Data`.
      io: the model's inputs.
      model: the model.
    """

    given: Mapping[str, Any]
    io: Any
    model: Any

    @property
    def count(self) -> int:
        return int(self.given["count"])

    @property
    def path(self) -> Path:
        return Path(self.given["path"])


def read(given: Mapping[str, Any], io: Any, model: Any, batch: int = 1) -> Inputs:
    """Read the inputs of a check: whole batches of them.

    Args:
      given: fields of `harness.checking.asked.Data`.
      io: the model's inputs, from `optim.models.signature.declared_interface`.
      model: the model.
      batch: how many it takes at once, where that is fixed.

    Raises:
      UsageError, optim.OptimError: there are none, or they do not fit the model.
    """
    count = -(-int(given["count"]) // batch) * batch
    wanted = Wanted({**given, "count": count}, io, model)
    found = _SOURCES[_kind(wanted)](wanted)
    whole = len(found.arrays[0]) // batch * batch
    if not whole:
        raise UsageError(
            f"--data {given['word']}: {len(found.arrays[0])} inputs, and the model takes {batch} "
            "at once"
        )
    return replace(found, arrays=[x[:whole] for x in found.arrays])


def _kind(wanted: Wanted) -> str:
    if not wanted.given["word"]:
        return "made"
    if not wanted.given["path"]:
        return "function"
    return "folder" if wanted.path.is_dir() else wanted.path.suffix


def _npy(wanted: Wanted) -> Inputs:
    import numpy as np

    try:
        array = np.load(wanted.path, mmap_mode="r", allow_pickle=False)
        return _fitting(wanted, [np.asarray(array[: wanted.count])])
    except (ValueError, OSError, EOFError, IndexError) as error:
        raise _unreadable(wanted, error) from error


def _npz(wanted: Wanted) -> Inputs:
    """By the names of the inputs; without these, in order: what is over is left out."""
    import numpy as np

    names = list(wanted.io.input_names)
    try:
        with np.load(wanted.path, allow_pickle=False) as file:
            if not set(names) <= set(file.files):
                names = file.files[: len(names)]
            arrays = [file[name][: wanted.count] for name in names]
    except (ValueError, OSError, EOFError, IndexError, zipfile.BadZipFile) as error:
        raise _unreadable(wanted, error) from error
    if len(arrays) < len(wanted.io.specs):
        raise UsageError(
            f"--data {wanted.given['word']}: {len(arrays)} arrays in it, and the model has "
            f"{len(wanted.io.specs)} inputs: {', '.join(wanted.io.input_names)}"
        )
    return _fitting(wanted, arrays)


def _unreadable(wanted: Wanted, error: Exception) -> Exception:
    from optim.errors import OptimError

    if isinstance(error, OptimError):
        return error
    return UsageError(f"--data {wanted.given['word']}: {error}")


def _function(wanted: Wanted) -> Inputs:
    module, _, name = wanted.given["word"].partition(":")
    return _fitting(wanted, getattr(importlib.import_module(module), name)())


def _fitting(wanted: Wanted, batches: Any) -> Inputs:
    """Take as many inputs of batches as are wanted, each checked against the model.

    Args:
      batches: as `optim.export` takes them; a list of arrays is one batch.
    """
    import numpy as np

    from optim.models.samples import read_batches

    one = isinstance(batches, list) and all(isinstance(x, np.ndarray) for x in batches)
    many = len(wanted.io.specs) > 1
    if one:
        batches = [batches if many else batches[0]]
    parts: list[list[Any]] = []
    count = 0
    for batch in read_batches(batches, wanted.io, "--data"):
        parts.append(batch)
        count += len(batch[0])
        if count >= wanted.count:
            break
    arrays = [np.concatenate(x)[: wanted.count] for x in zip(*parts, strict=True)]
    return Inputs(arrays, f"{len(arrays[0])} of {wanted.given['word']}")


def _folder(wanted: Wanted) -> Inputs:
    shape, dtype = _image(wanted)
    array, told = images.read(wanted.path, wanted.count, shape, images.span(wanted))
    return Inputs([array.astype(dtype)], f"{told} of {wanted.given['word']}")


def _image(wanted: Wanted) -> tuple[tuple[int, int, int], Any]:
    """Return height, width, channels and dtype of the only input, which has to be an image."""
    specs = wanted.io.specs
    if len(specs) != 1 or specs[0].shape.rank != 4:
        raise UsageError(
            f"--data {wanted.given['word']}: a folder of images is for models with one input of "
            "images; this one takes "
            f"{', '.join(str(tuple(s.shape)) for s in specs)}: give an .npz, or a function"
        )
    return images.sizes(specs[0].shape, wanted.given["size"]), specs[0].dtype.as_numpy_dtype


def _made(wanted: Wanted) -> Inputs:
    arrays, told = made.inputs(wanted)
    return Inputs(arrays, told, rough=True)


#: Kind of source -> what reads it.
_SOURCES: Mapping[str, Callable[[Wanted], Inputs]] = {
    ".npy": _npy,
    ".npz": _npz,
    "folder": _folder,
    "function": _function,
    "made": _made,
}
