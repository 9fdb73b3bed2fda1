"""`verify`: one call from a LiteRT file to all that can be said of it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from optim import litert
from optim.litert.metadata import read_metadata
from optim.litert.reader import read_subgraphs
from optim.verification.compare import check_references, compare
from optim.verification.islands import find_islands
from optim.verification.report import Report


def verify(
    source: litert.LiteRTFile | bytes | str | os.PathLike[str],
    reference: Any = None,
    data: Any = None,
    *,
    threads: int | None = None,
    kernels: str = "default",
) -> Report:
    """Look into a LiteRT file, and compare it with what it was made from.

    Args:
        source: the file's path, or its content as `optim.export` returns it; or the file as
            `optim.litert.opened` returns it.
        reference: what to compare its outputs with: a Keras model, or the path of a file that
            `optim.load_model` reads; the expected outputs (an array or a list of arrays);
            another LiteRT file; or a dict of such by name, as in
            `{"simulation": qat_model, "float": "model.keras"}`.
        data: inputs for the comparison, float values: an array of shape (samples, ...), a
            list of arrays in the order of the inputs, or a dict by input name.
        threads, kernels: for running the file, as `optim.litert.Runtime` takes them.

    Returns:
        A `Report`; `print` it, or take `to_dict()`.

    Raises:
        ModelFileError: no such file, or not a LiteRT model; a reference that cannot be loaded,
            or brings code (load it yourself then, with `safe_mode=False`).
        ConfigError: reference without data or the reverse, or ones that do not fit the file.
        MissingPackageError: `ai-edge-litert` is not installed.
    """
    file = litert.opened(source)
    references = check_references(reference, data)
    model = file.root
    metadata = read_metadata(model)
    names = [entry["name"] for entry in metadata.get("outputs", [])]
    graphs = read_subgraphs(model, metadata.get("model", ""), names)
    ends = litert.ends(model)
    report = Report(
        size=len(file.content),
        metadata=metadata,
        inputs=tuple(ends[0]),
        outputs=tuple(ends[1]),
        subgraphs=tuple(graphs),
        islands=tuple(island for graph in graphs for island in find_islands(graph)),
    )
    if not references:
        return report
    runtime = litert.Runtime(file, threads=threads, kernels=kernels)
    return replace(report, comparisons=tuple(compare(runtime, references, data, report.steps)))
