"""A weight as a layer of a graph."""

from __future__ import annotations

from typing import Any

from optim._keras import keras, tf

register = keras.utils.register_keras_serializable(package="optim")


@register
class Parameter(keras.layers.Layer):
    """A weight as a layer: returns it, whatever it is called on.

    A layer that uses a weight of its own in arithmetic is made of functions of tensors and
    of these.

    Args:
        shape: shape of the weight.
        weight_dtype: its type.
        learnt: whether training changes it, as long as the layer is trainable.
    """

    def __init__(
        self, shape: Any, weight_dtype: str = "float32", learnt: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(int(n) for n in shape)
        self.weight_dtype = weight_dtype
        self.learnt = bool(learnt)

    @classmethod
    def of(cls, variable: Any, layer: Any, name: str) -> Parameter:
        """Return a built one that holds a variable of `layer`."""
        made = cls(
            variable.shape,
            tf.as_dtype(getattr(variable, "true_dtype", variable.dtype)).name,
            variable.trainable,
            name=name,
            trainable=layer.trainable,
            dtype=layer._dtype_policy,
        )
        made.value = variable
        made.built = True
        return made

    def build(self, input_shape: Any) -> None:
        self.value = self.add_weight(
            "value",
            self.shape,
            dtype=self.weight_dtype,
            initializer="zeros",
            trainable=self.learnt,
        )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return tf.convert_to_tensor(self.value)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tf.TensorShape(self.shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "shape": list(self.shape),
            "weight_dtype": self.weight_dtype,
            "learnt": self.learnt,
        }
