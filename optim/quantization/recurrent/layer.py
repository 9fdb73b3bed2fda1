"""The layer that recurrent layers are lowered to: cells of Keras, steps of ours."""

from __future__ import annotations

from typing import Any

from optim._keras import keras, tf
from optim.errors import ConfigError
from optim.models.kernels import CONTAINERS
from optim.quantization.recurrent.cells import (
    fused_step,
    is_convolution,
    packed,
    step_of,
    unpacked,
)
from optim.quantization.recurrent.dropout import dropout_masks
from optim.quantization.recurrent.loop import Sequences, run
from optim.quantization.recurrent.rounding import Rounding
from optim.quantization.recurrent.simulation import Simulation
from optim.quantization.recurrent.steps import Step

register = keras.utils.register_keras_serializable(package="optim")


@register
class Recurrent(keras.layers.Layer):
    """A recurrent layer whose steps are operations that LiteRT has in int8.

    It computes what `RNN(cells)` does and has the same weights. Inputs: `(batch, steps, ...)`, or a
    list of them and of the initial states. Output: the last output, or all with
    `return_sequences`; with `return_state` a flat list of it and of the states at the end.

    Args:
        cells: of Keras, or their configs; several are stacked.
        fused: whether LiteRT has one operation for all of it.
        return_sequences, return_state, go_backwards, stateful, zero_output_for_mask: as of
            `RNN`.
        reversed_outputs: whether all outputs are returned last step first.
    """

    def __init__(
        self,
        cells: list[Any],
        fused: bool = False,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        reversed_outputs: bool = False,
        stateful: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cells = [unpacked(cell) for cell in cells]
        self.fused = bool(fused)
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.reversed_outputs = bool(reversed_outputs)
        self.stateful = bool(stateful)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        self.supports_masking = True
        # Set for the time of a call by the wrapper that quantizes it.
        self._no_dependency("overrides", {})
        self._no_dependency("quantizers", {})
        self._no_dependency("kept_states", [])

    def _no_dependency(self, name: str, value: Any) -> None:
        self.__dict__[name] = value  # past Keras' tracking

    @property
    def steps(self) -> list[Step]:
        """What each cell computes in a step."""
        if self.fused:
            step = fused_step(self.cells[0])
            assert step is not None  # who lowers sees to it
            return [step]
        return [step_of(cell) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        shape = tf.TensorShape(shapes[0]).as_list()
        shape = [shape[0], *shape[2:]]
        for i, cell in enumerate(self.cells):
            if not cell.built:
                with keras.backend.name_scope(f"cell_{i}"):
                    cell.build(tuple(shape))
                    cell.built = True
            shape = [shape[0], *self._state_shape(cell, shape)]
        if self.stateful:
            sizes = [size for shape in self._state_shapes(shapes[0]) for size in shape]
            if None in (shape[0], *sizes):
                raise ConfigError(
                    f"{self.name}: a stateful layer has to know the batch: give the model's "
                    "inputs a batch_size"
                )
            with tf.init_scope():  # no weights: Keras has them beside these, too
                states = [
                    tf.Variable(tf.zeros((shape[0], *size), self.compute_dtype), trainable=False)
                    for size in self._state_shapes(shapes[0])
                ]
            self._no_dependency("kept_states", states)
        super().build(input_shape)

    def _state_shape(self, cell: Any, shape: list[Any]) -> list[Any]:
        if not is_convolution(cell):
            return [cell.units]
        spatial = [
            None if size is None else _convolved(size, k, cell.padding, s, d)
            for size, k, s, d in zip(
                shape[1:-1], cell.kernel_size, cell.strides, cell.dilation_rate, strict=True
            )
        ]
        return [*spatial, cell.filters]

    def _state_shapes(self, input_shape: Any) -> list[list[Any]]:
        """The shape of each state, without the batch."""
        shape = tf.TensorShape(input_shape).as_list()
        shape = [shape[0], *shape[2:]]
        found = []
        for cell, step in zip(self.cells, self.steps, strict=True):
            size = self._state_shape(cell, shape)
            found += [size] * len(step.states)
            shape = [shape[0], *size]
        return found

    def simulations(self, x: Any, training: Any) -> list[Simulation]:
        """The operations of each cell, as they are for this call."""
        return [
            Simulation(
                cell,
                {
                    name.rpartition(".")[2]: value
                    for name, value in self.overrides.items()
                    if name.startswith(f"cells.{i}.")
                },
                Rounding(self.quantizers, i, training),
                step.gates,
                dropout_masks(cell, x, i == 0, training),
            )
            for i, (cell, step) in enumerate(zip(self.cells, self.steps, strict=True))
        ]

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        x, *initial = tf.nest.flatten(inputs)
        masks = [m for m in tf.nest.flatten(mask) if m is not None]
        given = initial or [tf.convert_to_tensor(one) for one in self.kept_states]
        sequences = Sequences(
            x,
            masks[0] if masks else None,
            backwards=self.go_backwards,
            all_outputs=self.return_sequences,
            zero_masked=self.zero_output_for_mask,
        )
        shapes = self._state_shapes(x.shape)
        output, states = run(self.steps, self.simulations(x, training), sequences, given, shapes)
        if self.stateful and not initial:
            for kept, state in zip(self.kept_states, states, strict=True):
                kept.assign(state)
        if self.return_sequences and self.reversed_outputs:
            output = tf.reverse(output, [1])
        return [output, *states] if self.return_state else output

    def reset_states(self, states: Any = None) -> None:
        """Set the states that are kept between batches; to zero without `states`."""
        for i, kept in enumerate(self.kept_states):
            kept.assign(tf.zeros_like(kept) if states is None else tf.nest.flatten(states)[i])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = [m for m in tf.nest.flatten(mask) if m is not None]
        output = masks[0] if masks and self.return_sequences else None
        if not self.return_state:
            return output
        return [output, *[None] * sum(len(step.states) for step in self.steps)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        batch, steps, *_ = tf.TensorShape(shapes[0]).as_list()
        states = self._state_shapes(shapes[0])
        last = states[-1]
        output = [batch, steps, *last] if self.return_sequences else [batch, *last]
        if not self.return_state:
            return tf.TensorShape(output)
        return [tf.TensorShape(output), *(tf.TensorShape([batch, *size]) for size in states)]

    def _should_use_autograph(self) -> bool:
        return False  # it is written in graph operations

    def get_config(self) -> dict[str, Any]:
        names = ("fused", "return_sequences", "return_state", "go_backwards", "reversed_outputs",
                 "stateful", "zero_output_for_mask")  # fmt: skip
        return {
            **super().get_config(),
            "cells": [packed(cell) for cell in self.cells],
            **{name: getattr(self, name) for name in names},
        }


CONTAINERS[Recurrent] = lambda layer: [f"cells.{i}" for i in range(len(layer.cells))]


def _convolved(size: int, kernel: int, padding: str, stride: int, dilation: int) -> int:
    reach = (kernel - 1) * dilation
    return -(-(size - (reach if padding == "valid" else 0)) // stride)
