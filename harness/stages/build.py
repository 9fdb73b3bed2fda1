"""Stage ``build``: call the constructor, give it weights, and see that it computes."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from harness.stages.inputs import weights
from harness.stages.names import names
from harness.stages.workbench import Bench

#: What the constructor is called with, per variant; names it does not take are left out.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "notop": {"weights": None, "include_top": False, "input_shape": (None, None, 3)},
    "top": {"weights": None, "include_top": True},
}

#: How many pixels more than asked for are tried where a graph built without a size does not
#: take the size asked for: one more, for graphs that want odd feature maps; three more, for
#: those that also begin with an unpadded convolution; the next multiple of 32.
_MORE_PIXELS = (0, 1, 3, 32)

#: How many numbers the layers of a `top` model may put out for one image. A training step
#: of a quantized model keeps nearly three times that, 4 bytes each: 3.5 GB.
_MOST_OUTPUTS = 320_000_000

#: The step by which a default size that is too large is reduced. Graphs halve their feature
#: maps five times and pad by the parity of each, so this leaves every padding right.
_FEWER_PIXELS = 32


def run(bench: Bench) -> None:
    """Give a case its model; an earlier one of the same process may have built it.

    One of Keras 3 is only constructed here: stage ``convert`` goes on with it.
    """
    if not bench.is_converted:
        give(bench, build)
    elif not bench.foundation.laid:
        import keras as keras3

        keras3.utils.set_random_seed(bench.options.seed)
        bench.model = construct(bench, **arguments(bench))
        if bench.variant == "notop":
            settle_input_size(bench)
        weights.load(bench)


def give(bench: Bench, builds: Callable[[Bench], None]) -> None:
    """Give a case its model, built as told if no earlier one of the same process has built it."""
    if bench.foundation.laid:
        bench.metrics["shared_build"] = True
    else:
        builds(bench)
        bench.foundation.lay(bench)
    bench.foundation.lend(bench)


def build(bench: Bench) -> None:
    import tf_keras as keras

    keras.utils.set_random_seed(bench.options.seed)
    bench.model = construct(bench, **arguments(bench))
    if bench.variant == "notop":
        settle_input_size(bench)
    complete(bench, weights.give)


def complete(bench: Bench, give_weights: Callable[[Bench], None]) -> None:
    """Give a model of tf_keras its samples and weights, and see what it computes."""
    if bench.variant != "notop":
        reduce_input_size(bench)
    bench.samples = bench.images(bench.options.samples)
    give_weights(bench)
    if bench.exports:
        bench.expected = bench.outputs(bench.batches())
    own = bench.model.weights
    bench.metrics["parameters"] = int(sum(w.shape.num_elements() for w in own))
    bench.metrics["layers"] = sum(1 for _ in bench.model._flatten_layers(include_self=False))


def arguments(bench: Bench) -> dict[str, Any]:
    """Return what to call the constructor with in this run.

    Where outputs will be compared, `top` models end in logits: of softmax outputs over a
    thousand classes, int8 keeps a few steps.
    """
    given = dict(ARGUMENTS[bench.variant])
    if bench.options.weights == "imagenet":
        given["weights"] = "imagenet"
    elif bench.options.weights == "own":
        del given["weights"]  # a constructor that takes some knows which
    if bench.exports:
        given["classifier_activation"] = None
    return given


def construct(bench: Bench, **arguments: Any) -> Any:
    """Call the constructor with those of ``arguments`` that it takes."""
    constructor = getattr(importlib.import_module(bench.module), bench.function)
    if bench.is_converted:
        count_anew()
    accepted = inspect.signature(constructor).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    bench.built_with, bench.built_after = arguments, names()
    return constructor(**{k: v for k, v in arguments.items() if takes_all or k in accepted})


def count_anew() -> None:
    """Have Keras 3 count the names that it gives from the start: twins take them over."""
    from keras.src.utils import naming

    naming.reset_uids()


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
    bench.model = construct(bench, **{**arguments(bench), "input_shape": (size, size, 3)})
    bench.metrics["input_size"] = size
    bench.metrics["built_for"] = f"{size}x{size}"


def reduce_input_size(bench: Bench) -> None:
    """See that one step on one image fits in memory; failing that, feed a smaller image.

    The graph stays the constructor's default, only what it is fed changes, and the record
    says so (``reduced_from``). The float model decides, for every technique alike.
    """
    shape = bench.model.input_shape
    if not (isinstance(shape, tuple) and len(shape) == 4 and all(shape[1:3])):
        return
    size = min(shape[1:3])
    most = size * (_MOST_OUTPUTS / max(outputs_per_image(bench.model), 1)) ** 0.5
    fits = (fewer for fewer in range(size, _FEWER_PIXELS, -_FEWER_PIXELS) if fewer <= most)
    if size > most:
        bench.reduced_size = next(fits, size)
        bench.metrics["input_size"] = bench.reduced_size
        bench.metrics["reduced_from"] = f"{shape[1]}x{shape[2]}"


def outputs_per_image(model: Any) -> int:
    """Count the numbers that the layers of a model put out for one image."""
    import tensorflow as tf

    calls = [call for layer in model._flatten_layers() for call in layer._inbound_nodes]
    shapes = [one.shape[1:] for call in calls for one in tf.nest.flatten(call.outputs)]
    return sum(shape.num_elements() or 0 for shape in shapes)


def computes(bench: Bench) -> bool:
    """Whether the model takes an image of the size settled on."""
    import numpy as np
    import tensorflow as tf

    images = tf.nest.map_structure(np.zeros_like, bench.images(1))
    try:
        bench.model(images, training=False)
    except (tf.errors.InvalidArgumentError, ValueError):
        return False
    return True
