"""Stage ``build``: call the constructor, and see that what it built computes."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from harness.stages.bench import Bench

#: What the constructor is called with, per variant; names it does not take are left out.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "notop": {"weights": None, "include_top": False, "input_shape": (None, None, 3)},
    "top": {"weights": None, "include_top": True},
}

#: How many pixels more than asked for are tried where a graph built without a size does not
#: take the size asked for: one more, for graphs that want odd feature maps; three more, for
#: those that also begin with an unpadded convolution; the next multiple of 32.
_MORE_PIXELS = (0, 1, 3, 32)


def run(bench: Bench) -> None:
    import tf_keras as keras

    keras.utils.set_random_seed(bench.options.seed)
    bench.model = construct(bench, **ARGUMENTS[bench.variant])
    if bench.variant == "notop":
        settle_input_size(bench)
    weights = bench.model.weights
    bench.metrics["parameters"] = int(sum(w.shape.num_elements() for w in weights))
    bench.metrics["layers"] = sum(1 for _ in bench.model._flatten_layers(include_self=False))


def construct(bench: Bench, **arguments: Any) -> Any:
    """Call the constructor with those of ``arguments`` that it takes."""
    constructor = getattr(importlib.import_module(bench.module), bench.function)
    accepted = inspect.signature(constructor).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    return constructor(**{k: v for k, v in arguments.items() if takes_all or k in accepted})


def settle_input_size(bench: Bench) -> None:
    """Find the size to feed a graph that was built without one; failing that, build with one.

    Keras builds some graphs for an unknown size that no input fits: NASNet compares sizes
    to decide where a branch has to be reduced, takes two unknown ones for equal, and leaves
    the reduction out. Such an application is built for the size asked for, and its record
    says so (``built_for``). The float model decides, so that a technique which breaks a
    graph is not offered another size.
    """
    for more in _MORE_PIXELS:
        bench.input_size = bench.options.input_size + more
        if computes(bench):
            bench.metrics["input_size"] = bench.input_size
            return
    bench.input_size = size = bench.options.input_size
    bench.model = construct(bench, **{**ARGUMENTS["notop"], "input_shape": (size, size, 3)})
    bench.metrics["input_size"] = size
    bench.metrics["built_for"] = f"{size}x{size}"


def computes(bench: Bench) -> bool:
    """Whether the model takes an image of the size settled on."""
    import numpy as np
    import tensorflow as tf

    images = tf.nest.map_structure(lambda one: np.zeros_like(one[:1]), bench.images())
    try:
        bench.model(images, training=False)
    except (tf.errors.InvalidArgumentError, ValueError):
        return False
    return True
