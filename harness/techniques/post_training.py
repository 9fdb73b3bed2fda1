"""Post-training quantization: without training."""

from __future__ import annotations

from collections.abc import Mapping

from harness.techniques.control import Float


class Ptq(Float):
    """Post-training quantization: of the float model, by `optim.export`."""

    owner = "LiteRT"
    group = "ours"  # the converter's arithmetic, by way of our export
    leaves_model = True
    stages = ("build", "export", "run", "parity")


class PtqInt8(Ptq):
    """Full int8 with ranges from data: what quantization costs without training."""

    id = "ptq-int8"
    title = 'optim.export(model, optimize="int8", representative_data=...)'
    answers: tuple[str, ...] = ("ptq-tflite", "ptq-aeq")
    optimize = "int8"
    int8 = True
    parity: Mapping[str, float] = {"float": 15}


class PtqDynamic(Ptq):
    """int8 weights, float activations quantized as they come."""

    id = "ptq-dynamic"
    title = 'optim.export(model, optimize="dynamic")'
    answers: tuple[str, ...] = ("ptq-aeq-dynamic",)
    optimize = "dynamic"
    parity: Mapping[str, float] = {"float": 20}


class PtqFloat16(Ptq):
    """float16 weights."""

    id = "ptq-float16"
    title = 'optim.export(model, optimize="float16")'
    optimize = "float16"
    parity: Mapping[str, float] = {"float": 40}
