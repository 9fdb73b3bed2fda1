"""What is measured of one layer call."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from optim._keras import tf
from optim.debugging.watching import Seen
from optim.graph.graph import Node
from optim.verification.compare import decibels, sqnr


@dataclass
class Row:
    """Running sums for one layer call, over all batches."""

    order: int
    node: Node
    elements: int = 0
    power: float = 0.0
    local_noise: float = 0.0
    noise: float = 0.0
    weights: list[float] = field(default_factory=list)
    bits: int = 0
    low: float = math.nan
    high: float = math.nan
    seen_low: float = math.inf
    seen_high: float = -math.inf
    quantized: int = 0
    saturated: int = 0
    channel_power: Any = 0.0
    channel_noise: Any = 0.0

    def see(self, exact: list[Any], local: list[Any], quantized: list[Any]) -> None:
        for a, b, c in zip(exact, local, quantized, strict=True):
            if not getattr(a, "dtype", tf.int32).is_floating:
                continue
            signal = np.asarray(a, np.float64)
            self.elements += signal.size
            self.power += float(np.sum(signal**2))
            self.local_noise += float(np.sum((np.asarray(b, np.float64) - signal) ** 2))
            error = np.asarray(c, np.float64) - signal
            self.noise += float(np.sum(error**2))
            self._see_channels(signal, error)

    def _see_channels(self, signal: np.ndarray, error: np.ndarray) -> None:
        """Channels are the last axis; of several outputs the first counts."""
        axes = tuple(range(signal.ndim - 1))
        if signal.ndim < 2 or np.shape(self.channel_power) not in ((), signal.shape[-1:]):
            return
        self.channel_power = self.channel_power + np.sum(signal**2, axis=axes)
        self.channel_noise = self.channel_noise + np.sum(error**2, axis=axes)

    def _worst_channel(self) -> float:
        pairs = zip(np.ravel(self.channel_power), np.ravel(self.channel_noise), strict=True)
        return min((decibels(float(p), float(n)) for p, n in pairs if p > 0), default=math.nan)

    def see_quantizers(self, seen: Iterable[Seen]) -> None:
        self.weights = []
        for one in seen:
            if one.weight:
                self.weights.append(sqnr(one.before, one.after))
            elif one.low.size == 1:
                self._see_range(one)

    def _see_range(self, one: Seen) -> None:
        self.bits, self.low, self.high = one.bits, float(one.low), float(one.high)
        half = (self.high - self.low) / (2**one.bits - 1) / 2
        x = one.before
        self.seen_low = min(self.seen_low, float(np.min(x)))
        self.seen_high = max(self.seen_high, float(np.max(x)))
        self.quantized += x.size
        self.saturated += int(np.sum((x < self.low - half) | (x > self.high + half)))

    def result(self) -> tuple[Any, ...]:
        known = self.quantized > 0
        span = self.high - self.low
        inside = min(self.high, self.seen_high) - max(self.low, self.seen_low)
        used = max(0.0, inside) / span if known and span > 0 else math.nan
        return (
            self.order,
            type(getattr(self.node.layer, "layer", self.node.layer)).__name__,
            decibels(self.power, self.local_noise),
            decibels(self.power, self.noise),
            self._worst_channel(),
            min(self.weights, default=math.nan),
            self.bits if known else math.nan,
            self.low,
            self.high,
            self.seen_low if known else math.nan,
            self.seen_high if known else math.nan,
            used,
            self.bits + math.log2(used) if used > 0 else math.nan,
            self.saturated / self.quantized if known else math.nan,
        )
