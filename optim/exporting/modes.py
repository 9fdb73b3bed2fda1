"""The ways to quantize at export, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace

_INT16 = "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"


@dataclass(frozen=True)
class Mode:
    """One way to make a file of a graph.

    Attributes:
        technique: the project's word for it.
        scheme: bits: "float32", "float16", "dynamic", "int8" or "int16x8".
        quantizes: whether the converter optimizes at all.
        ops: names of the `tf.lite.OpsSet`s it may use; float ones where int ones lack.
        types: dtypes of weights, if the converter has to be told.
        calibrates: whether it needs representative data.
        lowers: whether float layers are first rewritten into ones with int8 kernels.
        drops_fake_quants: whether ranges of activations come from data even so.
        io_dtypes: dtypes that inputs and outputs can have in the file.
    """

    technique: str
    scheme: str
    quantizes: bool = True
    ops: tuple[str, ...] = ("TFLITE_BUILTINS",)
    types: tuple[str, ...] = ()
    calibrates: bool = False
    lowers: bool = False
    drops_fake_quants: bool = False
    io_dtypes: tuple[str, ...] = ("float32",)


_INT8_IO = ("float32", "int8", "uint8")
_INT16_IO = ("float32", "int16")

FLOAT = Mode("float", "float32", quantizes=False)

# Quantization-aware models, by the bits of their activations.
QAT: dict[str, Mode] = {
    "int8": Mode("qat", "int8", io_dtypes=_INT8_IO),
    "int16x8": Mode(
        "qat",
        "int16x8",
        ops=(_INT16, "TFLITE_BUILTINS"),
        calibrates=True,
        drops_fake_quants=True,
        io_dtypes=_INT16_IO,
    ),
}

SIMULATED = replace(QAT["int8"], technique="ptq-int8")
"""Float models, made quantization-aware for their file alone."""

# Float models, by what `optim.export(optimize=...)` says.
PTQ: dict[str, Mode] = {
    "dynamic": Mode("ptq-dynamic", "dynamic"),
    "int8": Mode(
        "ptq-int8",
        "int8",
        ops=("TFLITE_BUILTINS_INT8", "TFLITE_BUILTINS"),
        calibrates=True,
        lowers=True,
        io_dtypes=_INT8_IO,
    ),
    "int16x8": Mode(
        "ptq-int16x8",
        "int16x8",
        ops=(_INT16, "TFLITE_BUILTINS"),
        calibrates=True,
        lowers=True,
        io_dtypes=_INT16_IO,
    ),
    "float16": Mode("ptq-float16", "float16", types=("float16",)),
}

IO_DTYPES = ("float32", "int8", "uint8", "int16")
