"""CPU cost of `optim.prune_low_magnitude` and `cluster_weights`, both sides in one run.

    python benchmarks/prune.py                       # every section
    python benchmarks/prune.py tfmot --models VGG16 ResNet50
    python benchmarks/prune.py --json figures.json

Sections:
    tfmot    `prune_low_magnitude` against tfmot's, on applications that both take
    masks    one update of the masks of a large kernel, against tfmot's
    kmeans   centroids of a large kernel: seconds, and memory above the kernel's
    cluster  `cluster_weights` against tfmot's

Times are CPU seconds of the process, the least of some repetitions, the two sides taking
turns. The target of the section `tfmot` is a ratio of at most 0.5; beyond it the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import optim

TARGET = 0.5
APPLICATIONS = ("MobileNet", "VGG16", "ResNet50", "Xception", "InceptionV3")
CLUSTERED = ("MobileNet",)
SIZES = (1_000_000, 25_000_000)


def application(name: str) -> Any:
    from optim._keras import keras

    keras.backend.clear_session()
    constructor = getattr(keras.applications, name)
    return constructor(weights=None, include_top=False, input_shape=(None, None, 3))


def cpu(*functions: Callable[[], Any], repeat: int) -> list[float]:
    """Least CPU seconds of a call of each; the first round of several warms up."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeat + (repeat > 1)):
        for function, own in zip(functions, times, strict=True):
            before = time.process_time()
            function()
            own.append(time.process_time() - before)
    return [min(own[1:] or own) for own in times]


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

    from optim.clustering_kmeans import centroids

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


SECTIONS: dict[str, tuple[Callable[[Any], list[dict[str, Any]]], tuple[Any, ...]]] = {
    "tfmot": (against_tfmot, APPLICATIONS),
    "masks": (masks, SIZES),
    "kmeans": (kmeans, SIZES),
    "cluster": (clustering, CLUSTERED),
}


def show(title: str, rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0])
    cells = [[f"{x:.2f}" if isinstance(x, float) else str(x) for x in r.values()] for r in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    print(f"\n{title}")
    for line in (columns, *cells):
        print("  ".join(x.rjust(w) for x, w in zip(line, widths, strict=True)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; all if none")
    parser.add_argument("--models", nargs="+", help="applications to measure instead")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    unknown = set(given.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown section: {', '.join(sorted(unknown))}")
    figures = {}
    for name in given.sections or SECTIONS:
        measure, subjects = SECTIONS[name]
        by_model = name in ("tfmot", "cluster") and given.models
        figures[name] = measure(tuple(given.models) if by_model else subjects)
        show(name, figures[name])
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    return int(any(row["ratio"] > TARGET for row in figures.get("tfmot", ())))


if __name__ == "__main__":
    sys.exit(main())
