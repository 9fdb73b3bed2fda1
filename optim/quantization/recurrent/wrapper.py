"""The quantizing wrapper of recurrent layers, and its config."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from optim._keras import keras
from optim.quantization.quantizers.quantizers import TensorQuantizeConfig, unpack
from optim.quantization.quantizers.wrappers import (
    QuantizeWrapper,
    quantize,
    training_phase,
    untracked,
)
from optim.quantization.recurrent.placeholder import collector, placeholder
from optim.quantization.recurrent.quantizers import ends
from optim.quantization.recurrent.written import Kernel, Written

register = keras.utils.register_keras_serializable(package="optim")


@register
class RecurrentQuantizeConfig(TensorQuantizeConfig):
    """Says for each kernel of the cells, and each tensor of a step, which quantizer it gets.

    Args:
        weights: path of a kernel, such as "cells.0.kernel" -> its quantizer.
        steps: name of a tensor, such as "0/gates" -> its quantizer.
        joined: numbers of the outputs that a concatenation takes, and rounds to its own grid.
    """

    def __init__(
        self,
        weights: dict[str, Any] | None = None,
        steps: dict[str, Any] | None = None,
        joined: Iterable[int] = (),
    ) -> None:
        super().__init__(weights)
        self.steps = dict(steps or {})
        self.joined = [int(number) for number in joined]

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return [(_follow(layer, path), q) for path, q in self.weights.items()]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        layer.__dict__["overrides"] = dict(zip(self.weights, quantize_weights, strict=True))

    def get_config(self) -> dict[str, Any]:
        pack = keras.utils.legacy.serialize_keras_object
        return {
            "weights": {path: pack(q) for path, q in self.weights.items()},
            "steps": {name: pack(q) for name, q in self.steps.items()},
            "joined": self.joined,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RecurrentQuantizeConfig:
        weights, steps = (
            {key: unpack(q) for key, q in config[part].items()} for part in ("weights", "steps")
        )
        return cls(weights, steps, config["joined"])

    @property
    def wrapper(self) -> type:
        """The class of the wrapper that goes by it."""
        return RecurrentQuantizeWrapper


def _follow(layer: Any, path: str) -> Any:
    _, number, name = path.split(".")
    return getattr(layer.cells[int(number)], name)


@register
class StepQuantizer(keras.layers.Layer):
    """Quantizes one tensor of a step; all steps have one range."""

    def __init__(self, quantizer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.quantizer = quantizer

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        own = {"dtype": "float32", "experimental_autocast": False}
        return super().add_weight(*args, **{**own, **kwargs})

    def build(self, input_shape: Any) -> None:
        with untracked(self):
            self.quantizer_vars = self.quantizer.build(None, self.name, self)
        super().build(input_shape)

    def call(self, inputs: Any, training: Any = None) -> Any:
        return quantize(self.quantizer, inputs, training_phase(training), self.quantizer_vars)

    @property
    def ends(self) -> tuple[float, float, int]:
        """The range that it rounds to, and bits."""
        return (*ends(self.quantizer, self.quantizer_vars), int(self.quantizer.num_bits))


@register
class RecurrentQuantizeWrapper(QuantizeWrapper):
    """Quantizes the kernels of a `Recurrent` layer, and all that its steps compute."""

    def __init__(self, layer: Any, quantize_config: Any, **kwargs: Any) -> None:
        super().__init__(layer, quantize_config, **kwargs)
        self.step_quantizers = [
            StepQuantizer(q, name=name.replace("/", "_"))
            for name, q in self.quantize_config.steps.items()
        ]

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        for one in self.step_quantizers:
            with keras.backend.name_scope(one.name):
                one.build(None)
                one.built = True

    @property
    def _by_name(self) -> Mapping[str, Any]:
        return dict(zip(self.quantize_config.steps, self.step_quantizers, strict=True))

    def call(self, inputs: Any, *args: Any, training: Any = None, **kwargs: Any) -> Any:
        collected = collector()
        if collected is None:
            return super().call(inputs, *args, training=training, **kwargs)
        mask = kwargs.get("mask")
        return placeholder(self, inputs, mask, collected)

    @contextmanager
    def _quantized(self, training: Any) -> Iterator[None]:
        with super()._quantized(training):
            self.layer.__dict__["quantizers"] = self._by_name
            try:
                yield
            finally:
                self.layer.__dict__.update(quantizers={}, overrides={})

    def written(self) -> Written:
        """All that a file has of it: steps, numbers of the kernels, grids."""
        kernels = {
            path: Kernel.of(self._kernel(weight, q, False, variables), q, variables)
            for path, (weight, q, variables) in zip(
                self.quantize_config.weights, self._weight_vars, strict=True
            )
        }
        grids = {name: one.ends for name, one in self._by_name.items()}
        return Written(self.layer, kernels, grids)

    def shown(self, number: int, name: str, x: Any) -> Any:
        """An output on its grid, as the converter is to find it.

        One of 16 bits as it is, as the converter takes 8 for granted, and one for a
        concatenation, as it has no grid but that.
        """
        one = self._by_name[name]
        if one.quantizer.num_bits > 8 or number in self.quantize_config.joined:
            return x
        return one.call(x, training=False)

    @property
    def stateful(self) -> bool:
        """Whether states are kept between batches: `Model.reset_states` asks."""
        return bool(self.layer.stateful)

    @stateful.setter
    def stateful(self, value: bool) -> None:
        """Keras sets it to False for every layer."""

    def reset_states(self, states: Any = None) -> None:
        """Set the states that are kept between batches."""
        self.layer.reset_states(states)

    def _should_use_autograph(self) -> bool:
        return False

    @property
    def non_trainable_weights(self) -> Any:
        inner = [w for one in self.step_quantizers for w in one.weights]
        return super().non_trainable_weights + inner
