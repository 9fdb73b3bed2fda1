"""Batches of inputs, from the many forms in which people have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from optim._keras import tf
from optim.errors import ConfigError
from optim.exporting.interface import Interface


def read_batches(data: Any, io: Interface, argument: str) -> Iterator[list[np.ndarray]]:
    """Return the batches, each a list of arrays in the flat order of the inputs.

    Args:
        data: one batch as an array, tensor or dict by input name; a list, generator or
            `tf.data.Dataset` of batches; or a function that returns one of those. An
            `(inputs, targets)` tuple counts as its inputs.
        io: the inputs of the model.
        argument: name of the argument, for messages.

    Raises:
        ConfigError: no data, or a batch of a wrong structure, shape or dtype. Raised at
            once for the first batch, while iterating for the others.
    """
    if isinstance(data, Callable):  # type: ignore[arg-type]  # TFLiteConverter takes these
        data = data()
    if isinstance(data, (np.ndarray, tf.Tensor, dict)):
        data = [data]
    if not isinstance(data, Iterable):
        raise ConfigError(
            f"{argument}: expected an array, a list of batches, a tf.data.Dataset or a "
            f"generator, got {type(data).__name__}"
        )
    items = iter(data)
    try:
        first = _batch(next(items), io, argument)
    except StopIteration:
        raise ConfigError(f"{argument} is empty: give at least one batch of inputs") from None

    def batches() -> Iterator[list[np.ndarray]]:
        yield first
        for item in items:
            yield _batch(item, io, argument)

    return batches()


def _batch(item: Any, io: Interface, argument: str) -> list[np.ndarray]:
    count = len(io.specs)
    if isinstance(item, tuple) and len(item) in (2, 3):
        nested = isinstance(item[0], (list, tuple, dict))
        item = item[0] if nested or len(item) != count else item
    if isinstance(item, dict):
        if set(item) != set(io.input_names):
            raise ConfigError(
                f"{argument}: a batch has the inputs {sorted(item)}, the model "
                f"{sorted(io.input_names)}"
            )
        values = [item[name] for name in io.input_names]
    elif isinstance(item, (list, tuple)) and (count > 1 or len(item) == 1):
        values = list(item)
    else:
        values = [item]
    if len(values) != count:
        raise ConfigError(
            f"{argument}: a batch has {len(values)} input(s), the model has {count} "
            f"({', '.join(io.input_names)})"
        )
    arrays = [
        _array(x, spec, f"{argument} for input {name!r}")
        for x, spec, name in zip(values, io.specs, io.input_names, strict=True)
    ]
    lengths = {len(x) for x in arrays}
    if len(lengths) > 1:
        raise ConfigError(f"{argument}: the inputs of one batch differ in length: {lengths}")
    return arrays


def _array(value: Any, spec: Any, what: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:  # a ragged nest of lists
        raise ConfigError(f"{what} is no array: {error}") from error
    wanted = spec.shape.as_list()[1:]
    if array.ndim == 0 or not tf.TensorShape(array.shape[1:]).is_compatible_with(wanted):
        sizes = ", ".join(["batch", *("any" if s is None else str(s) for s in wanted)])
        raise ConfigError(f"{what} has the shape {array.shape}; expected ({sizes})")
    if not len(array):
        raise ConfigError(f"{what} has a batch without samples")
    dtype = np.dtype(spec.dtype.as_numpy_dtype)
    if array.dtype.kind not in ("fiub" if dtype.kind == "f" else "iub"):
        raise ConfigError(f"{what} has the dtype {array.dtype}; the model takes {dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ConfigError(f"{what} has values that are not finite")
    return array.astype(dtype, copy=False)
