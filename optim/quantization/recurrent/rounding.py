"""Rounding the tensors of steps, and learning their ranges: once a call, from all steps of it.

A range that moved in each step would end as that of an average step, and clip larger ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from optim._keras import tf


class Rounding:
    """Rounds a tensor of a cell to the grid of its name; leaves one without quantizer alone.

    Args:
        quantizers: name with the number of the cell before it -> `StepQuantizer`.
        cell: number of the cell.
        training: whether ranges move.
    """

    def __init__(self, quantizers: Mapping[str, Any], cell: int, training: Any) -> None:
        prefix = f"{cell}/"
        own = {key: one for key, one in quantizers.items() if key.startswith(prefix)}
        self.quantizers = {key.removeprefix(prefix): one for key, one in own.items()}
        self.training = training
        self._seen: dict[str, Any] | None = None

    def __call__(self, name: str, x: Any) -> Any:
        quantizer = self.quantizers.get(name)
        if quantizer is None:
            return x
        if self._seen is None:
            return quantizer.call(x, training=self.training)
        if name in self._moving:
            found = tf.stack([tf.reduce_min(x), tf.reduce_max(x)])
            self._seen[name] = _wider(self._seen[name], found) if name in self._seen else found
        return quantizer.call(x, training=False)

    @property
    def _moving(self) -> list[str]:
        """Names of what has a range that is learnt."""
        return [name for name, one in self.quantizers.items() if one.quantizer_vars]

    @property
    def learns(self) -> bool:
        """Whether it is known to be training."""
        return isinstance(self.training, (bool, int)) and bool(self.training)

    def start(self) -> Any:
        """The ends of all ranges before the first step."""
        return tf.zeros((len(self._moving), 2))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within it, no range moves, and the ends of what passes are noted."""
        self._seen = {}
        try:
            yield
        finally:
            self._seen = None

    def after(self, before: Any) -> Any:
        """The ends of all ranges, given those before what was watched last; within `watching`."""
        seen = self._seen or {}
        rows = tf.unstack(before, num=len(self._moving)) if self._moving else []
        found = [
            _wider(row, tf.cast(seen[name], row.dtype)) if name in seen else row
            for name, row in zip(self._moving, rows, strict=True)
        ]
        return tf.stack(found) if found else before

    def learn(self, ends: Any) -> None:
        """Let ranges move by what all steps had."""
        for number, name in enumerate(self._moving):
            self.quantizers[name].call(ends[number], training=True)


def _wider(one: Any, other: Any) -> Any:
    return tf.stack([tf.minimum(one[0], other[0]), tf.maximum(one[1], other[1])])
