"""Quantization-aware training: stock, by the recipe, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.techniques.control import ByOptim, Float


class Quantized(Float):
    """What the techniques for quantization-aware training share: ranges set from data."""

    parity: Mapping[str, float] = {"simulation": 20, "float": 15}
    components: tuple[str, ...] = ("calibration",)

    def calibrate(self, model: Any, data: Any) -> None:
        from optim import calibrate

        calibrate(model, data)


class QatTfmot(Quantized):
    """``tfmot.quantization.keras.quantize_model`` as shipped."""

    id = "qat-tfmot"
    title = "tfmot.quantization.keras.quantize_model(model) as shipped"
    owner = "tfmot"
    of_keras3 = False  # it refuses them

    def transform(self, model: Any) -> Any:
        import tensorflow_model_optimization as tfmot

        return tfmot.quantization.keras.quantize_model(model)

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        import tensorflow_model_optimization as tfmot

        with tfmot.quantization.keras.quantize_scope(dict(custom_objects)):
            return super().load(path, {})


class QatAnnotate(Quantized):
    """The recipe in use today: BatchNormalization and its like annotated, then tfmot."""

    id = "qat-annotate"
    title = "BatchNormalization, Multiply, Rescaling, ... annotated by hand, then tfmot"
    owner = "recipe"
    of_keras3 = False  # it refuses them
    components = ("calibration", "recipe")

    def transform(self, model: Any) -> Any:
        from optim import AnnotateRecipe

        return AnnotateRecipe()(model)

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        from optim import AnnotateRecipe

        return AnnotateRecipe(custom_objects=dict(custom_objects)).load_model(path)


class Qat(ByOptim, Quantized):
    """``optim.quantize_model``: every tensor where LiteRT wants it, in linear time."""

    id = "qat"
    title = "optim.quantize_model(model)"
    answers: tuple[str, ...] = ("qat-tfmot", "qat-annotate")
    int8 = True
    components: tuple[str, ...] = ("calibration", "loading", "quantization")

    def transform(self, model: Any) -> Any:
        from optim import quantize_model

        return quantize_model(model)
