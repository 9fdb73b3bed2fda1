"""CPU cost and outcome of `optim.export`, with both sides measured in one run.

    python benchmarks/export.py                       # every section
    python benchmarks/export.py tfmot float           # some
    python benchmarks/export.py coverage --models MobileNetV2 ConvNeXtTiny
    python benchmarks/export.py --json figures.json

Sections:
    tfmot     quantize and export, against `tfmot...quantize_model` and
              `TFLiteConverter.from_keras_model`; and the export alone
    float     export of the float model, against `from_keras_model`: time, size, operations
    build     quantize and export, against building the float model
    coverage  of the int8 file: operations and multiply-accumulates in int8, float islands,
              size against the float file, SQNR against simulation and float model, latency

Times are CPU seconds of the process (`time.process_time`). Models have no top, take 96x96
pixels, and have random weights with each BatchNormalization scaled so that signals keep
their size; ranges come from photographs that scikit-image ships.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import optim

SIZE = 96
AGAINST = ("MobileNetV2",)
FAMILIES = (
    "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "DenseNet121", "ResNet50",
    "ConvNeXtTiny", "RegNetY002", "NASNetMobile",
)  # fmt: skip

# Applications that want pixels scaled to [-1, 1]; the others scale them themselves or take
# them as they are.
SCALED = ("MobileNetV2", "DenseNet121", "ResNet50", "NASNetMobile")


def application(name: str) -> Any:
    from optim._keras import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    constructor = getattr(keras.applications, name)
    return constructor(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))


def photographs(name: str, count: int = 8) -> np.ndarray:
    """Pieces of photographs, as the application takes them: (count, 96, 96, 3) float32."""
    from skimage import data

    pictures = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    rng = np.random.default_rng(0)
    pieces = []
    for i in range(count):
        picture = pictures[i % len(pictures)]
        y, x = (int(rng.integers(0, s - 2 * SIZE)) for s in picture.shape[:2])
        pieces.append(picture[y : y + 2 * SIZE : 2, x : x + 2 * SIZE : 2])
    pixels = np.asarray(pieces, np.float32)
    return pixels / 127.5 - 1 if name in SCALED else pixels


def keep_size(model: Any, pixels: np.ndarray) -> None:
    """Set BatchNormalization statistics so that each divides by the size of its input.

    Means stay 0: centred random features would make the network amplify every error.
    """
    from optim._keras import keras, tf

    layer_class = keras.layers.BatchNormalization
    original = layer_class.call

    def call(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        size = tf.reduce_mean(tf.cast(inputs, tf.float32) ** 2)
        self.moving_mean.assign(tf.zeros_like(self.moving_mean))
        self.moving_variance.assign(tf.fill(self.moving_variance.shape, size))
        return original(self, inputs, training=False)

    layer_class.call = call
    try:
        model(pixels, training=False)
    finally:
        layer_class.call = original


def cpu(function: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and its result."""
    before = time.process_time()
    result = function()
    return time.process_time() - before, result


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
        quantize, ours = cpu(lambda model=model: optim.quantize_model(model))
        export, _ = cpu(lambda ours=ours: optim.export(ours))
        their_quantize, theirs = cpu(
            lambda model=model: tfmot.quantization.keras.quantize_model(model)
        )
        their_export, _ = cpu(lambda theirs=theirs: usual_way(theirs, quantized=True))
        same, _ = cpu(lambda theirs=theirs: optim.export(theirs))
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
        ours, file = cpu(lambda model=model: optim.export(model))
        theirs, other = cpu(lambda model=model: usual_way(model, quantized=False))
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
        build, model = cpu(lambda name=name: application(name))
        quantize, quantized = cpu(lambda model=model: optim.quantize_model(model))
        export, _ = cpu(lambda quantized=quantized: optim.export(quantized))
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
    from optim import litert

    rows = []
    for name in names:
        model, pixels = application(name), photographs(name)
        keep_size(model, pixels)
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


SECTIONS: dict[str, tuple[Callable[[tuple[str, ...]], list[dict[str, Any]]], tuple[str, ...]]] = {
    "tfmot": (against_tfmot, AGAINST),
    "float": (against_float, AGAINST),
    "build": (against_build, FAMILIES),
    "coverage": (coverage, FAMILIES),
}


def show(title: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{title}")
    columns = list(rows[0])
    cells = [[_cell(row.get(c, "")) for c in columns] for row in rows]
    width = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in [columns, *cells]:
        print("  ".join(x.rjust(w) for x, w in zip(line, width, strict=True)), flush=True)


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sections", nargs="*", help=f"some of {', '.join(SECTIONS)}")
    parser.add_argument("--models", nargs="+", help="applications instead of the default ones")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    unknown = sorted(set(given.sections) - set(SECTIONS))
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    warm_up()
    figures = {}
    for name in given.sections or SECTIONS:
        function, models = SECTIONS[name]
        figures[name] = function(tuple(given.models or models))
        show(name, figures[name])
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
