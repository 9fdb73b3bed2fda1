"""Quantize configs of the annotate recipe, and the table that assigns them to layers.

Source of the recipe: tfmot's default registry knows neither the preprocessing layers nor
`Multiply`, and handles `BatchNormalization` only right after a convolution. Giving such
layers a config of their own lets tfmot quantize everything around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from optim._keras import keras, tf, tfmot
from optim.saving import in_files

QuantizeConfig = tfmot.quantization.keras.QuantizeConfig
MovingAverageQuantizer = tfmot.quantization.keras.quantizers.MovingAverageQuantizer


@in_files
class NoOpQuantizeConfig(QuantizeConfig):  # type: ignore[misc, valid-type]  # tfmot is untyped
    """Quantizes no part of the layer; its output stays float."""

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return []

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return []

    # Called in `call`, where AutoGraph would read their source, every time in a new process.
    @tf.autograph.experimental.do_not_convert
    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        pass

    @tf.autograph.experimental.do_not_convert
    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        pass

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return []

    def get_config(self) -> dict[str, Any]:
        return {}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(type(self))


@in_files
class DefaultBNQuantizeConfig(NoOpQuantizeConfig):
    """Quantizes the output of the layer and nothing else.

    The output fake-quant is an 8-bit `MovingAverageQuantizer`: one range per tensor,
    asymmetric, the full range of 256 values (not narrow).
    """

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [
            MovingAverageQuantizer(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        ]


LayerTable = Mapping[type, "Callable[[], Any] | None"]
"""Layer class -> factory of its quantize config (usually the config class).

`None` means: no config of its own, tfmot's default registry decides. The entry of the
most derived class wins, so `None` for a subclass undoes the entry of its base class.
"""

ANNOTATE_RECIPE: LayerTable = {
    keras.layers.BatchNormalization: DefaultBNQuantizeConfig,
    keras.layers.Rescaling: NoOpQuantizeConfig,
    keras.layers.Normalization: NoOpQuantizeConfig,
    keras.layers.Multiply: NoOpQuantizeConfig,
    keras.layers.ZeroPadding2D: NoOpQuantizeConfig,
    keras.layers.DepthwiseConv2D: NoOpQuantizeConfig,
    keras.layers.Resizing: NoOpQuantizeConfig,
}
