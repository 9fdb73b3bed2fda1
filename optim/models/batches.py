"""Batches of inputs, from the many forms in which people have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim._keras import tf
from optim.errors import ConfigError

__all__ = ["Inputs", "as_batches"]


def as_batches(data: Any, argument: str) -> Iterable[Any]:
    """Return data as an iterable of batches.

    Args:
        data: one batch as an array, tensor or dict by input name; a list, generator or
            `tf.data.Dataset` of batches; or a function that returns one of those.
        argument: name of the argument, for messages.

    Raises:
        ConfigError: something else.
    """
    if callable(data) and not isinstance(data, Iterable):  # as TFLiteConverter takes them
        data = data()
    if isinstance(data, (np.ndarray, tf.Tensor, dict)):
        return [data]
    if not (isinstance(data, Iterable) or hasattr(data, "__getitem__")):
        raise ConfigError(
            f"{argument}: expected an array, a list of batches, a tf.data.Dataset or a "
            f"generator, got {type(data).__name__}"
        )
    return data  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Inputs:
    """What each batch must be like.

    Attributes:
        structure: specs with shape and dtype, in the structure that the model is called with.
        names: one name per input, in flat order.
        argument: name of the argument that the batches come from, for messages.
    """

    structure: Any
    names: Sequence[str]
    argument: str

    def read(self, batches: Iterable[Any]) -> Iterator[list[np.ndarray]]:
        """Yield the batches, each a list of arrays in the flat order of the inputs.

        Raises:
            ConfigError: no batch, or one of a wrong structure or shape, or without samples.
        """
        batch = None
        for batch in batches:
            yield self._arrays(self._values(batch))
        if batch is None:
            raise ConfigError(f"{self.argument} is empty: give at least one batch of inputs")

    def _values(self, batch: Any) -> list[Any]:
        """The inputs of a batch, flat; of an `(inputs, targets)` tuple its inputs."""
        count = len(self.names)
        if isinstance(batch, tuple) and len(batch) in (2, 3):
            nested = isinstance(batch[0], (list, tuple, dict))
            batch = batch[0] if nested or len(batch) != count else batch
        values: list[Any]
        if isinstance(self.structure, (list, tuple, dict)) and _same(self.structure, batch):
            values = tf.nest.flatten(batch)
        elif isinstance(batch, dict):
            if set(batch) != set(self.names):
                raise ConfigError(
                    f"{self.argument}: a batch has the inputs {sorted(batch)}, the model "
                    f"{sorted(self.names)}"
                )
            values = [batch[name] for name in self.names]
        elif isinstance(batch, (list, tuple)) and (count > 1 or len(batch) == 1):
            values = list(batch)
        else:
            values = [batch]
        if len(values) != count:
            raise ConfigError(
                f"{self.argument}: a batch has {len(values)} input(s), the model has {count} "
                f"({', '.join(self.names)})"
            )
        return values

    def _arrays(self, values: list[Any]) -> list[np.ndarray]:
        specs = tf.nest.flatten(self.structure)
        arrays = [
            _array(value, spec, f"{self.argument} for input {name!r}")
            for value, spec, name in zip(values, specs, self.names, strict=True)
        ]
        lengths = {len(array) for array in arrays}
        if len(lengths) > 1:
            raise ConfigError(
                f"{self.argument}: the inputs of one batch differ in length: {lengths}"
            )
        return arrays


def _same(structure: Any, batch: Any) -> bool:
    try:
        tf.nest.assert_same_structure(structure, batch)
    except (TypeError, ValueError):
        return False
    return True


def _array(value: Any, spec: Any, what: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:  # a ragged nest of lists
        raise ConfigError(f"{what} is no array: {error}") from error
    if array.ndim == 0 or not tf.TensorShape(array.shape).is_compatible_with(spec.shape):
        first, *others = spec.shape.as_list() if spec.shape.rank else [None]
        sizes = ["batch" if first is None else str(first)]
        sizes += ["any" if size is None else str(size) for size in others]
        raise ConfigError(
            f"{what} has the shape {array.shape}, which does not fit the model; "
            f"expected ({', '.join(sizes)})"
        )
    if not len(array):
        raise ConfigError(f"{what} has a batch without samples: it is empty")
    return array
