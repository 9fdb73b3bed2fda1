"""ai-edge-quantizer: it takes the float file, and needs neither Keras nor TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.techniques.peers.peer import Peer, one_by_one


class Aeq(Peer):
    """A ready-made recipe of ai-edge-quantizer, applied to the float control's file."""

    owner = "ai-edge-quantizer"
    distributions = ("ai-edge-quantizer",)

    #: Name of a function of `ai_edge_quantizer.recipe`.
    recipe: str

    def export(self, model: Any, path: Path, input_shape: Any, data: Any) -> None:
        from ai_edge_quantizer import quantizer, recipe

        from optim import export

        float_file = path.with_name("float-for-aeq.tflite")
        try:
            export(model, float_file, input_shape=input_shape)
            made = quantizer.Quantizer(str(float_file))
            made.load_quantization_recipe(getattr(recipe, self.recipe)())
            ranges = self.ranges(made, float_file, data) if made.need_calibration else None
            made.quantize(ranges, enable_progress_report=False).export_model(str(path), True)
        finally:
            float_file.unlink(missing_ok=True)

    def ranges(self, made: Any, float_file: Path, data: Any) -> Any:
        """Take ranges in the mode that its documentation recommends."""
        from ai_edge_quantizer import calibrator

        from optim.litert import Runtime

        names = Runtime(float_file).interpreter.get_signature_list()
        ((signature, ends),) = names.items()
        samples = [dict(zip(ends["inputs"], sample, strict=True)) for sample in one_by_one(data)]
        mode = calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED
        return made.calibrate({signature: samples}, num_threads=1, mode=mode)


class PtqAeq(Aeq):
    """Weights and activations in int8, with ranges from data.

    What it has no int8 for stays float: it promises no file without float islands.
    """

    id = "ptq-aeq"
    title = "ai_edge_quantizer: recipe.static_wi8_ai8() on the float file"
    recipe = "static_wi8_ai8"
    parity: Mapping[str, float] = {"float": 15}


class PtqAeqDynamic(Aeq):
    """Weights in int8, activations quantized as they come."""

    id = "ptq-aeq-dynamic"
    title = "ai_edge_quantizer: recipe.dynamic_wi8_afp32() on the float file"
    recipe = "dynamic_wi8_afp32"
    parity: Mapping[str, float] = {"float": 20}
