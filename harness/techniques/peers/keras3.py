"""Keras 3's own quantization, of its own models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.stages.workbench import CheckError
from harness.techniques.peers.peer import Peer


class NothingQuantizedError(CheckError):
    """A tool ended well, and left every layer as it was."""


class PtqKeras3(Peer):
    """``model.quantize("int8")`` and ``model.export(..., format="litert")`` of Keras 3.

    It quantizes dense layers and embeddings, weights by channel and activations as they come,
    and leaves convolutions in float: it promises no file without float islands. The file of a
    model that it leaves as it was is a float file, and no pass.
    """

    id = "ptq-keras3"
    title = 'model.quantize("int8") and model.export(..., format="litert") of Keras 3'
    owner = "Keras 3"
    distributions = ("keras",)
    of_keras3 = True
    takes_original = True
    parity: Mapping[str, float] = {"float": 15}

    def export(self, model: Any, path: Path, input_shape: Any, data: Any) -> None:
        import keras as keras3

        model.quantize("int8")
        if not any(getattr(x, "quantization_mode", None) for x in model._flatten_layers()):
            raise NothingQuantizedError(
                "model.quantize('int8') quantized no layer of this model: it has neither dense "
                "layers nor embeddings"
            )
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        signature = [
            keras3.InputSpec(dtype=x.dtype, shape=(None, *shape), name=x.name)
            for x, shape in zip(model.inputs, shapes, strict=True)
        ]
        model.export(str(path), format="litert", input_signature=signature, verbose=False)
