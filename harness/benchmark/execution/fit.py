"""Building a member and training a model; imports TensorFlow."""

from __future__ import annotations

import importlib
from typing import Any

import tensorflow as tf
import tf_keras as keras

import optim
from harness.benchmark.definition.settings import Settings
from harness.benchmark.execution.data import CLASSES, Images
from harness.matrix.application import Application
from optim.pruning.wrapper import pruned_layers


def build(application: Application, arguments: dict[str, Any], size: int, momentum: float) -> Any:
    """Return the model with random weights, which follow from Keras's global seed.

    Args:
      application: the constructor.
      arguments: what it is called with beside weights, classes and input shape.
      size: height and width of its input.
      momentum: for every BatchNormalization.
    """
    constructor = getattr(importlib.import_module(application.module), application.function)
    model = constructor(
        weights=None,
        classes=CLASSES,
        classifier_activation=None,
        input_shape=(size, size, 3),
        **arguments,
    )
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
    return model


def steps_per_epoch(images: Images, settings: Settings) -> int:
    """Return how many full batches there are; what is left over is drawn in another epoch."""
    return max(1, len(images.train) // settings.batch)


def fit(
    model: Any, images: Images, *, epochs: int, rate: float, seed: int, settings: Settings
) -> float:
    """Train a model in place and return the mean loss of the last epoch.

    Args:
      model: one that gives logits, ``(count, classes)``.
      images: to train on.
      epochs: passes over them.
      rate: learning rate of Adam at the first step; it falls to zero along a cosine.
      seed: of the order of the images.
      settings: of the benchmark.

    Raises:
      ArithmeticError: the loss is not finite.
    """
    steps = steps_per_epoch(images, settings)
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    model.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    data = tf.data.Dataset.from_tensor_slices((images.train, images.train_labels))
    data = data.shuffle(len(images.train), seed=seed).batch(settings.batch, drop_remainder=True)
    callbacks = optim.get_pruning_callbacks() if pruned_layers(model) else []
    done = model.fit(data, epochs=epochs, verbose=0, callbacks=callbacks)
    loss = float(done.history["loss"][-1])
    if not loss < float("inf"):
        raise ArithmeticError(f"the loss is {loss} after {epochs} epochs")
    return loss
