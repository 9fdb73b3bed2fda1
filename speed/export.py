"""CPU cost and outcome of `optim.export`, with both sides measured in one run.

    python speed/export.py                       # every section
    python speed/export.py tfmot float           # some
    python speed/export.py coverage --models MobileNetV2 ConvNeXtTiny
    python speed/export.py --json figures.json

Sections:
    tfmot     quantize and export, against `tfmot...quantize_model` and
              `TFLiteConverter.from_keras_model`; and the export alone
    float     export of the float model, against `from_keras_model`: time, size, operations
    build     quantize and export, against building the float model
    coverage  of the int8 file: operations and multiply-accumulates in int8, float islands,
              size against the float file, SQNR against simulation and float model, latency

Times are CPU seconds of the process (`time.process_time`). Models have no top and take 96x96
pixels. Where outputs are compared, they have the weights and photographs of the harness.
"""

from __future__ import annotations

import statistics
from typing import Any

import measuring
from measuring import Section, run, timed

import optim

SIZE = 96
AGAINST = ("MobileNetV2",)
FAMILIES = (
    "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "DenseNet121", "ResNet50",
    "ConvNeXtTiny", "RegNetY002", "NASNetMobile",
)  # fmt: skip


def application(name: str) -> Any:
    return measuring.application(name, SIZE)


def usual_way(model: Any, quantized: bool) -> bytes:
    from optim._keras import tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())


def counts(content: bytes) -> dict[str, int]:
    return {name: sum(row.values()) for name, row in optim.verify(content).histogram.items()}


def warm_up() -> None:
    """Import and initialise what the first export of a process pays for, for both sides."""
    from optim._keras import keras

    model = keras.Sequential([keras.layers.Dense(2, input_shape=(2,))])
    optim.export(optim.quantize_model(model))
    usual_way(model, quantized=False)


def against_tfmot(names: tuple[str, ...]) -> list[dict[str, Any]]:
    from optim._keras import tfmot

    rows = []
    for name in names:
        model = application(name)
        quantize, ours = timed(lambda model=model: optim.quantize_model(model))
        export, _ = timed(lambda ours=ours: optim.export(ours))
        their_quantize, theirs = timed(
            lambda model=model: tfmot.quantization.keras.quantize_model(model)
        )
        their_export, _ = timed(lambda theirs=theirs: usual_way(theirs, quantized=True))
        same, _ = timed(lambda theirs=theirs: optim.export(theirs))
        rows.append(
            {
                "model": name,
                "quantize": quantize,
                "export": export,
                "tfmot_quantize": their_quantize,
                "from_keras_model": their_export,
                "export_of_tfmot": same,
                "ratio": (their_quantize + their_export) / (quantize + export),
                "ratio_export": their_export / export,
                "ratio_export_same_model": their_export / same,
            }
        )
    return rows


def against_float(names: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        model = application(name)
        ours, file = timed(lambda model=model: optim.export(model))
        theirs, other = timed(lambda model=model: usual_way(model, quantized=False))
        rows.append(
            {
                "model": name,
                "export": ours,
                "from_keras_model": theirs,
                "ratio": theirs / ours,
                "size": len(file) / len(other),
                "same_operations": counts(file) == counts(other),
            }
        )
    return rows


def against_build(names: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        build, model = timed(lambda name=name: application(name))
        quantize, quantized = timed(lambda model=model: optim.quantize_model(model))
        export, _ = timed(lambda quantized=quantized: optim.export(quantized))
        rows.append(
            {
                "model": name,
                "build": build,
                "quantize": quantize,
                "export": export,
                "ratio": (quantize + export) / build,
            }
        )
    rows.append({"model": "median", "ratio": statistics.median(r["ratio"] for r in rows)})
    return rows


def coverage(names: tuple[str, ...]) -> list[dict[str, Any]]:
    from harness.stages.inputs import conditioning, photographs
    from optim import litert

    rows = []
    pixels = photographs.crops((8, SIZE, SIZE, 3), seed=0)
    for name in names:
        model = application(name)
        conditioning.condition(model, pixels)
        quantized = optim.quantize_model(model, calibration_data=[pixels])
        file, plain = optim.export(quantized), optim.export(model)
        report = optim.verify(file, {"simulation": quantized, "float": model}, pixels)
        close = {c.reference: c.sqnr for c in report.comparisons}
        times = [litert.Runtime(f, threads=1).latency().median for f in (plain, file)]
        rows.append(
            {
                "model": name,
                "int8_ops": report.int8_ops,
                "int8_macs": report.int8_macs,
                "islands": len(report.islands),
                "size": len(file) / len(plain),
                "sqnr_simulation": close["simulation"],
                "sqnr_float": close["float"],
                "float_ms": times[0],
                "int8_ms": times[1],
                "speedup": times[0] / times[1],
            }
        )
    return rows


SECTIONS = {
    "tfmot": Section(against_tfmot, AGAINST),
    "float": Section(against_float, AGAINST),
    "build": Section(against_build, FAMILIES),
    "coverage": Section(coverage, FAMILIES),
}


if __name__ == "__main__":
    run(__doc__ or "", SECTIONS, before=warm_up)
