"""A trial of every file: LiteRT prepares it and runs it once, as its users will."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from optim import litert
from optim.errors import ExportError, ModelFileError, Problem
from optim.litert.operators import operator
from optim.litert.reader import Operation, Subgraph, read_subgraphs

#: XNNPACK takes only scales whose ratio, of input times kernel to output, is below this.
_MOST = 256.0

_REMEDY = "skip the layer in optim.quantize_model, or calibrate on data that it is not zero for"


def check_runs(file: litert.LiteRTFile, model_name: str) -> None:
    """Refuse a file that LiteRT does not run, with XNNPACK, which is its default.

    Files with open sizes are not tried: any size chosen here could be one too small for them.

    Args:
        file: as `litert.opened` returns it.
        model_name: the outermost scope of the names in it.

    Raises:
        ExportError: it does not; with the layers at fault, as far as they can be told.
    """
    inputs, _ = litert.ends(file.root)
    if any(-1 in one.shape or not _is_number(one.dtype) for one in inputs):
        return
    try:
        litert.Runtime(file, threads=1).latency(repeats=1, warmup=0)
    except (ModelFileError, RuntimeError, ValueError) as error:
        graphs = read_subgraphs(file.root, model_name, ())
        found = [
            _problem(op, error)
            for number, graph in enumerate(graphs)
            for op in _suspects(graph, file.root.Subgraphs(number))
        ]
        raise ExportError(found or [Problem(model_name, _reason(error), _REMEDY)]) from error


def _is_number(dtype: str) -> bool:
    try:
        return bool(np.issubdtype(np.dtype(dtype), np.number) or dtype == "bool")
    except TypeError:
        return False


def _suspects(graph: Subgraph, tensors: Any) -> Iterator[Operation]:
    """Yield operations whose scales no kernel takes."""
    for op in graph.operations:
        known = operator(op.name).linear
        if known is None or not op.quantized:
            continue
        numbers = (*(op.inputs[place] for place in known.places[:2]), op.outputs[0])
        inputs, kernel, output = (_largest_scale(tensors.Tensors(number)) for number in numbers)
        if not inputs * kernel < _MOST * output:
            yield op


def _largest_scale(tensor: Any) -> float:
    found = tensor.Quantization()
    return float(np.max(found.ScaleAsNumpy())) if found and found.ScaleLength() else 0.0


def _problem(op: Operation, error: Exception) -> Problem:
    return Problem(op.layer, f"operation {op.name}: {_reason(error)}", _REMEDY)


def _reason(error: Exception) -> str:
    return f"LiteRT does not run the file ({' '.join(str(error).split())})"
