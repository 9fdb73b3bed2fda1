"""Making a model whose graph and weights are known already, without working either out.

What Keras does for each layer of a file: it traces it to learn the shape of its output, and
draws random values for weights that are read right after. Both are as much work as all else.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from optim._keras import tf
from optim.clustering.wrapper import ClusterWeights
from optim.pruning.wrapper import PruneLowMagnitude
from optim.quantization.building.signatures import is_told, told
from optim.saving import while_loading

#: They pass on what the layer in them gives, and add weights of the layer's own shapes.
_WRAPPERS = (ClusterWeights, PruneLowMagnitude)

#: Keras' own initializers that draw numbers. Those derived from them draw as they do.
_RANDOM = ("Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling")


@while_loading
@contextmanager
def untraced() -> Iterator[None]:
    """Let plain layers of Keras tell what they return, and begin with weights of zeros.

    For models all of whose weights are set before anybody looks at them. Layers of other kinds
    are traced and initialized as ever.
    """
    layer_class = importlib.import_module("tf_keras.src.engine.base_layer").Layer
    initializers = importlib.import_module("tf_keras.src.initializers.initializers")
    infer = layer_class._infer_output_signature

    def tell(layer: Any, inputs: Any, args: Any, kwargs: Any, masks: Any) -> Any:
        inner = layer.layer if type(layer) in _WRAPPERS else layer
        known = told(layer, inner, inputs, (args, kwargs), masks)
        return infer(layer, inputs, args, kwargs, masks) if known is None else known

    with ExitStack() as stack:
        stack.enter_context(patch.object(layer_class, "_infer_output_signature", tell))
        for name in _RANDOM:
            kind = getattr(initializers, name)
            stack.enter_context(patch.object(kind, "__call__", _zeros_if_told(kind.__call__)))
        yield


def _zeros_if_told(draw: Any) -> Any:
    """For layers that tell: of others, something else may follow from what they begin with."""

    def values(initializer: Any, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        if kwargs or dtype is None or not is_told():
            return draw(initializer, shape, dtype, **kwargs)
        return tf.zeros(shape, dtype)

    return values
