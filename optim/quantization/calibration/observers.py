"""How a range is made of the values seen: minimum and maximum, percentile, least error."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim.errors import ConfigError

#: End of the range of a tensor that is zero for all data. LiteRT refuses scales that are next to
#: none beside those of the operation's inputs.
NOMINAL = 1.0


#: From here on a number may be one that stands for none, as in masks.
_LARGE = 1e4


class Observer:
    """Keeps the minimum and maximum of everything seen.

    Args:
        quantizer: the tfmot quantizer watched: its bits and symmetry count.
        variables: its range variables, `min_var` and `max_var`; `finish` sets them.
        percentile: share of values to keep, for observers that use it.
    """

    def __init__(self, quantizer: Any, variables: dict[str, Any], percentile: float) -> None:
        self.quantizer = quantizer
        self.variables = variables
        self.percentile = percentile
        self.low = 0.0
        self.high = 0.0
        self.exponents: set[int] = set()

    @property
    def name(self) -> str:
        """The layer whose values are watched, as its variables are named after it."""
        return str(self.variables["min_var"].name).rpartition("/")[0]

    @property
    def saw_nothing(self) -> bool:
        """Whether all values were zero."""
        return self.low == self.high == 0.0

    @property
    def saw_sentinel(self) -> bool:
        """Whether all values but the largest, which are all alike, are less than a step."""
        below = self.exponents - {max(self.exponents, default=0)}
        return bool(below) and max(self.exponents) - max(below) > self.quantizer.num_bits

    def see(self, x: np.ndarray) -> None:
        """Take note of one tensor.

        Raises:
            ConfigError: it has values that are NaN or infinite.
        """
        low, high = float(x.min(initial=0.0)), float(x.max(initial=0.0))
        if not np.isfinite([low, high]).all():
            raise ConfigError(
                f"calibration: {self.name!r} puts out NaN or infinite values; look at the data, "
                "and at this layer and those before it"
            )
        self.low, self.high = min(self.low, low), max(self.high, high)
        if max(-low, high) >= _LARGE:
            self.exponents.update(np.unique(np.frexp(x[x != 0])[1]).tolist())

    def end_batch(self) -> None:
        """A batch has passed."""

    def range(self) -> tuple[float, float]:
        """The range found so far; it contains 0."""
        return self.low, self.high

    def finish(self) -> None:
        """Set the range variables."""
        low, high = self.range()
        if self.quantizer.symmetric:
            bits = self.quantizer.num_bits
            # Two's complement reaches one step further down than up.
            ratio = (2**bits - 2) / 2**bits
            high = max(high, -low * ratio)
            low = -high / ratio
        if low == high:
            low, high = (-NOMINAL, NOMINAL) if self.quantizer.symmetric else (0.0, NOMINAL)
        self.variables["min_var"].assign(low)
        self.variables["max_var"].assign(high)


class HistogramObserver(Observer):
    """Keeps a histogram with a fixed number of bins, stretched as the range grows."""

    bins = 2048

    def __init__(self, quantizer: Any, variables: dict[str, Any], percentile: float) -> None:
        super().__init__(quantizer, variables, percentile)
        self.counts = np.zeros(self.bins)
        self.edges = (0.0, 0.0)

    def see(self, x: np.ndarray) -> None:
        super().see(x)
        low, high = self.low, max(self.high, self.low + np.finfo(np.float32).tiny)
        if (low, high) != self.edges:
            if self.counts.any():
                old = np.linspace(self.edges[0], self.edges[1], self.bins + 1)
                middles = (old[1:] + old[:-1]) / 2
                self.counts, _ = np.histogram(middles, self.bins, (low, high), weights=self.counts)
            self.edges = (low, high)
        self.counts += np.histogram(x, self.bins, (low, high))[0]

    @property
    def middles(self) -> np.ndarray:
        borders = np.linspace(self.edges[0], self.edges[1], self.bins + 1)
        return (borders[1:] + borders[:-1]) / 2


class PercentileObserver(HistogramObserver):
    """Leaves out the tails: half of what is beyond the percentile on either side."""

    def range(self) -> tuple[float, float]:
        total = self.counts.sum()
        if not total or self.saw_nothing:
            return self.low, self.high
        share = np.cumsum(self.counts) / total
        tail = (1 - self.percentile / 100) / 2
        borders = np.linspace(self.edges[0], self.edges[1], self.bins + 1)
        low = borders[np.searchsorted(share, tail)]
        high = borders[min(np.searchsorted(share, 1 - tail) + 1, self.bins)]
        return min(float(low), 0.0), max(float(high), 0.0)


class ErrorObserver(HistogramObserver):
    """Searches the range with the least mean squared error after quantization."""

    shrinkages = np.linspace(1.0, 0.3, 36)

    def range(self) -> tuple[float, float]:
        if not self.counts.any():
            return self.low, self.high
        return min(
            ((self.low * s, self.high * s) for s in self.shrinkages),
            key=lambda ends: self._error(*ends),
        )

    def _error(self, low: float, high: float) -> float:
        scale = max(high - low, 1e-12) / (2**self.quantizer.num_bits - 1)
        x = self.middles
        y = np.round((np.clip(x, low, high) - low) / scale) * scale + low
        return float(np.sum(self.counts * (x - y) ** 2))


METHODS: dict[str, type[Observer]] = {
    "minmax": Observer,
    "percentile": PercentileObserver,
    "mse": ErrorObserver,
}
