"""Stage ``save``: write the model, read it back, get the same outputs."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

from harness.stages.workbench import Bench, NotFiniteError, OutputsDifferError

#: Largest relative difference that still counts as the same output. Reading a file back
#: gives the same weights, so this only has room for another order of summation.
TOLERANCE = 1e-6


def run(bench: Bench) -> None:
    import numpy as np

    before = bench.outputs([bench.training_batch()])
    if not all(np.isfinite(one).all() for one in before):
        raise NotFiniteError("the trained model's output is not finite")
    path = bench.scratch / f"model.{bench.options.save_format}"
    bench.model.save(path)
    bench.metrics["saved_bytes"] = path.stat().st_size
    bench.model = None  # a loaded copy beside a live one doubles the memory of a case
    bench.model = load(bench)(path, custom_objects(bench.module, bench.function))
    pairs = zip(bench.outputs([bench.training_batch()]), before, strict=True)
    difference = max(relative_difference(after, before) for after, before in pairs)
    bench.metrics["save_difference"] = difference
    if not difference <= TOLERANCE:
        raise OutputsDifferError(
            f"the loaded model's output differs by {difference:.3g} of its largest value"
        )


def load(bench: Bench) -> Any:
    """Return what reads the file: twins have functions of Keras 3, which tf_keras does not know."""
    if not bench.is_converted:
        return bench.technique.load
    from optim import load_model

    return load_model


def relative_difference(a: Any, b: Any) -> float:
    """Return max |a - b| / max |b|; infinite where the shapes differ."""
    import numpy as np

    if a.shape != b.shape:
        return float("inf")
    return float(np.max(np.abs(a - b)) / max(float(np.max(np.abs(b))), 1e-30))


def custom_objects(module: str, function: str) -> dict[str, Any]:
    """Return the layers an application's own module defines.

    Keras asks for them by name when it reads a model back, and knows none of them.
    """
    from tf_keras.layers import Layer

    constructor = getattr(importlib.import_module(module), function)
    defining = sys.modules[inspect.unwrap(constructor).__module__]
    return {
        name: value
        for name, value in vars(defining).items()
        if inspect.isclass(value)
        and issubclass(value, Layer)
        and value.__module__ == defining.__name__
    }
