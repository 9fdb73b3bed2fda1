"""Stage ``train``: one real optimizer step.

The step runs eagerly: compiling a training function for one step costs tens of
seconds on a deep network and shows nothing more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.stages.workbench import Bench, NotFiniteError, NothingTrainedError


def run(bench: Bench) -> None:
    import numpy as np
    import tf_keras as keras

    bench.foundation.make_room(bench)
    bench.remember()
    model, images = bench.model, bench.training_batch()
    generator = np.random.default_rng(bench.options.seed + 1)
    shapes = output_shapes(bench, images)
    targets = [generator.uniform(size=shape).astype("float32") for shape in shapes]
    kernels = [w for w in model.trainable_weights if "kernel" in w.name]
    model.compile(
        # The newer SGD keeps a momentum of zeros for each weight, in memory and in the file.
        optimizer=keras.optimizers.legacy.SGD(1e-3),
        loss="mse",  # of every output
        run_eagerly=True,
    )
    history = model.fit(
        images,
        structured(model, targets),
        batch_size=targets[0].shape[0],
        epochs=1,
        verbose=0,
        callbacks=bench.technique.callbacks(),
    )
    loss = float(history.history["loss"][-1])
    bench.metrics["loss"] = loss if math.isfinite(loss) else str(loss)
    if not math.isfinite(loss):
        raise NotFiniteError(f"the loss of the first training step is {loss}")
    moved = {id(weight) for weight in bench.moved()}
    changed = sum(id(kernel) in moved for kernel in kernels)
    bench.metrics["kernels"] = len(kernels)
    bench.metrics["kernels_changed"] = changed
    if not changed:
        raise NothingTrainedError(f"one optimizer step changed none of {len(kernels)} kernels")
    bench.metrics.update(bench.technique.inspect(model, bench.metrics))


def structured(model: Any, targets: list[Any]) -> Any:
    """Return targets as Keras wants them: by name where the outputs of the model are."""
    import tensorflow as tf

    outputs = getattr(model, "_nested_outputs", None)
    if isinstance(outputs, Mapping):
        return tf.nest.pack_sequence_as(outputs, targets)
    return targets if len(targets) > 1 else targets[0]


def output_shapes(bench: Bench, images: Any) -> list[tuple[int, ...]]:
    """Return the shapes of what the model makes of images: those of the float model's outputs.

    They are known where these were computed, and the images of the step are as large.
    """
    import tensorflow as tf

    if bench.expected and not bench.reduced_size:
        count = len(tf.nest.flatten(images)[0])
        return [(count, *one.shape[1:]) for one in bench.expected]
    return [tuple(one.shape) for one in tf.nest.flatten(bench.model(images, training=False))]
