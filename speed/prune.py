"""CPU cost of `optim.prune_low_magnitude` and `cluster_weights`, both sides in one run.

    python speed/prune.py                       # every section
    python speed/prune.py tfmot --models VGG16 ResNet50
    python speed/prune.py --json figures.json

Sections:
    tfmot    `prune_low_magnitude` against tfmot's, on applications that both take
    masks    one update of the masks of a large kernel, against tfmot's
    kmeans   centroids of a large kernel: seconds, and memory above the kernel's
    cluster  `cluster_weights` against tfmot's

Times are CPU seconds of the process, the least of some repetitions, the two sides taking
turns. The target of the section `tfmot` is a ratio of at most 0.5; beyond it the exit code is 1.
"""

from __future__ import annotations

import sys
import tracemalloc
from functools import partial
from typing import Any

from measuring import Section, application, cpu, run

import optim

TARGET = 0.5
APPLICATIONS = ("MobileNet", "VGG16", "ResNet50", "Xception", "InceptionV3")
CLUSTERED = ("MobileNet",)
SIZES = (1_000_000, 25_000_000)


def against_tfmot(names: tuple[str, ...]) -> list[dict[str, Any]]:
    from optim._keras import tfmot

    rows = []
    for name in names:
        model = application(name)
        ours, theirs = cpu(
            partial(optim.prune_low_magnitude, model),
            partial(tfmot.sparsity.keras.prune_low_magnitude, model),
            repeat=3,
        )
        row = {"model": name, "layers": len(model.layers), "ours": ours, "tfmot": theirs}
        rows.append({**row, "ratio": ours / theirs})
    return rows


def masks(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    from optim._keras import keras, tfmot

    api = tfmot.sparsity.keras
    rows = []
    for size in sizes:
        updates = []
        for prune in (optim.prune_low_magnitude, api.prune_low_magnitude):
            layer = keras.layers.Dense(1000, use_bias=False)
            wrapper = prune(layer, pruning_schedule=api.ConstantSparsity(0.5, 0, frequency=1))
            wrapper.build((None, size // 1000))
            wrapper.pruning_step.assign(1)
            updates.append(wrapper.pruning_obj.conditional_mask_update)
        ours, theirs = cpu(*updates, repeat=1 if size > 5_000_000 else 3)
        rows.append({"values": size, "ours": ours, "tfmot": theirs, "ratio": ours / theirs})
    return rows


def kmeans(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    return [one_kmeans(size) for size in sizes]


def one_kmeans(size: int) -> dict[str, Any]:
    import numpy as np

    from optim.clustering.kmeans import centroids

    values = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    (seconds,) = cpu(lambda: centroids(values, 16), repeat=1)
    tracemalloc.start()
    centroids(values, 16)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "values": size,
        "kernel MB": values.nbytes / 1e6,
        "seconds": seconds,
        "more MB": peak / 1e6,
    }


def clustering(names: tuple[str, ...]) -> list[dict[str, Any]]:
    from optim._keras import tfmot

    api = tfmot.clustering.keras
    init = api.CentroidInitialization.KMEANS_PLUS_PLUS
    rows = []
    for name in names:
        times = []
        for cluster in (
            lambda model: optim.cluster_weights(model, 16),
            lambda model: api.cluster_weights(model, 16, init),
        ):
            model = application(name)  # tfmot's changes the model it is given
            times += cpu(partial(cluster, model), repeat=1)
        ours, theirs = times
        rows.append({"model": name, "ours": ours, "tfmot": theirs, "ratio": ours / theirs})
    return rows


SECTIONS = {
    "tfmot": Section(against_tfmot, APPLICATIONS),
    "masks": Section(masks, SIZES, applications=False),
    "kmeans": Section(kmeans, SIZES, applications=False),
    "cluster": Section(clustering, CLUSTERED),
}


def main() -> int:
    figures = run(__doc__ or "", SECTIONS)
    return int(any(row["ratio"] > TARGET for row in figures.get("tfmot", ())))


if __name__ == "__main__":
    sys.exit(main())
