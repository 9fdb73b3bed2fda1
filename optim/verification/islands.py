"""Float islands: where a quantized file goes to float and back."""

from __future__ import annotations

from dataclasses import dataclass

from optim.litert.reader import Operation, Subgraph


@dataclass(frozen=True)
class Island:
    """Connected float operations in a file that is quantized elsewhere.

    Attributes:
        layers: the layers that caused it, in order, once each.
        operations: names of its float operations; empty for a mere change of scale by way
            of float.
        conversions: number of QUANTIZE and DEQUANTIZE operations around it.
        macs: multiply-accumulates in float.
        position: "inside", or "input" or "output" if it touches a float input or output of
            the model.
    """

    layers: tuple[str, ...]
    operations: tuple[str, ...]
    conversions: int
    macs: int
    position: str

    def __str__(self) -> str:
        names = ", ".join(self.layers) or "?"
        what = ", ".join(dict.fromkeys(self.operations)) or "change of scale"
        return f"{names}: {what} ({self.position}, {self.conversions} conversions)"


def find_islands(graph: Subgraph) -> list[Island]:
    """Find the float islands of a subgraph, in execution order.

    The QUANTIZE of a float input and the DEQUANTIZE of a float output are none, and a
    graph in which nothing is quantized has none.
    """
    operations = graph.operations
    if not any(op.quantized or op.kind == "conversion" for op in operations):
        return []
    floating = [i for i, op in enumerate(operations) if op.kind in _FLOATING]
    return [
        _island([operations[i] for i in part], graph)
        for part in _components(floating, graph)
        if not _is_boundary([operations[i] for i in part], graph)
    ]


_FLOATING = ("float", "hybrid", "conversion")


def _components(numbers: list[int], graph: Subgraph) -> list[list[int]]:
    """Operations joined by float activations, in order of the first of each."""
    parent = {i: i for i in numbers}

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    made_by: dict[int, int] = {}
    for i in numbers:
        op = graph.operations[i]
        for tensor in op.inputs:
            if tensor in made_by and _is_float(graph, tensor):
                a, b = sorted((root(made_by[tensor]), root(i)))
                parent[b] = a
        made_by.update(dict.fromkeys(op.outputs, i))
    parts: dict[int, list[int]] = {}
    for i in numbers:
        parts.setdefault(root(i), []).append(i)
    return list(parts.values())


def _is_float(graph: Subgraph, tensor: int) -> bool:
    return graph.tensors[tensor].dtype.startswith("float")


def _is_boundary(part: list[Operation], graph: Subgraph) -> bool:
    if any(op.kind != "conversion" for op in part):
        return False
    return all(
        (op.name == "QUANTIZE" and op.inputs[0] in graph.inputs)
        or (op.name == "DEQUANTIZE" and op.outputs[0] in graph.outputs)
        for op in part
    )


def _island(part: list[Operation], graph: Subgraph) -> Island:
    floats = [op for op in part if op.kind != "conversion"]
    taken = {t for op in part for t in op.inputs if _is_float(graph, t)}
    given = {t for op in part for t in op.outputs if _is_float(graph, t)}
    if taken & set(graph.inputs):
        position = "input"
    elif given & set(graph.outputs):
        position = "output"
    else:
        position = "inside"
    return Island(
        tuple(dict.fromkeys(op.layer for op in floats or part if op.layer)),
        tuple(op.name for op in floats),
        len(part) - len(floats),
        sum(op.macs for op in floats),
        position,
    )
