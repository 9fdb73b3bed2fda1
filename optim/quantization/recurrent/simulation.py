"""Steps run by TensorFlow, each result rounded to its grid by a fake-quant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optim._keras import tf
from optim.quantization.recurrent.cells import is_convolution
from optim.quantization.recurrent.rounding import Rounding

_ACTIVATIONS = {"sigmoid": tf.sigmoid, "tanh": tf.tanh, "relu": tf.nn.relu}

_WITHIN: dict[str, Any] = {
    "": lambda x: x,
    "relu": tf.nn.relu,
    "unit": lambda x: tf.clip_by_value(x, 0.0, 1.0),
}


class Simulation:
    """`Ops` of TensorFlow for one cell.

    Args:
        cell: a built cell of Keras.
        weights: name of a weight -> what to compute with instead of the cell's own.
        round: what is done to each result that has a name.
        gates: number of gates: equal parts of the last axis of kernels and biases.
        masks: "inputs" or "state" -> what training multiplies it by.
    """

    def __init__(
        self,
        cell: Any,
        weights: Mapping[str, Any],
        round: Rounding,
        gates: int,
        masks: Mapping[str, Any],
    ) -> None:
        self.cell = cell
        self.weights = weights
        self.round = round
        self.gates = gates
        self.masks = masks

    def _rounded(self, x: Any, name: str) -> Any:
        return self.round(name, x) if name else x

    def _columns(self, x: Any, gates: Sequence[int]) -> Any:
        if tuple(gates) == tuple(range(self.gates)):
            return x
        parts = tf.split(x, self.gates, axis=-1)
        return tf.concat([parts[gate] for gate in gates], axis=-1)

    def _bias(self, name: str) -> Any:
        bias = self.cell.bias
        if len(bias.shape) == 1:
            return bias
        return bias[("bias", "recurrent_bias").index(name)]

    def linear(
        self,
        x: Any,
        kernel: str,
        bias: str,
        gates: Sequence[int],
        name: str,
        gain: float = 1.0,
        offset: float = 0.0,
    ) -> Any:
        weight = self.weights.get(kernel)
        weight = self._columns(getattr(self.cell, kernel) if weight is None else weight, gates)
        weight = tf.cast(weight, x.dtype)
        y = self._convolved(x, weight, kernel) if is_convolution(self.cell) else x @ weight
        if bias:
            y = y + tf.cast(self._columns(self._bias(bias), gates), x.dtype)
        return self._rounded(y * gain + offset if (gain, offset) != (1.0, 0.0) else y, name)

    def _convolved(self, x: Any, kernel: Any, of: str) -> Any:
        """Over the last axes; what is before them are samples."""
        rank = self.cell.rank + 2
        lead = tf.shape(x)[: len(x.shape) - rank + 1]
        flat = tf.reshape(x, tf.concat([[-1], tf.shape(x)[1 - rank :]], 0))
        flat.set_shape((None, *x.shape[1 - rank :]))
        own = of == "kernel"
        y = tf.nn.convolution(
            flat,
            kernel,
            strides=self.cell.strides if own else 1,
            padding=self.cell.padding.upper() if own else "SAME",
            dilations=self.cell.dilation_rate if own else 1,
        )
        if len(x.shape) == rank:
            return y
        shaped = tf.reshape(y, tf.concat([lead, tf.shape(y)[1:]], 0))
        shaped.set_shape((*x.shape[: 1 - rank], *y.shape[1:]))
        return shaped

    def add(self, a: Any, b: Any, name: str, within: str = "") -> Any:
        return self._rounded(_WITHIN[within](a + b), name)

    def subtract(self, a: Any, b: Any, name: str) -> Any:
        return self._rounded(a - b, name)

    def multiply(self, a: Any, b: Any, name: str) -> Any:
        return self._rounded(a * b, name)

    def activate(self, x: Any, function: str, name: str) -> Any:
        return self._rounded(_ACTIVATIONS[function](x), name)

    def split(self, x: Any, count: int) -> list[Any]:
        return list(tf.split(x, count, axis=-1))

    def cast(self, x: Any, name: str) -> Any:
        return self._rounded(x, name)

    def dropped(self, x: Any, what: str) -> Any:
        mask = self.masks.get(what)
        return x if mask is None else x * mask
