"""tfmot's quantization layers, repaired so that `.keras` files of them can be read.

When Keras reads that format it builds each layer on its own before it calls it, and then
hands every layer its variables by position. Two layers of tfmot end up with other
variables that way than they had when they were saved ("Layer 'quantize_layer' expected 5
variables, but received 3"). The classes have tfmot's names: `optim.saving` puts them in
tfmot's place when a file is read.
"""

from __future__ import annotations

from typing import Any

from optim._keras import tfmot as tfmot  # chooses the Keras module for the import below
from optim.saving import in_files

from tensorflow_model_optimization.python.core.quantization.keras import (  # isort: skip
    quantize_layer,
    quantize_wrapper,
)


@in_files
class QuantizeLayer(quantize_layer.QuantizeLayer):
    """tfmot's does not say that it is built, so that it is built, with variables, twice."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.built = True


@in_files
class QuantizeWrapperV2(quantize_wrapper.QuantizeWrapperV2):
    """tfmot's takes over the weights of its layer before it builds it, so that there are none.

    A wrapper made by `quantize_apply` is around a built layer and does have them.
    """

    def build(self, input_shape: Any) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True
        super().build(input_shape)
