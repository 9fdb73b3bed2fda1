"""The built-in techniques, registered through the same door as a plug-in's."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.techniques import register
from harness.words import STAGES


class Float:
    """Nothing: the control. If it fails, the other columns are blocked."""

    id = "float"
    title = "the model as built: the control"
    owner = "tf_keras"
    reusable = False
    depends_on: tuple[str, ...] = ()
    exports_with: tuple[str, ...] = ("optim.engine",)  # lowered on the way to the file
    preserves = True
    int8 = False
    stages = STAGES
    parity: Mapping[str, float] = {"simulation": 60, "float": 60}

    #: How `optim.export` quantizes a float model after training; None: not at all.
    optimize: str | None = None

    def transform(self, model: Any) -> Any:
        return model

    def calibrate(self, model: Any, data: Any) -> None:
        pass

    def export(self, model: Any, path: Path, input_shape: Any, data: Any) -> None:
        from optim import export

        representative = data if self.optimize in ("int8", "int16x8") else None
        export(
            model,
            path,
            input_shape=input_shape,
            optimize=self.optimize,
            representative_data=representative,
        )

    def callbacks(self) -> list[Any]:
        return []

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        from tf_keras.models import load_model

        return load_model(path, custom_objects=dict(custom_objects))


class Quantized(Float):
    """What the techniques for quantization-aware training share: ranges set from data."""

    parity: Mapping[str, float] = {"simulation": 20, "float": 15}
    exports_with = (
        "optim.batches",
        "optim.engine.calibrate",
        "optim.engine.observers",
        "optim.tapping",
    )

    def calibrate(self, model: Any, data: Any) -> None:
        from optim import calibrate

        calibrate(model, data)


class QatTfmot(Quantized):
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


class QatAnnotate(Quantized):
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


class Qat(Quantized):
    """``optim.quantize_model``: every tensor where LiteRT wants it, in linear time."""

    id = "qat"
    title = "optim.quantize_model(model)"
    owner = "optim"
    int8 = True
    depends_on = (
        "optim._compile",
        "optim._repairs",
        "optim.configs",
        "optim.engine",
        "optim.scope",
        "optim.selecting",
    )

    def transform(self, model: Any) -> Any:
        from optim import quantize_model

        return quantize_model(model)

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        from optim import load_model

        return load_model(path, custom_objects=dict(custom_objects))


class Pruned(Float):
    """What the pruning techniques share: their result is another function than the model.

    It is exported with the masks of the training step and the weights from before it: random
    targets can throw a network so far off that a file and a model, which add in another
    order, have nothing in common any more.
    """

    preserves = False
    parity: Mapping[str, float] = {"simulation": 60}
    exports_with = (
        "optim.engine",
        "optim.pruning",
        "optim.pruning_kernels",
        "optim.pruning_wrapper",
        "optim.stripping",
    )

    #: Variables that the training step is for.
    state = ("mask", "threshold", "pruning_step")

    _before: Any = None  # a file of the weights, in their order

    def callbacks(self) -> list[Any]:
        import numpy as np
        from tf_keras.callbacks import LambdaCallback

        self._before = tempfile.TemporaryFile()  # noqa: SIM115  # open until `calibrate`

        def remember(logs: Any = None) -> None:
            for weight in callback.model.weights:
                np.save(self._before, weight.numpy())

        callback = LambdaCallback(on_train_begin=remember)
        return [callback]

    def calibrate(self, model: Any, data: Any) -> None:
        import numpy as np

        self._before.seek(0)
        for weight in model.weights:
            value = np.load(self._before)
            if not any(part in weight.name for part in self.state):
                weight.assign(value)


class PruneTfmot(Pruned):
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

        return [*super().callbacks(), tfmot.sparsity.keras.UpdatePruningStep()]

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        import tensorflow_model_optimization as tfmot

        with tfmot.sparsity.keras.prune_scope():
            return super().load(path, custom_objects)


class Prune(Pruned):
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
        "optim.selecting",
    )

    def transform(self, model: Any) -> Any:
        from optim import prune_low_magnitude

        return prune_low_magnitude(model)

    def callbacks(self) -> list[Any]:
        from optim import get_pruning_callbacks

        return [*super().callbacks(), *get_pruning_callbacks()]

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        from optim import load_model

        return load_model(path, custom_objects=dict(custom_objects))


class Ptq(Float):
    """Post-training quantization: the float model, quantized by the converter."""

    owner = "LiteRT"
    stages = ("build", "export", "run", "parity")


class PtqInt8(Ptq):
    """Full int8 with ranges from data; the control of what quantization costs."""

    id = "ptq-int8"
    title = 'optim.export(model, optimize="int8", representative_data=...)'
    optimize = "int8"
    int8 = True
    parity: Mapping[str, float] = {"float": 15}


class PtqDynamic(Ptq):
    """int8 weights, float activations quantized as they come."""

    id = "ptq-dynamic"
    title = 'optim.export(model, optimize="dynamic")'
    optimize = "dynamic"
    parity: Mapping[str, float] = {"float": 20}


class PtqFloat16(Ptq):
    """float16 weights."""

    id = "ptq-float16"
    title = 'optim.export(model, optimize="float16")'
    optimize = "float16"
    parity: Mapping[str, float] = {"float": 40}


for _technique in (
    *(Float, QatTfmot, QatAnnotate, Qat, PtqInt8, PtqDynamic, PtqFloat16),
    *(PruneTfmot, Prune),
):
    register(_technique())
