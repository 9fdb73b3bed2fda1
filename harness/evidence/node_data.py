"""Numbers for the nodes of a LiteRT file, in the form that Model Explorer overlays.

The "node data" of one graph: ``results`` by node, each with a ``value``; a node is named by a
tensor that it puts out. The viewer lays such a file over the graph that it shows.
Source: `GraphNodeData` in `model_explorer.node_data_builder` of ai-edge-model-explorer 0.1.34.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optim.litert import LiteRTFile

#: Colours by stop, from the least value to the greatest.
BAD_TO_GOOD = ((0.0, "#d9534f"), (0.5, "#f0ad4e"), (1.0, "#5cb85c"))

#: Colours by what an operation computes with.
KINDS = {"int8": "#5cb85c", "int16x8": "#5bc0de", "float": "#d9534f", "hybrid": "#f0ad4e",
         "conversion": "#f0ad4e", "other": "#bbbbbb"}  # fmt: skip

#: What no longer makes a difference, in dB.
MOST_DB = 60.0


def gradient(name: str, values: Mapping[str, float]) -> str:
    """Return numbers, coloured from the least to the greatest, as JSON."""
    data = {
        "name": name,
        "results": {node: {"value": round(value, 2)} for node, value in values.items()},
        "gradient": [{"stop": stop, "bgColor": colour} for stop, colour in BAD_TO_GOOD],
    }
    return _written(data)


def words(name: str, values: Mapping[str, str]) -> str:
    """Return a word for each node, with a colour of its own, as JSON."""
    data = {
        "name": name,
        "results": {
            node: {"value": word, "bgColor": KINDS.get(word, "#ffffff")}
            for node, word in values.items()
        },
    }
    return _written(data)


def _written(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False)


def kinds(file: Path) -> dict[str, str]:
    """Return what each operation of a file computes with, by the tensor that it puts out."""
    graph = _graph(file)
    return {graph.tensors[o.outputs[0]].name: o.kind for o in graph.operations if o.outputs}


def layer_sqnr(file: Path, float_file: Path, samples: Any) -> dict[str, float]:
    """Compare a file with the float model's, layer by layer.

    Args:
      file: of the case.
      float_file: of the float model.
      samples: inputs of both: an array, or a list of them.

    Returns:
      By name of the tensor in `file` with a layer's last output: its SQNR in dB, against the
      output of the layer of the same name. Layers that have become others are left out.
    """
    from optim.verification.compare import sqnr

    found, wanted = (_outputs(one, samples) for one in (file, float_file))
    same = {}
    for layer, (tensor, value) in found.items():
        other = wanted.get(layer)
        if other is not None and other[1].shape == value.shape:
            ratio = sqnr(other[1], value)
            same[tensor] = max(-MOST_DB, min(MOST_DB, ratio)) if not math.isnan(ratio) else 0.0
    return same


def _graph(file: Path | LiteRTFile) -> Any:
    from optim import litert
    from optim.litert.reader import read_subgraphs

    model = litert.opened(file).root
    return read_subgraphs(model, "", ())[0]


def _outputs(file: Path, samples: Any) -> dict[str, tuple[str, Any]]:
    """Return the last output of each layer on the first sample: its tensor, and the values."""
    import numpy as np

    from optim import litert

    opened = litert.opened(file)
    graph = _graph(opened)
    # Without delegates: what these compute inside, nobody sees.
    runtime = litert.Runtime(opened, kernels="builtin", keep_tensors=True, threads=1)
    first = [x[:1] for x in samples] if isinstance(samples, list) else samples[:1]
    runtime.run(first)
    found = {}
    for operation in graph.operations:
        number = operation.outputs[0] if operation.outputs else None
        if number is None or operation.kind == "conversion":
            continue
        tensor = graph.tensors[number]
        value = runtime.tensor(number).astype(np.float64)
        if tensor.scale is not None:
            value = (value - (tensor.zero_point or 0)) * tensor.scale
        found[operation.layer] = (tensor.name, value)
    return found
