"""What is left of zeros, patterns and clusters after training in int8, in the file.

    python speed/preserving.py                             # one member of each family
    python speed/preserving.py --models VGG16              # any application
    python speed/preserving.py --json preserving.jsonl     # goes on where it stopped

Each application is pruned or clustered, quantized so that it is preserved, trained for 20 steps
on photographs with random targets, and exported. The figures are those of the int8 file: its
sparsity over all kernels (of 0.5 aimed at), the share of groups of four weights along the inputs
with two zeros, the most different numbers in a kernel (of 16), the share of operations in int8,
and its size, compressed, over that of the float file, not compressed. `plain` is the same model in
quantization-aware training that preserves nothing: what the others are for.

The exit code is 1 if a promise is not kept.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from measuring import Kept, application, show

STEPS = 20
BATCH = 2
SIZE = 96
CLUSTERS = 16
TOLERANCE = 0.005

FAMILIES = (
    "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0", "DenseNet121",
    "NASNetMobile", "ResNet50", "ResNet50V2", "ResNetRS50", "RegNetX002", "RegNetY002",
    "ConvNeXtTiny", "InceptionV3", "InceptionResNetV2", "Xception", "VGG16",
)  # fmt: skip


def sparse(model: Any, **pattern: Any) -> Any:
    from optim import sparsify

    return sparsify(model, **(pattern or {"depthwise": True}))


def clustered(model: Any, zeros: bool = False) -> Any:
    from optim import cluster_weights, uncluster

    options = {"preserve_sparsity": zeros, "depthwise": True}
    return uncluster(cluster_weights(model, CLUSTERS, **options))


#: Technique -> how the model is made small, and what is preserved.
TECHNIQUES: dict[str, tuple[Callable[[Any], Any], str | None]] = {
    "plain": (lambda m: clustered(sparse(m), zeros=True), None),
    "pqat": (sparse, "sparsity"),
    "pqat-2x4": (lambda m: sparse(m, sparsity_m_by_n=(2, 4)), "sparsity"),
    "cqat": (clustered, "clusters"),
    "pcqat": (lambda m: clustered(sparse(m), zeros=True), "both"),
}


class Start:
    """An application with random weights, which each technique starts from.

    Attributes:
        model: never modified.
        images: of shape (8, SIZE, SIZE, 3), pixels in [0, 255].
        float_bytes: size of its float file.
    """

    def __init__(self, name: str) -> None:
        from harness.stages.inputs import photographs
        from harness.stages.inputs.conditioning import condition
        from optim import export

        # NASNet's graphs for an open size take none.
        self.model = application(name, SIZE if name.startswith("NASNet") else None)
        self.images = photographs.crops((8, SIZE, SIZE, 3), 2021)
        condition(self.model, self.images)
        self.float_bytes = len(export(self.model, input_shape=(SIZE, SIZE, 3)))


def measured(names: Sequence[str], kept: Kept) -> Iterator[dict[str, Any]]:
    """Yield the figures of each application and technique, kept ones or new ones."""
    for name in names:
        start: Start | None = None
        for technique in TECHNIQUES:
            if not kept.get(name, technique):
                start = start or Start(name)
                kept.add({"application": name, "technique": technique, **figures(start, technique)})
            yield kept.rows[name, technique]


def figures(start: Start, technique: str) -> dict[str, Any]:
    from optim import export, quantize_model, sparsity_report, verify

    reduce, preserve = TECHNIQUES[technique]
    quantized = quantize_model(
        reduce(start.model), preserve=preserve, calibration_data=[start.images]
    )
    moved = train(quantized, start.images)
    content = export(quantized, input_shape=(SIZE, SIZE, 3))
    report = sparsity_report(content)
    return {
        "trained": moved,
        "sparsity": report.total.sparsity,
        "2:4": report.total.satisfied,
        "values": max(kernel.unique for kernel in report.kernels),
        "int8 ops": verify(content).int8_ops,
        "deflated": len(zlib.compress(content, 6)) / start.float_bytes,
    }


def train(model: Any, images: Any) -> str:
    """Train a model for some steps; return how many of its variables moved, of how many."""
    import numpy as np

    from optim._keras import keras

    shape = model(images[:BATCH]).shape
    rng = np.random.default_rng(0)
    targets = rng.uniform(size=(STEPS * BATCH, *shape[1:])).astype("float32")
    for layer in model._flatten_layers():
        # Two images are too few for statistics of their own: in a random network the gradients
        # through them grow from layer to layer, beyond all numbers in the end.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    model.compile(keras.optimizers.Adam(1e-4, clipnorm=1.0), "mse", run_eagerly=True)
    before = [w.numpy() for w in model.trainable_weights]
    steps = np.resize(images, (STEPS * BATCH, *images.shape[1:]))
    model.fit(steps, targets, batch_size=BATCH, verbose=0)
    pairs = zip(before, model.trainable_weights, strict=True)
    return f"{sum((a != b.numpy()).any() for a, b in pairs)}/{len(before)}"


def is_kept(row: dict[str, Any]) -> bool:
    """Whether a row is what its technique promises."""
    technique = row["technique"]
    return (
        row["int8 ops"] == 1
        and {
            "plain": lambda: True,
            "pqat": lambda: abs(row["sparsity"] - 0.5) <= TOLERANCE,
            "pqat-2x4": lambda: row["2:4"] == 1,
            "cqat": lambda: row["values"] <= CLUSTERS,
            "pcqat": lambda: row["values"] <= CLUSTERS and abs(row["sparsity"] - 0.5) <= TOLERANCE,
        }[technique]()
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", help="default: one member of each family")
    parser.add_argument("--json", type=Path, help="JSON lines; what is found there is done")
    given = parser.parse_args()
    names = given.models or FAMILIES
    rows = []
    for row in measured(names, Kept(given.json, ("application", "technique"))):
        rows.append(row)
        done = f"[{len(rows)}/{len(names) * len(TECHNIQUES)}]"
        print(done, row["application"], row["technique"], file=sys.stderr, flush=True)
    show("preserving", rows)
    lost = [f"{row['application']} {row['technique']}" for row in rows if not is_kept(row)]
    print(f"{len(rows) - len(lost)} of {len(rows)} as promised", *lost, sep="\n  ")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
