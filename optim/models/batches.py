"""Batches of inputs, from the many forms in which people have them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim._keras import keras, tf
from optim.errors import ConfigError

__all__ = ["Inputs", "as_batches"]


MOST = 1000
"""Batches that are taken of what does not say how many it has: beyond, it may never end."""


def as_batches(data: Any, argument: str, steps: int | None = None) -> Iterable[Any]:
    """Return data as an iterable of batches that ends.

    Args:
        data: one batch as an array, tensor or dict by input name; a tuple `(inputs, targets)`
            or `(inputs, targets, sample_weight)` of whole arrays, as `fit` takes them; a list,
            generator, `tf.data.Dataset` or `tf_keras.utils.Sequence` of batches; or a function
            that returns one of those.
        argument: name of the argument, for messages.
        steps: number of batches that the caller takes, which then need not end; None: all.

    Raises:
        ConfigError: something else, or what never ends. While iterating, if it goes on beyond
            `MOST` batches without a length.
    """
    if callable(data) and not isinstance(data, Iterable):  # as TFLiteConverter takes them
        data = data()
    if isinstance(data, (str, bytes, os.PathLike)):
        raise ConfigError(
            f"{argument}={data!r}: expected arrays, not where they are. Of a folder of images, "
            "keras.utils.image_dataset_from_directory(folder, label_mode=None, image_size=...) "
            "makes batches"
        )
    if isinstance(data, (np.ndarray, tf.Tensor, dict)) or _is_one_batch(data, argument):
        return [data]
    if not (isinstance(data, Iterable) or hasattr(data, "__getitem__")):
        raise ConfigError(
            f"{argument}: expected an array, a list of batches, a tf.data.Dataset or a "
            f"generator, got {type(data).__name__}"
        )
    length = _length(data)
    if length is not None:
        return _Counted(data, length)
    if steps is not None or isinstance(data, itertools.islice):
        return data  # type: ignore[no-any-return]
    if isinstance(data, itertools.cycle) or _is_endless(data):
        raise ConfigError(f"{argument} never ends: {_remedy(data)}")
    bounded = _Bounded(data, argument)
    return iter(bounded) if isinstance(data, Iterator) else bounded


def _is_one_batch(data: Any, argument: str) -> bool:
    """Whether it is `(inputs, targets)`, or with weights: whole arrays, as `fit` takes them."""
    if not isinstance(data, tuple) or not 1 <= len(data) <= 3:
        return False
    if any(isinstance(part, tuple) for part in data):
        return False  # batches that are `(inputs, targets)` each
    first, *others = (_kinds(part) for part in data)
    if first in others:
        raise ConfigError(
            f"{argument} is a tuple of {len(data)} arrays of one kind, which may be inputs and "
            "targets, inputs of one batch, or batches. Give the inputs alone; several inputs as a "
            "dict by name; batches as a list"
        )
    return True


def _kinds(part: Any) -> Any:
    """What tells inputs from targets: names, and the sizes of a sample."""
    names = sorted(map(str, part)) if isinstance(part, dict) else None
    return names, [np.shape(x)[1:] for x in tf.nest.flatten(part)]


def _length(data: Any) -> int | None:
    """The number of batches; None if it is not known before they are read."""
    try:
        return len(data)
    except TypeError:  # it has none, or a dataset does not know
        return None


def _is_endless(data: Any) -> bool:
    return isinstance(data, tf.data.Dataset) and (
        int(data.cardinality()) == tf.data.INFINITE_CARDINALITY
    )


def _remedy(data: Any) -> str:
    if isinstance(data, tf.data.Dataset):
        return "say .take(n), for the n batches to use"
    return "give itertools.islice(batches, n), for the n batches to use, or a list of them"


@dataclass(frozen=True)
class _Counted:
    """As many batches as the data says; Keras' image iterators start again at their end."""

    data: Any
    length: int

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.data, keras.utils.Sequence) or not isinstance(self.data, Iterable):
            return (self.data[i] for i in range(self.length))
        return itertools.islice(self.data, self.length)


@dataclass(frozen=True)
class _Bounded:
    """Batches that do not say how many they are."""

    data: Any
    argument: str

    def __iter__(self) -> Iterator[Any]:
        for number, batch in enumerate(self.data):
            if number >= MOST:
                raise ConfigError(
                    f"{self.argument} goes on after {MOST} batches, and does not say that it "
                    f"ends: {_remedy(self.data)}"
                )
            yield batch


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
                f"({', '.join(self.names)}){_HINT if count > 1 else ''}"
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


_HINT = ": give a list of batches, each of them a dict by name or a list in this order"


def _same(structure: Any, batch: Any) -> bool:
    try:
        tf.nest.assert_same_structure(structure, batch)
    except (TypeError, ValueError):
        return False
    return True


def _fits(given: np.dtype[Any], taken: Any) -> bool:
    """Whether values can be cast without losing what they are: TensorFlow drops imaginary parts."""
    if taken == tf.string:
        return given.kind in "USO"
    try:
        known = tf.as_dtype(given)  # bfloat16 is of a kind of its own for numpy
    except TypeError:  # dates, records
        return False
    real = known.is_floating or known.is_integer or known.is_bool
    return bool(real or (known.is_complex and taken.is_complex))


#: Tensors that are no arrays -> what makes one of them.
_TO_DENSE = {tf.RaggedTensor: "its to_tensor()", tf.SparseTensor: "tf.sparse.to_dense of it"}


def _array(value: Any, spec: Any, what: str) -> np.ndarray:
    if type(value) in _TO_DENSE:
        raise ConfigError(
            f"{what} is a {type(value).__name__}, and a LiteRT file has fixed sizes: "
            f"give {_TO_DENSE[type(value)]}, cut or padded to the sizes of the file"
        )
    try:
        array = np.asarray(value)
    except ValueError as error:  # a ragged nest of lists
        raise ConfigError(f"{what} is no array: {error}") from error
    words = spec is not None and spec.dtype == tf.string
    if (array.dtype == object and not words) or isinstance(value, (str, bytes)):
        raise ConfigError(f"{what}: expected an array of numbers, got {type(value).__name__}")
    if spec is not None and not _fits(array.dtype, spec.dtype):
        taken = "strings" if words else spec.dtype.name
        remedy = "; give its real part or its size, or both as channels" * (array.dtype.kind == "c")
        raise ConfigError(f"{what} has the dtype {array.dtype}; the model takes {taken}{remedy}")
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
