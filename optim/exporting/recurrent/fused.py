"""An LSTM as LiteRT's own operation, `UNIDIRECTIONAL_SEQUENCE_LSTM`, in int8.

Its kernels have one step per gate, its gates and its cell state 16 bits inside it
(`lite/kernels/unidirectional_sequence_lstm.cc`, `lstm_eval.cc`: the kernel "8x8_16").
"""

from __future__ import annotations

import numpy as np

from optim.exporting.recurrent.assembler import Assembler, Tensor
from optim.exporting.recurrent.loops import Ends
from optim.litert.flatbuffer import schema
from optim.quantization.recurrent.written import Cell, Grid8, Written

# Where the kernels want them: input, forget, cell, output; as Keras has them.
_GATES = (0, 1, 2, 3)
_GATE = Grid8(2.0**-12, 0, 16)


def write_fused(assembler: Assembler, written: Written, ends: Ends) -> None:
    """Write a layer.

    Args:
        assembler: adds to the graph where the layer is.
        written: the layer: one LSTM cell.
        ends: what it takes and makes; of the states, no more than the first.
    """
    layer, (cell,) = written.layer, written.cells
    x, batch = ends.x, ends.x.shape[0]
    grid = x.grid
    assert grid is not None
    if layer.go_backwards:
        x = _reversed(assembler, x)
    kernels, recurrent, biases = [], [], []
    for gate in _GATES:
        numbers, step = _gate(cell, "kernel", gate)
        kernels.append(assembler.constant(numbers, Grid8(step, 0, 8)))
        biases.append(_bias(assembler, cell, gate, step * grid.scale))
        numbers, step = _gate(cell, "recurrent_kernel", gate)
        recurrent.append(assembler.constant(numbers, Grid8(step, 0, 8)))
    state = cell.grids["state"]
    kept = [
        assembler.tensor((batch, cell.width), grid, variable=True)
        for grid in (state, cell.grids["cell"])
    ]
    inner = [assembler.tensor((), _GATE) for _ in _GATES] + [assembler.tensor((), state)]
    # Four peepholes and projections that it has not, and four normalizations.
    inputs = [x, *kernels, *recurrent, *[None] * 3, *biases, None, None, *kept, *[None] * 4]
    y = assembler.add(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        inputs,
        [assembler.tensor((*x.shape[:2], cell.width), state, name=layer.name)],
        "UnidirectionalSequenceLSTMOptions",
        inner,
        fusedActivationFunction=schema().ActivationFunctionType.TANH,
    )
    last = _last(assembler, y)
    whole = y
    if layer.return_sequences and layer.reversed_outputs:
        whole = _reversed(assembler, y)
    for wanted, made in zip(
        ends.outputs, (whole if layer.return_sequences else last, last), strict=False
    ):
        for into in wanted:
            assembler.hand_over(made, into)


def _gate(cell: Cell, name: str, gate: int) -> tuple[np.ndarray, float]:
    """The numbers of a gate's kernel, outputs first, and their one step."""
    kernel = cell.kernels[name]
    part = slice(gate * cell.width, (gate + 1) * cell.width)
    return kernel.numbers[:, part].T, float(kernel.steps[part][0])


def _bias(assembler: Assembler, cell: Cell, gate: int, step: float) -> Tensor:
    part = slice(gate * cell.width, (gate + 1) * cell.width)
    values = np.zeros(cell.width) if cell.bias is None else cell.bias[part]
    return assembler.constant(np.round(values / step).astype(np.int32), steps=[step])


def _reversed(assembler: Assembler, x: Tensor) -> Tensor:
    made = assembler.tensor(x.shape, x.grid)
    return assembler.add("REVERSE_V2", [x, assembler.integers([1])], [made], "ReverseV2Options")


def _last(assembler: Assembler, y: Tensor) -> Tensor:
    """The output of the last step."""
    batch, steps, width = y.shape
    made = assembler.tensor((batch, 1, width), y.grid)
    begin, size = assembler.integers([0, steps - 1, 0]), assembler.integers([batch, 1, width])
    return assembler.add("SLICE", [y, begin, size], [made], "SliceOptions")
