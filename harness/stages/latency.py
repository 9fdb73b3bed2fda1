"""How fast a file is, and how fast beside another: both timed in turns, in one process.

A machine that is busy, hot or throttled is so for both. What is compared are neighbours in
time: a block of inferences of one file and the block of the other that follows it.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optim.litert import Runtime

#: Seconds that measuring may take; a slow file takes longer, for it is run `LEAST` times.
MOST_SECONDS = 0.5

#: Blocks of inferences of each file: at most, and at least.
MOST, LEAST = 10, 5

#: ... and at least where an inference of each takes so many seconds. A long one averages out
#: what disturbs a short one.
LEAST_OF_SLOW, SLOW = 3, 0.2

#: Inferences in a block, at most.
BLOCK = 10

#: How far the 90th percentile may be from the 10th, and equal files from each other, before
#: the figures are called noisy.
NOISY = 1.5

#: How often noisy figures are measured anew.
AGAIN = 1


@dataclass(frozen=True)
class Times:
    """Milliseconds of inferences, block by block."""

    blocks: Sequence[Sequence[float]]

    def percentile(self, share: float) -> float:
        """Return what this share of the inferences, of 1, does not exceed."""
        ordered = sorted(ms for block in self.blocks for ms in block)
        at = share * (len(ordered) - 1)
        low = int(at)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (at - low) * (ordered[high] - ordered[low])

    @property
    def median(self) -> float:
        return self.percentile(0.5)

    @property
    def spread(self) -> float:
        return self.percentile(0.9) / self.percentile(0.1)

    @property
    def repeats(self) -> int:
        return sum(len(block) for block in self.blocks)


def ratio(one: Times, other: Times) -> float:
    """Return how much longer one takes: the median of the ratios of neighbouring blocks."""
    pairs = zip(one.blocks, other.blocks, strict=True)
    return statistics.median(statistics.median(a) / statistics.median(b) for a, b in pairs)


def noisy(own: Times, base: Times | None, equal: bool) -> bool:
    """Whether times vary too much to be trusted, or differ where the operations are the same."""
    if own.spread > NOISY or (base is not None and base.spread > NOISY):
        return True
    return base is not None and equal and not 1 / NOISY <= ratio(own, base) <= NOISY


def figures(own: Runtime, base: Runtime | None, equal: bool, threads: int) -> Mapping[str, Any]:
    """Time a file, in turns with the float model's, and return the metrics.

    Args:
      own: the file of the case, fed with one sample.
      base: that of the float model, fed so too; None: there is none to compare with.
      equal: whether both do the same operations.
      threads: that they run on.
    """
    runtimes = [own] if base is None else [own, base]
    for _ in range(1 + AGAIN):
        times = in_turns(runtimes)
        mine, other = times[0], times[1] if base is not None else None
        doubtful = noisy(mine, other, equal)
        if not doubtful:
            break
    found: dict[str, Any] = {**_named("latency", mine), "latency_threads": threads}
    found["latency_repeats"] = mine.repeats
    if other is not None:
        found |= {**_named("float_latency", other), "latency_ratio": ratio(mine, other)}
    return {**found, "latency_noisy": True} if doubtful else found


def load() -> float:
    """Return how many processes wanted a processor in the last minute, for each there is."""
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)


def _named(name: str, times: Times) -> dict[str, float]:
    return {
        f"{name}_ms": times.median,
        f"{name}_p10_ms": times.percentile(0.1),
        f"{name}_p90_ms": times.percentile(0.9),
    }


def in_turns(runtimes: Sequence[Runtime]) -> list[Times]:
    """Run each a block of inferences at a time, in turns, and return their times."""
    once = sum(_block(one, 1)[0] for one in runtimes) / 1000
    least = LEAST if once < SLOW else LEAST_OF_SLOW
    blocks = max(least, min(MOST, int(MOST_SECONDS / once)))
    size = max(1, min(BLOCK, int(MOST_SECONDS / (once * blocks))))
    taken: list[list[list[float]]] = [[] for _ in runtimes]
    for _ in range(blocks):
        for runtime, found in zip(runtimes, taken, strict=True):
            found.append(_block(runtime, size))
    return [Times(found) for found in taken]


def _block(runtime: Runtime, size: int) -> list[float]:
    """Return the milliseconds of some inferences of what the runtime was fed last."""
    found = []
    for _ in range(size):
        began = time.perf_counter()
        runtime.interpreter.invoke()
        found.append(1000 * (time.perf_counter() - began))
    return found
