"""Stage ``convert``: the twin of a model of Keras 3, and its weights back in that model."""

from __future__ import annotations

from typing import Any

from harness.stages import build
from harness.stages.inputs import weights
from harness.stages.workbench import Bench, OutputsDifferError

#: Largest difference between a model and its twin, of the largest output.
TOLERANCE = 1e-5


def run(bench: Bench) -> None:
    """Give a case the twin of its model; an earlier one of the same process may have made it.

    A technique that works on Keras 3 itself gets a model of its own, with the twin's weights.
    """
    build.give(bench, convert)
    if getattr(bench.technique, "takes_original", False):
        bench.model = bench.foundation.original(bench)


def convert(bench: Bench) -> None:
    """Make the twin, give it weights, put these back, and see that both compute the same.

    Raises:
      OutputsDifferError: they do not.
    """
    import numpy as np

    from optim import from_keras3, to_keras3

    original = bench.model
    bench.model = from_keras3(original)
    build.complete(bench, weights.condition)
    batch = bench.batches()[0]
    to_keras3(bench.model, like=original)
    twins = bench.outputs([batch])
    bench.model, twin = original, bench.model
    pairs = zip(twins, bench.outputs([batch]), strict=True)
    bench.model = twin
    difference = max(float(np.max(np.abs(a - b)) / max(np.max(np.abs(b)), 1e-30)) for a, b in pairs)
    bench.metrics["conversion_difference"] = difference
    if not difference <= TOLERANCE:
        raise OutputsDifferError(
            f"the twin's output differs by {difference:.3g} of the largest value of the model's"
        )


def again(bench: Bench, **arguments: Any) -> Any:
    """Return another twin, as it was made of the first model."""
    from optim import from_keras3

    return from_keras3(build.construct(bench, **arguments))
