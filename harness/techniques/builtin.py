"""The built-in techniques, registered through the same door as a plug-in's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.techniques import register


class Float:
    """Nothing: the control. If it fails, the other columns are blocked."""

    id = "float"
    title = "the model as built: the control"
    owner = "tf_keras"
    reusable = False
    depends_on: tuple[str, ...] = ()

    def transform(self, model: Any) -> Any:
        return model

    def callbacks(self) -> list[Any]:
        return []

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        from tf_keras.models import load_model

        return load_model(path, custom_objects=dict(custom_objects))


class QatTfmot(Float):
    """``tfmot.quantization.keras.quantize_model`` as shipped."""

    id = "qat-tfmot"
    title = "tfmot.quantization.keras.quantize_model(model) as shipped"
    owner = "tfmot"
    reusable = True

    def transform(self, model: Any) -> Any:
        import tensorflow_model_optimization as tfmot

        return tfmot.quantization.keras.quantize_model(model)

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        import tensorflow_model_optimization as tfmot

        with tfmot.quantization.keras.quantize_scope(dict(custom_objects)):
            return super().load(path, {})


class QatAnnotate(Float):
    """The recipe in use today: BatchNormalization and its like annotated, then tfmot."""

    id = "qat-annotate"
    title = "BatchNormalization, Multiply, Rescaling, ... annotated by hand, then tfmot"
    owner = "recipe"
    reusable = True
    depends_on = (
        "optim._clone",
        "optim._compile",
        "optim._repairs",
        "optim.configs",
        "optim.recipe",
        "optim.scope",
    )

    def transform(self, model: Any) -> Any:
        from optim import AnnotateRecipe

        return AnnotateRecipe()(model)

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        from optim import AnnotateRecipe

        return AnnotateRecipe(custom_objects=dict(custom_objects)).load_model(path)


class Qat(Float):
    """``optim.quantize_model``: every tensor where LiteRT wants it, in linear time."""

    id = "qat"
    title = "optim.quantize_model(model)"
    owner = "optim"
    depends_on = (
        "optim._compile",
        "optim._repairs",
        "optim.configs",
        "optim.engine",
        "optim.scope",
    )

    def transform(self, model: Any) -> Any:
        from optim import quantize_model

        return quantize_model(model)

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        from optim import load_model

        return load_model(path, custom_objects=dict(custom_objects))


class PruneTfmot(Float):
    """``tfmot.sparsity.keras.prune_low_magnitude`` as shipped."""

    id = "prune-tfmot"
    title = "tfmot.sparsity.keras.prune_low_magnitude(model) as shipped"
    owner = "tfmot"
    reusable = True

    def transform(self, model: Any) -> Any:
        import tensorflow_model_optimization as tfmot

        return tfmot.sparsity.keras.prune_low_magnitude(model)

    def callbacks(self) -> list[Any]:
        import tensorflow_model_optimization as tfmot

        return [tfmot.sparsity.keras.UpdatePruningStep()]

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        import tensorflow_model_optimization as tfmot

        with tfmot.sparsity.keras.prune_scope():
            return super().load(path, custom_objects)


class Prune(Float):
    """``optim.prune_low_magnitude``: recursive, passes through what has no kernel."""

    id = "prune"
    title = "optim.prune_low_magnitude(model)"
    owner = "optim"
    depends_on = (
        "optim._clone",
        "optim._compile",
        "optim.configs",
        "optim.pruning",
        "optim.pruning_calls",
        "optim.pruning_kernels",
        "optim.pruning_masks",
        "optim.pruning_wrapper",
        "optim.scope",
    )

    def transform(self, model: Any) -> Any:
        from optim import prune_low_magnitude

        return prune_low_magnitude(model)

    def callbacks(self) -> list[Any]:
        from optim import get_pruning_callbacks

        return get_pruning_callbacks()

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        from optim import load_model

        return load_model(path, custom_objects=dict(custom_objects))


for _technique in (Float, QatTfmot, QatAnnotate, Qat, PruneTfmot, Prune):
    register(_technique())
