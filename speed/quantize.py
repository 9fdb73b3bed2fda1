"""CPU cost of `optim.quantize_model`, with both sides measured in one run.

    python speed/quantize.py                      # every section
    python speed/quantize.py tfmot clone          # some
    python speed/quantize.py clone --models ResNet50 VGG16
    python speed/quantize.py --json figures.json

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

import json
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from measuring import Section, application, cpu, run

import optim  # noqa: F401  (chooses the Keras module)

TFMOT = ("MobileNetV2", "InceptionV3", "NASNetLarge")
FAMILIES = (
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2",
    "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "RegNetX002",
    "RegNetY002", "ResNet50", "ResNet50V2", "ResNetRS50", "VGG16", "Xception",
)  # fmt: skip
FLAT = ("ResNetRS50", "ResNetRS101", "ResNetRS200", "ResNetRS420")
STEP = ("MobileNetV2", "ResNet50")

_PEAK = "--peak"  # what a process of its own is started with


def against_tfmot(names: tuple[str, ...]) -> list[dict[str, Any]]:
    from optim._keras import tfmot
    from optim.quantization.api import quantize_model

    rows = []
    for name in names:
        model = application(name)
        (ours,) = cpu(partial(quantize_model, model), repeat=3, of=median)
        (theirs,) = cpu(partial(tfmot.quantization.keras.quantize_model, model), repeat=1)
        rows.append({"model": name, "ours": ours, "tfmot": theirs, "ratio": theirs / ours})
    return rows


def against_clone(names: tuple[str, ...]) -> list[dict[str, Any]]:
    from optim._keras import keras
    from optim.quantization.api import quantize_model

    rows = []
    for name in names:
        model = application(name)
        ours, clone = cpu(
            partial(quantize_model, model),
            partial(keras.models.clone_model, model),
            repeat=3,
            of=median,
        )
        rows.append({"model": name, "ours": ours, "clone": clone, "ratio": ours / clone})
    return rows


def per_layer(names: tuple[str, ...]) -> list[dict[str, Any]]:
    from optim.quantization.api import quantize_model

    rows: list[dict[str, Any]] = []
    for name in names:
        model = application(name)
        (ours,) = cpu(partial(quantize_model, model), repeat=3, of=median)
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
            [sys.executable, __file__, _PEAK, name], capture_output=True, text=True, check=True
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
    from optim.quantization.api import quantize_model

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
    from optim.quantization.api import quantize_model

    rows = []
    for name in names:
        model = application(name, 96)
        batch = np.random.default_rng(0).uniform(0, 255, (4, 96, 96, 3)).astype("float32")
        steps = []
        for function in (quantize_model, tfmot.quantization.keras.quantize_model):
            quantized = function(model)
            optimizer = keras.optimizers.SGD(1e-4)

            def step(net: Any = quantized, optimizer: Any = optimizer, batch: Any = batch) -> None:
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean(net(batch, training=True) ** 2)
                gradients = tape.gradient(loss, net.trainable_weights)
                optimizer.apply_gradients(zip(gradients, net.trainable_weights, strict=True))

            compiled = tf.function(step)
            compiled()
            steps.append(compiled)
        ours, theirs = cpu(*steps, repeat=9, of=median)
        rows.append({"model": name, "ours": ours, "tfmot": theirs, "ratio": ours / theirs})
    return rows


SECTIONS = {
    "clone": Section(against_clone, FAMILIES),
    "flat": Section(per_layer, FLAT),
    "memory": Section(memory, ("ResNet50", "VGG16", "ConvNeXtBase")),
    "step": Section(training_step, STEP),
    "tfmot": Section(against_tfmot, TFMOT),
}


if __name__ == "__main__":
    if sys.argv[1:2] == [_PEAK]:
        print(json.dumps(peak(sys.argv[2])))
    else:
        run(__doc__ or "", SECTIONS)
