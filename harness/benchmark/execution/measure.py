"""Measuring a trained model and its file; imports what runs LiteRT files."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

import optim
from optim.litert import Runtime

#: What zlib, gzip and zip archives use if nothing else is said.
DEFLATE_LEVEL = 6

#: Images that go through a Keras model at once.
_BATCH = 150


def accuracy(model: Any, images: Any, labels: Any) -> float:
    """Return the share of images, 0 to 1, whose largest logit is that of their class."""
    parts = range(0, len(images), _BATCH)
    found = [model(images[i : i + _BATCH], training=False).numpy() for i in parts]
    return _share(np.concatenate(found), labels)


def _share(logits: Any, labels: Any) -> float:
    return float(np.mean(np.argmax(logits, axis=-1) == labels))


def sizes(content: bytes) -> dict[str, int]:
    """Return bytes of a file as it is, and as an archive would hold it."""
    deflated = len(zlib.compress(content, DEFLATE_LEVEL))
    return {"file_bytes": len(content), "deflated_bytes": deflated}


def weights(content: bytes) -> dict[str, Any]:
    """Return what is left of pruning and clustering in a file.

    `sparsity` is of all kernels, as in the matrix. Depthwise kernels are neither pruned nor
    clustered unless asked for: `kernel_sparsity` and `unique_weights`, the most different
    values that one kernel has, are of the others; the latter is None above 1024.
    """
    report = optim.sparsity_report(content)
    kernels = [k for k in report.kernels if not k.kernel.startswith("depthwise")]
    size = sum(k.size for k in kernels)
    counts = [k.unique for k in kernels]
    known = [count for count in counts if count is not None]
    return {
        "sparsity": report.total.sparsity,
        "kernel_sparsity": sum(k.sparsity * k.size for k in kernels) / size if size else 0.0,
        "unique_weights": max(known) if len(known) == len(counts) and known else None,
    }


def run(content: bytes, images: Any, labels: Any, repeats: int) -> dict[str, float]:
    """Return accuracy and latency of a file on one thread.

    Args:
      content: of the file.
      images: float pixels, ``(count, size, size, 3)``.
      labels: classes, ``(count,)``.
      repeats: inferences of one image to take the time of.
    """
    runtime = Runtime(content, threads=1)
    logits = runtime.run(images)[0]
    taken = runtime.latency(repeats=repeats, inputs=images[:1])
    return {
        "file_accuracy": _share(logits, labels),
        "latency_ms": taken.median,
        "latency_best_ms": taken.best,
    }
