"""CPU cost of `optim.engine.quantize_model`, with both sides measured in one run.

    python benchmarks/quantize.py                      # every section
    python benchmarks/quantize.py tfmot clone          # some
    python benchmarks/quantize.py clone --models ResNet50 VGG16
    python benchmarks/quantize.py --json figures.json

Sections:
    tfmot   against `tfmot.quantization.keras.quantize_model`
    clone   against `keras.models.clone_model`
    flat    cost per layer from the smallest to the largest network of a family
    memory  peak memory above that of the interpreter, over the float model's parameters
    step    one training step of the result, against tfmot's result

Times are CPU seconds of the process, the median of some repetitions; each figure that
depends on memory is taken in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import optim  # noqa: F401  (chooses the Keras module)

TFMOT = ("MobileNetV2", "InceptionV3", "NASNetLarge")
FAMILIES = (
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2",
    "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "RegNetX002",
    "RegNetY002", "ResNet50", "ResNet50V2", "ResNetRS50", "VGG16", "Xception",
)  # fmt: skip
FLAT = ("ResNetRS50", "ResNetRS101", "ResNetRS200", "ResNetRS420")
STEP = ("MobileNetV2", "ResNet50")


def application(name: str, shape: tuple[int | None, ...] = (None, None, 3)) -> Any:
    from optim._keras import keras

    keras.backend.clear_session()
    return getattr(keras.applications, name)(weights=None, include_top=False, input_shape=shape)


def cpu(function: Callable[[], Any], repeat: int) -> float:
    """Median CPU seconds of a call; the first one of several warms up."""
    times = []
    for _ in range(repeat + (repeat > 1)):
        before = time.process_time()
        function()
        times.append(time.process_time() - before)
    return statistics.median(times[1:] or times)


def against_tfmot(names: tuple[str, ...]) -> list[dict[str, Any]]:
    from optim._keras import tfmot
    from optim.engine import quantize_model

    rows = []
    for name in names:
        model = application(name)
        ours = cpu(partial(quantize_model, model), 3)
        theirs = cpu(partial(tfmot.quantization.keras.quantize_model, model), 1)
        rows.append({"model": name, "ours": ours, "tfmot": theirs, "ratio": theirs / ours})
    return rows


def against_clone(names: tuple[str, ...]) -> list[dict[str, Any]]:
    from optim._keras import keras
    from optim.engine import quantize_model

    rows = []
    for name in names:
        model = application(name)
        ours = cpu(partial(quantize_model, model), 3)
        clone = cpu(partial(keras.models.clone_model, model), 3)
        rows.append({"model": name, "ours": ours, "clone": clone, "ratio": ours / clone})
    return rows


def per_layer(names: tuple[str, ...]) -> list[dict[str, Any]]:
    from optim.engine import quantize_model

    rows: list[dict[str, Any]] = []
    for name in names:
        model = application(name)
        ours = cpu(partial(quantize_model, model), 3)
        layers = len(model.layers)
        each = 1000 * ours / layers
        first = rows[0]["ms per layer"] if rows else each
        rows.append(
            {
                "model": name,
                "layers": layers,
                "ours": ours,
                "ms per layer": each,
                "ratio": each / first,
            }
        )
    return rows


def memory(names: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        done = subprocess.run(
            [sys.executable, __file__, "--peak", name], capture_output=True, text=True, check=True
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    return rows


def resident() -> int:
    """Largest resident memory of this process so far, in bytes.

    Where the kernel tells it of the memory itself: the figure of `getrusage` is inherited
    from the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def peak(name: str) -> dict[str, Any]:
    """Measured in a process that does nothing else."""
    from optim.engine import quantize_model

    quantize_model(application("MobileNet"))  # everything that is loaded lazily
    base = resident()
    model = application(name)
    built = resident()
    quantize_model(model)
    parameters = 4 * model.count_params()
    return {
        "model": name,
        "parameters MB": parameters / 1e6,
        "built MB": (built - base) / 1e6,
        "peak MB": (resident() - base) / 1e6,
        "ratio": (resident() - base) / parameters,
    }


def training_step(names: tuple[str, ...]) -> list[dict[str, Any]]:
    import numpy as np

    from optim._keras import keras, tf, tfmot
    from optim.engine import quantize_model

    rows = []
    for name in names:
        model = application(name, (96, 96, 3))
        batch = np.random.default_rng(0).uniform(0, 255, (4, 96, 96, 3)).astype("float32")
        figures = {}
        for side, function in (
            ("ours", quantize_model),
            ("tfmot", tfmot.quantization.keras.quantize_model),
        ):
            quantized = function(model)
            optimizer = keras.optimizers.SGD(1e-4)

            def step(net: Any = quantized, optimizer: Any = optimizer, batch: Any = batch) -> None:
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean(net(batch, training=True) ** 2)
                gradients = tape.gradient(loss, net.trainable_weights)
                optimizer.apply_gradients(zip(gradients, net.trainable_weights, strict=True))

            compiled = tf.function(step)
            compiled()
            figures[side] = cpu(compiled, 9)
        rows.append({"model": name, **figures, "ratio": figures["ours"] / figures["tfmot"]})
    return rows


SECTIONS: dict[str, tuple[Callable[[tuple[str, ...]], list[dict[str, Any]]], tuple[str, ...]]] = {
    "clone": (against_clone, FAMILIES),
    "flat": (per_layer, FLAT),
    "memory": (memory, ("ResNet50", "VGG16", "ConvNeXtBase")),
    "step": (training_step, STEP),
    "tfmot": (against_tfmot, TFMOT),
}


def show(title: str, rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0])
    cells = [[f"{x:.2f}" if isinstance(x, float) else str(x) for x in r.values()] for r in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    print(f"\n{title}")
    for line in (columns, *cells):
        print("  ".join(x.rjust(w) for x, w in zip(line, widths, strict=True)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; all if none")
    parser.add_argument("--models", nargs="+", help="applications to measure instead")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        print(json.dumps(peak(given.peak)))
        return
    unknown = set(given.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown section: {', '.join(sorted(unknown))}")
    figures = {}
    for name in given.sections or SECTIONS:
        measure, models = SECTIONS[name]
        figures[name] = measure(tuple(given.models or models))
        show(name, figures[name])
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
