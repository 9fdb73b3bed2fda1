"""States that a file keeps from one run to the next, in resource variables.

They are zero in a new interpreter, and stay until it is gone: `reset_all_variables` is about other
variables.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim.exporting.recurrent.assembler import Assembler, Tensor
from optim.litert.flatbuffer import schema
from optim.quantization.recurrent.written import Grid8


def kept_state(main: Assembler, name: str, shape: list[int], grid: Grid8) -> tuple[Tensor, Tensor]:
    """Add a variable.

    Args:
        main: adds to the main graph, where the value is read.
        name: of the variable, one per state.
        shape, grid: of the state.

    Returns:
        Its handle, and its value at this place.
    """
    _initialized(main, name, shape, grid)
    handle = _handle(main, name)
    value = main.add("READ_VARIABLE", [handle], [main.tensor(shape, grid)], "ReadVariableOptions")
    return handle, value


def keep(main: Assembler, handle: Tensor, value: Tensor) -> None:
    """Set a variable."""
    main.add("ASSIGN_VARIABLE", [handle, value], [], "AssignVariableOptions")


def _handle(into: Assembler, name: str) -> Tensor:
    made = into.tensor((), dtype="resource")
    return into.add("VAR_HANDLE", [], [made], "VarHandleOptions", sharedName=name.encode())


def _initialized(main: Assembler, name: str, shape: list[int], grid: Grid8) -> None:
    """Have a variable set to zero once, before anything else of the main graph."""
    graph = schema().SubGraphT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], [], []
    graph.name = f"{name}_zero".encode()
    main.file.subgraphs.append(graph)
    into = Assembler(main.file, graph)
    dtype: Any = np.int8 if grid.bits == 8 else np.int16
    keep(into, _handle(into, name), into.constant(np.full(shape, grid.zero, dtype), grid))
    first = Assembler(main.file, main.graph, 0)
    first.add(
        "CALL_ONCE",
        [],
        [],
        "CallOnceOptions",
        initSubgraphIndex=len(main.file.subgraphs) - 1,
    )
    main.at += 1
