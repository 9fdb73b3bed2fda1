"""Quantizers, turned off or watched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from optim.models.numbers import numbers
from optim.quantization.quantizers.quantizers import GridQuantizer


@dataclass
class Seen:
    """One use of a quantizer: what came in, and with which range."""

    weight: bool
    bits: int
    low: np.ndarray
    high: np.ndarray
    before: np.ndarray
    after: np.ndarray


class Control:
    """Turns quantizers off, or watches them."""

    def __init__(self) -> None:
        self.active = True
        self.seen: list[Seen] | None = None

    @contextmanager
    def off(self) -> Iterator[None]:
        self.active = False
        try:
            yield
        finally:
            self.active = True

    @contextmanager
    def watching(self) -> Iterator[list[Seen]]:
        self.seen = []
        try:
            yield self.seen
        finally:
            self.seen = None

    def replace(self, quantizer: Any, of_weight: bool) -> Any:
        """Return what stands in for a quantizer of the model."""

        def stand_in(inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            if not self.active:
                return inputs
            outputs = quantizer(inputs, training, weights, **kwargs)
            if self.seen is not None and isinstance(weights, dict) and "min_var" in weights:
                if isinstance(quantizer, GridQuantizer):
                    low, high = quantizer.range(weights)
                else:
                    low, high = weights["min_var"], weights["max_var"]
                self.seen.append(
                    Seen(
                        of_weight,
                        int(getattr(quantizer, "num_bits", 8)),
                        numbers(low),
                        numbers(high),
                        np.asarray(inputs),
                        np.asarray(outputs),
                    )
                )
            return outputs

        return stand_in
