"""Batches of inputs for LiteRT, which takes no other dtype and fails at what is not finite."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from optim._keras import tf
from optim.errors import ConfigError
from optim.models.batches import Inputs, as_batches
from optim.models.signature import Interface


def read_batches(
    data: Any, io: Interface, argument: str, steps: int | None = None
) -> Iterator[list[np.ndarray]]:
    """Return the batches, each a list of arrays in the flat order of the inputs.

    Args:
        data: as `as_batches` takes it. An `(inputs, targets)` tuple counts as its inputs.
        io: the inputs of the model.
        argument: name of the argument, for messages.
        steps: number of batches that the caller takes; None: all.

    Raises:
        ConfigError: no data, or a batch of a wrong structure, shape or dtype. Raised at
            once for the first batch, while iterating for the others.
    """
    inputs = Inputs(tf.nest.map_structure(_of_any_size, io.structure), io.input_names, argument)

    def exact() -> Iterator[list[np.ndarray]]:
        for arrays in inputs.read(as_batches(data, argument, steps)):
            yield [
                _exact(array, spec, f"{argument} for input {name!r}")
                for array, spec, name in zip(arrays, io.specs, io.input_names, strict=True)
            ]

    batches = exact()
    return chain([next(batches)], batches)


def _of_any_size(spec: Any) -> Any:
    """The spec for batches of any number of samples: they are cut to size later."""
    shape = spec.shape
    return tf.TensorSpec([None, *shape[1:]] if shape.rank else shape, spec.dtype)


def _exact(array: np.ndarray, spec: Any, what: str) -> np.ndarray:
    dtype = np.dtype(spec.dtype.as_numpy_dtype)
    if spec.dtype == tf.string:
        if array.dtype.kind not in "USO":
            raise ConfigError(f"{what} has the dtype {array.dtype}; the model takes strings")
        return array.astype(object, copy=False)
    if array.dtype.kind not in ("fiub" if dtype.kind == "f" else "iub"):
        raise ConfigError(f"{what} has the dtype {array.dtype}; the model takes {dtype}")
    with np.errstate(over="ignore"):
        cast = array.astype(dtype, copy=False)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ConfigError(f"{what} has values that are not finite")
    if dtype.kind == "f" and not np.isfinite(cast).all():
        # The converter's calibrator would end the process.
        raise ConfigError(f"{what} has values that {dtype} cannot hold: scale the data")
    return cast
