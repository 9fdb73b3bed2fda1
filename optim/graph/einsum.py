"""A product of several tensors by an equation, as a layer."""

from __future__ import annotations

from typing import Any

from optim._keras import keras, tf

register = keras.utils.register_keras_serializable(package="optim")


@register
class Einsum(keras.layers.Layer):  # type: ignore[misc]  # tf_keras is untyped
    """`tf.einsum(equation, *inputs)`; Keras cannot read its op layer back from a file."""

    def __init__(self, equation: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.equation = equation

    def call(self, inputs: Any) -> Any:
        return tf.einsum(self.equation, *inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "equation": self.equation}
