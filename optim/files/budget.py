"""How much memory a description may ask for: no more than its file has weights for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from optim._keras import tf
from optim.errors import ModelFileError

#: Bytes of variables for each byte of weights in the file: optimizers keep two more of each, and
#: files may hold half-precision numbers.
_SHARE = 8

#: ... and in any case: what is made without a weight, such as random seeds.
_ALWAYS = 64 << 20


def _numbers(given: Mapping[str, Any]) -> int:
    """Return how many numbers a variable would hold, without making any."""
    shape, value = given.get("shape"), given.get("initial_value")
    if shape is None and callable(value):  # as Keras 3 makes them
        # What cannot be looked at so is made: a bound is no reason to refuse a model.
        with suppress(Exception), tf.__internal__.FuncGraph("counting").as_default():
            value = value()
    if shape is None:
        shape = getattr(value, "shape", ())
    return tf.TensorShape(shape).num_elements() or 0


@contextmanager
def variables_within(stored: int) -> Iterator[None]:
    """Refuse variables that together are far larger than what a file holds.

    Args:
        stored: bytes of the values in the file.

    Raises:
        ModelFileError: where one is made, before it takes memory.
    """
    most, made = _SHARE * stored + _ALWAYS, 0

    def creator(make: Any, **given: Any) -> Any:
        nonlocal made
        made += _numbers(given) * tf.as_dtype(given.get("dtype") or "float32").size
        if made > most:
            raise ModelFileError(
                f"its layers want {made} bytes of weights, and the file holds {stored} -> the "
                "description does not belong to these weights; save the model again"
            )
        return make(**given)

    with tf.variable_creator_scope(creator):
        yield
