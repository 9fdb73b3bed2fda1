"""How often the parts of a file run: the body of a loop as often as its counter goes around."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim.litert import flatbuffer

_INTEGERS = {"int32": np.int32, "int64": np.int64}


def trips(model: Any) -> list[int]:
    """Return how often each subgraph runs in one run of the model.

    A loop is counted if a counter of it starts at a constant, grows by one and is compared with
    one, as in the loops that Keras and this project make; one that is not, counts as one round.

    Args:
        model: root table, from `parse`.
    """
    found = [1] + [0] * (model.SubgraphsLength() - 1)
    waiting, seen = [0], {0}
    while waiting:
        number = waiting.pop()
        for _, caller, condition, body in _loops(model, number):
            rounds = _rounds(model, number, caller, condition, body)
            found[condition] += found[number] * (rounds + 1)
            found[body] += found[number] * rounds
            new = {condition, body} - seen
            seen |= new
            waiting += sorted(new)
    return [max(1, one) for one in found]


def loop_layers(model: Any, layers: list[list[str]]) -> list[str]:
    """Return for each subgraph the layer of the operation that runs it; "" for the first.

    Args:
        model: root table, from `parse`.
        layers: of the operations of each subgraph.
    """
    found = [""] * len(layers)
    for number in range(model.SubgraphsLength()):
        for place, _, *parts in _loops(model, number):
            for part in parts:
                found[part] = layers[number][place]
    return found


def _loops(model: Any, number: int) -> list[tuple[int, Any, int, int]]:
    """Place and table of each loop in a subgraph, with the numbers of its condition and body."""
    graph, found = model.Subgraphs(number), []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        if _name(model, operator) == "WHILE" and operator.BuiltinOptions() is not None:
            options = flatbuffer.schema().WhileOptions()
            table = operator.BuiltinOptions()
            options.Init(table.Bytes, table.Pos)
            parts = options.CondSubgraphIndex(), options.BodySubgraphIndex()
            found.append((i, operator, *parts))
    return found


def _rounds(model: Any, number: int, caller: Any, condition: int, body: int) -> int:
    """The least number of rounds that a comparison of the condition allows."""
    graph, checks, steps = (model.Subgraphs(n) for n in (number, condition, body))
    found = []
    for i in range(checks.OperatorsLength()):
        operator = checks.Operators(i)
        name = _name(model, operator)
        if name not in ("LESS", "GREATER_EQUAL"):
            continue
        counter, limit = (int(n) for n in operator.InputsAsNumpy())
        place = _position(model, checks, counter)
        end = _constant(model, checks, limit)
        if place is None or end is None:
            continue
        start = _constant(model, graph, int(caller.InputsAsNumpy()[place]))
        step = _step(model, steps, place)
        if start is not None and step:
            rounds = (end - start) / step if name == "LESS" else (start - end) / -step + 1
            found.append(max(0, int(np.ceil(rounds))))
    return min(found, default=1)


def _position(model: Any, graph: Any, tensor: int) -> int | None:
    """Which of the inputs of a graph a tensor is, or is the first elements of."""
    inputs = [int(n) for n in graph.InputsAsNumpy()]
    if tensor in inputs:
        return inputs.index(tensor)
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        if _name(model, operator) == "SLICE" and tensor in operator.OutputsAsNumpy():
            return _position(model, graph, int(operator.InputsAsNumpy()[0]))
    return None


def _step(model: Any, graph: Any, place: int) -> int:
    """What the body adds to one of its inputs; 0 if that is not known."""
    own, result = int(graph.InputsAsNumpy()[place]), int(graph.OutputsAsNumpy()[place])
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        if _name(model, operator) == "ADD" and result in operator.OutputsAsNumpy():
            inputs = [int(n) for n in operator.InputsAsNumpy()]
            others = [n for n in inputs if n != own]
            if own in inputs and len(others) == 1:
                return _constant(model, graph, others[0]) or 0
    return 0


def _constant(model: Any, graph: Any, tensor: int) -> int | None:
    """The first element of an integer constant; None if it is none."""
    known = graph.Tensors(tensor)
    dtype = _INTEGERS.get(flatbuffer.dtype_name(known.Type()))
    data = model.Buffers(known.Buffer()).DataAsNumpy()
    if dtype is None or isinstance(data, int) or not len(data):
        return None
    return int(np.asarray(data, np.uint8).view(dtype)[0])


def _name(model: Any, operator: Any) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex())
    return flatbuffer.operator_name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
