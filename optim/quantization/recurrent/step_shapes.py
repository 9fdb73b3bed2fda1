"""Layers that make one batch of the steps of all samples, and back."""

from __future__ import annotations

from typing import Any

from optim._keras import keras, tf
from optim.quantization.layers import register


@register
class StepsAsBatch(keras.layers.Layer):
    """`(batch, steps, ...)` as `(batch * steps, ...)`."""

    def call(self, inputs: Any) -> Any:
        return tf.reshape(inputs, (-1, *inputs.shape[2:]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, steps, *rest = tf.TensorShape(input_shape).as_list()
        return tf.TensorShape([product(batch, steps), *rest])


@register
class BatchAsSteps(keras.layers.Layer):
    """`(batch * steps, ...)` as `(batch, steps, ...)`.

    Args:
        steps: number of steps.
    """

    def __init__(self, steps: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = int(steps)

    def call(self, inputs: Any) -> Any:
        return tf.reshape(inputs, (-1, self.steps, *inputs.shape[1:]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *rest = tf.TensorShape(input_shape).as_list()
        return tf.TensorShape([None if batch is None else batch // self.steps, self.steps, *rest])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": self.steps}


def product(*sizes: int | None) -> int | None:
    found = 1
    for size in sizes:
        if size is None:
            return None
        found *= size
    return found
