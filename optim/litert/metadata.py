"""What a file says of itself: one JSON entry, and a signature that names inputs and outputs."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from optim.errors import ModelFileError
from optim.litert import flatbuffer
from optim.litert.damage import damage_refused

SIGNATURE = "serving_default"
ENTRY = "optim"  # name of the entry in the file's metadata
FORMAT = 1  # version of the JSON in it

_PACKAGES = ("tensorflow", "tf_keras", "tensorflow-model-optimization")
_OWN_PACKAGE = "tfmot-matrix"


@cache
def versions() -> dict[str, str]:
    """Return the versions of the packages that make a file, by distribution name."""
    found = {}
    for name in (*_PACKAGES, _OWN_PACKAGE):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # a source tree that is not installed
            found[name] = "unknown"
    return found


def annotate(
    model: Any,
    input_names: Sequence[str],
    output_names: Sequence[str],
    facts: dict[str, Any],
) -> None:
    """Write a signature `serving_default` and an entry `optim` into a file.

    Args:
        model: the file, from `unpack`, with one subgraph. Modified in place.
        input_names, output_names: of the model, in the order of the file.
        facts: what else the JSON entry is to hold.
    """
    schema = flatbuffer.schema()
    graph = model.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.subgraphIndex = 0
    signature.inputs = _tensor_map(schema, input_names, graph.inputs)
    signature.outputs = _tensor_map(schema, output_names, graph.outputs)
    model.signatureDefs = [signature]
    entry = {
        "format": FORMAT,
        **facts,
        "inputs": _describe(schema, graph, graph.inputs, input_names),
        "outputs": _describe(schema, graph, graph.outputs, output_names),
        "versions": versions(),
    }
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    _set_entry(schema, model, ENTRY, text.encode())


def _tensor_map(schema: Any, names: Sequence[str], tensors: Any) -> list[Any]:
    maps = []
    for name, index in zip(names, tensors, strict=True):
        entry = schema.TensorMapT()
        entry.name = name
        entry.tensorIndex = int(index)
        maps.append(entry)
    return maps


def _describe(schema: Any, graph: Any, tensors: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    """Name, shape, dtype, and the range of values that the file can represent."""
    rows = []
    for name, index in zip(names, tensors, strict=True):
        tensor = graph.tensors[index]
        shape = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
        rows.append(
            {
                "name": name,
                "shape": [int(size) for size in ([] if shape is None else shape)],
                "dtype": flatbuffer.dtype_name(tensor.type),
                "range": _range(schema, graph, index),
            }
        )
    return rows


def _range(schema: Any, graph: Any, index: int) -> list[float] | None:
    """The range of a quantized tensor, or of the one that a conversion makes of it."""
    candidates = [index]
    for operator in graph.operators:
        if not len(operator.inputs) or not len(operator.outputs):
            continue  # it makes, or sets, a variable
        if index in (operator.inputs[0], operator.outputs[0]):
            candidates += [int(operator.inputs[0]), int(operator.outputs[0])]
    for candidate in candidates:
        tensor = graph.tensors[candidate]
        limits = flatbuffer.integer_range(tensor.type)
        q = tensor.quantization
        if limits and q is not None and q.scale is not None and len(q.scale) == 1:
            scale, zero = float(q.scale[0]), int(q.zeroPoint[0])
            return [scale * (limits[0] - zero), scale * (limits[1] - zero)]
    return None


def _set_entry(schema: Any, model: Any, name: str, data: bytes) -> None:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = name
    entry.buffer = len(model.buffers) - 1
    kept = [m for m in model.metadata or () if m.name not in (name, name.encode())]
    model.metadata = [*kept, entry]


@damage_refused()
def read_metadata(model: Any) -> dict[str, Any]:
    """Return the JSON entry of a file; empty if `optim.export` did not write it.

    Keys: `format`, `model` (name), `techniques`, `scheme`, `io_dtype`, `inputs` and
    `outputs` (each a list of name, shape, dtype and range of values), `versions`.

    Args:
        model: its root table, from `parse`.

    Raises:
        ModelFileError: the entry is damaged.
    """
    for i in range(model.MetadataLength()):
        entry = model.Metadata(i)
        if entry.Name() == ENTRY.encode():
            data = model.Buffers(entry.Buffer()).DataAsNumpy()
            try:
                return _checked(json.loads(bytes(data)))
            except (TypeError, ValueError, RecursionError) as error:
                raise ModelFileError(
                    f"the entry {ENTRY!r} of the file is damaged: make or fetch the file again"
                ) from error
    return {}


def _checked(entry: Any) -> dict[str, Any]:
    """The entry, if what others rely on has the types that they rely on."""
    facts = dict(entry)
    rows = [dict(row) for row in (*facts.get("inputs", []), *facts.get("outputs", []))]
    words = [facts.get(name, "") for name in ("model", "scheme", "io_dtype")]
    words += [*facts.get("techniques", []), *dict(facts.get("versions", {})).values()]
    words += [row.get("name") for row in rows]
    if not all(isinstance(word, str) for word in words):
        raise TypeError("a name that is no text")
    for row in rows:
        low, high = row.get("range") or (0, 0)
        if not all(isinstance(end, (int, float)) for end in (low, high)):
            raise TypeError("a range that is no pair of numbers")
    return facts
