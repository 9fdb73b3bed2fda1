"""Stage ``build``: call the constructor."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from harness.stages import Bench

#: What the constructor is called with, per variant; names it does not take are left out.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "notop": {"weights": None, "include_top": False, "input_shape": (None, None, 3)},
    "top": {"weights": None, "include_top": True},
}


def run(bench: Bench) -> None:
    import tf_keras as keras

    keras.utils.set_random_seed(bench.options.seed)
    constructor = getattr(importlib.import_module(bench.module), bench.function)
    accepted = inspect.signature(constructor).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    arguments = {
        name: value
        for name, value in ARGUMENTS[bench.variant].items()
        if takes_all or name in accepted
    }
    bench.model = constructor(**arguments)
    weights = bench.model.weights
    bench.metrics["parameters"] = int(sum(w.shape.num_elements() for w in weights))
    bench.metrics["layers"] = sum(1 for _ in bench.model._flatten_layers(include_self=False))
