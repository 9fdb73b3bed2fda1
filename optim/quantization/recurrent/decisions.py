"""Which quantizers the tensors of a recurrent layer get, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optim.graph.graph import Graph
from optim.quantization.planning.plan import Entry
from optim.quantization.planning.schemes import Scheme
from optim.quantization.recurrent.cells import is_convolution
from optim.quantization.recurrent.joined import is_joined
from optim.quantization.recurrent.ops import Grid
from optim.quantization.recurrent.quantizers import GateQuantizer, quantizer_for
from optim.quantization.recurrent.wrapper import RecurrentQuantizeConfig

Preserving = Callable[[int, Any, Any], Any]
"""`(number of a weight, quantizer with one range, with several) -> one that keeps what there is
to keep of it, None for nothing`."""


def decide(entry: Entry, scheme: Scheme, preserving: Preserving, graph: Graph) -> None:
    """Give an entry of a `Recurrent` layer its quantizers and its reason.

    Args:
        entry: changed in place.
        scheme: what it follows.
        preserving: for kernels with zeros or few values.
        graph: tells which outputs go into concatenations.
    """
    layer = entry.node.layer
    weights: dict[str, Any] = {}
    steps: dict[str, Any] = {}
    place = 0
    for i, (cell, step) in enumerate(zip(layer.cells, layer.steps, strict=True)):
        for j, name in enumerate(("kernel", "recurrent_kernel")):
            axes = (cell.rank + 1 if is_convolution(cell) else 1,)
            several = (
                GateQuantizer(step.gates, scheme.weight_bits)
                if layer.fused
                else scheme.weight(axes)
            )
            one = scheme.one_range(axes)
            weights[f"cells.{i}.{name}"] = preserving(place + j, one, several) or several
        place += 2 + bool(cell.use_bias)
        steps.update({f"{i}/{name}": quantizer_for(grid) for name, grid in step.grids.items()})
    joined = [i for i, value in enumerate(entry.node.outputs) if is_joined(graph, value)]
    entry.weights = weights
    entry.config = RecurrentQuantizeConfig(weights, steps, joined)
    wide = sorted(
        name
        for step in layer.steps
        for name, grid in step.grids.items()
        if grid in (Grid.WIDE, Grid.WIDE_POWER, Grid.WIDE_UNIT, Grid.WIDE_LOGITS)
    )
    if layer.fused:
        entry.reason = (
            "one UNIDIRECTIONAL_SEQUENCE_LSTM: a kernel range per gate, int16 gates and cell, "
            "int8 state"
        )
    else:
        entry.reason = "loop of int8 operations: state and gates with ranges of their own" + (
            f"; int16: {', '.join(wide)}" if wide else ""
        )
