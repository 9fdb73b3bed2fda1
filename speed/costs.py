"""What users pay: CPU time of loading, calibrating, exporting and reporting, and the least of it.

    python speed/costs.py                        # every section
    python speed/costs.py load preserve          # some
    python speed/costs.py load --models ResNet50
    python speed/costs.py --json figures.json

Sections:
    load      `optim.load_model` of a quantization-aware model, over `load_model` of Keras and
              the float model, which reads the same file format
    preserve  calibrating, an inference, and exporting with `preserve=`, over without, of the
              same model
    report    sorting values to count them, over `sparsity_report` of a float and an int8 file

Times are CPU seconds of the process, each the median of some repetitions in which both sides
take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from measuring import Section, application, cpu, run

import optim

LOAD = ("ResNet50", "EfficientNetB0", "MobileNetV3Small", "DenseNet121")
PRESERVE = ("ResNet50", "EfficientNetB0", "MobileNetV3Small", "RegNetX002")
REPORT = ("ResNet50", "EfficientNetB0", "MobileNetV3Small")
SIZE = 96
CLUSTERS = 16


def loading(names: tuple[str, ...]) -> list[dict[str, Any]]:
    from optim._keras import keras

    rows = []
    with TemporaryDirectory() as folder:
        for name in names:
            model = application(name)
            quantized = optim.quantize_model(model)
            for suffix in (".h5", ".keras"):
                plain, aware = Path(folder, f"float{suffix}"), Path(folder, f"qat{suffix}")
                model.save(plain)
                quantized.save(aware)
                ours, theirs = cpu(
                    partial(optim.load_model, aware),
                    partial(keras.models.load_model, plain),
                    repeat=3,
                    of=median,
                )
                rows.append(
                    {
                        "model": name,
                        "format": suffix,
                        "qat": ours,
                        "float": theirs,
                        "ratio": ours / theirs,
                    }
                )
    return rows


def preserving(names: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    images = np.random.default_rng(0).uniform(0, 255, (8, SIZE, SIZE, 3)).astype("float32")
    for name in names:
        model = few_values(application(name))
        pair = [optim.quantize_model(model, preserve=p) for p in ("both", None)]
        works: dict[str, Callable[[Any], Any]] = {
            "calibrate": lambda x: optim.calibrate(x, [images]),
            "inference": lambda x: x(images, training=False),
            "export": lambda x: optim.export(x, input_shape=(SIZE, SIZE, 3)),
        }
        for what, work in works.items():
            kept, plain = cpu(*(partial(work, x) for x in pair), repeat=3, of=median)
            rows.append(
                {
                    "model": name,
                    "what": what,
                    "preserving": kept,
                    "plain": plain,
                    "ratio": kept / plain,
                }
            )
    return rows


def reporting(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Also checks that both sides count the same."""
    images = np.random.default_rng(0).uniform(0, 255, (1, SIZE, SIZE, 3)).astype("float32")
    rows = []
    for name in names:
        model = few_values(application(name))
        quantized = optim.quantize_model(model, preserve="both", calibration_data=[images])
        for kind, one in (("float", model), ("int8", quantized)):
            content = optim.export(one, input_shape=(SIZE, SIZE, 3))

            def slowly(content: bytes = content) -> Any:
                with sorting():
                    return optim.sparsity_report(content)

            quickly = partial(optim.sparsity_report, content)
            assert quickly() == slowly()
            ours, plain = cpu(quickly, slowly, repeat=3, of=median)
            rows.append(
                {
                    "model": name,
                    "file": kind,
                    "tables": ours,
                    "sorting": plain,
                    "ratio": plain / ours,
                }
            )
    return rows


@contextmanager
def sorting() -> Iterator[None]:
    """Within it, reports sort values to count them, and add up each group on its own."""
    from optim.sparsity import litert_file, report

    def unique(values: Any) -> int | None:
        count = len(np.unique(values))
        return count if count <= report.MANY else None

    def both(values: Any, axis: int) -> tuple[int | None, int | None]:
        channels = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
        ordered = np.sort(channels, axis=1)
        changes = np.count_nonzero(ordered[:, 1:] != ordered[:, :-1], axis=1)
        most = int(changes.max()) + 1
        return unique(values), most if most <= report.MANY else None

    def satisfied(zeros: Any, axis: int, m: int, n: int) -> Any:
        length = zeros.shape[axis] // n * n
        groups = np.moveaxis(zeros, axis, -1)[..., :length].reshape(-1, n)
        return np.count_nonzero(groups, axis=1) >= m

    ways = [
        (report, "count_unique", unique),
        (report, "groups_satisfied", satisfied),
        (litert_file, "count_unique", unique),
        (litert_file, "count_both", both),
    ]
    quick = [getattr(module, name) for module, name, _ in ways]
    try:
        for module, name, way in ways:
            setattr(module, name, way)
        yield
    finally:
        for (module, name, _), way in zip(ways, quick, strict=True):
            setattr(module, name, way)


def few_values(model: Any) -> Any:
    """Return a copy with half of the weights zero, and 15 values more in each kernel."""
    sparse = optim.sparsify(model, depthwise=True)
    options = {"preserve_sparsity": True, "depthwise": True}
    return optim.uncluster(optim.cluster_weights(sparse, CLUSTERS, **options))


SECTIONS = {
    "load": Section(loading, LOAD),
    "preserve": Section(preserving, PRESERVE),
    "report": Section(reporting, REPORT),
}


if __name__ == "__main__":
    run(__doc__ or "", SECTIONS)
