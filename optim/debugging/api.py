"""Which layer loses how much by quantization, and why."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optim._keras import accepted, tf
from optim.debugging.rows import Row
from optim.debugging.run import run
from optim.debugging.watching import Control
from optim.errors import ConfigError, MissingPackageError
from optim.exporting.freeze import unchanged
from optim.graph.graph import Node
from optim.graph.reader import read
from optim.models.samples import read_batches
from optim.models.signature import declared_interface
from optim.quantization.api import quantize_model
from optim.quantization.calibration.taps import quantizers_of, tapped
from optim.quantization.planning.schemes import Scheme

__all__ = ["DebugResult", "debug"]

_COLUMNS = (
    "order", "class", "local_sqnr", "sqnr", "worst_channel", "weight_sqnr", "bits", "range_min",
    "range_max", "seen_min", "seen_max", "used", "effective_bits", "saturated",
)  # fmt: skip


@dataclass(frozen=True)
class DebugResult:
    """The result of `optim.debug`. Printing it shows the ten worst layers.

    Attributes:
        frame: one row per layer call, indexed by the layer's path, the worst first:

            - `order`: position in execution order; `class`: of the layer.
            - `local_sqnr`: dB, the error that this layer alone makes: its output from exact
              inputs, with its weights and output quantized. Rows are sorted by it.
            - `sqnr`: dB, the error of the whole network up to and including this layer.
            - `worst_channel`: dB, the same of the channel (last axis) that it is least of: a small
              one among large ones is lost without a trace in `sqnr`.
            - `weight_sqnr`: dB, of its quantized weights; the worst if there are several.
            - `bits`, `range_min`, `range_max`: of the quantizer of its output.
            - `seen_min`, `seen_max`: least and greatest value that came to that quantizer.
            - `used`: share of the range that these values span.
            - `effective_bits`: bits that remain for them: `bits + log2(used)`.
            - `saturated`: share of the values that the range cuts off.

            Ratios are infinite without error; NaN stands for what a layer does not have.
        samples: number of samples that went through.
    """

    frame: pd.DataFrame
    samples: int

    def __str__(self) -> str:
        shown = self.frame.head(10).drop(columns="order")
        table = shown.to_string(float_format=lambda x: f"{x:.3g}", na_rep="")
        return (
            f"the {len(shown)} worst of {len(self.frame)} layers, {self.samples} samples\n{table}"
        )

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw both ratios over the layers, in execution order.

        Args:
            path: where to write the picture; the suffix says in which format.

        Returns:
            The `matplotlib` figure.

        Raises:
            MissingPackageError: matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingPackageError(
                "plotting needs matplotlib: run `python -m pip install 'tfmot-matrix[plot]'`",
                name="matplotlib",
            ) from error
        rows = self.frame.sort_values("order")
        rows = rows[np.isfinite(rows["sqnr"]) | np.isfinite(rows["local_sqnr"])]
        figure = Figure(figsize=(max(6.4, 0.16 * len(rows)), 4.8), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(rows))
        axes.bar(places, rows["local_sqnr"].replace(math.inf, math.nan), label="this layer alone")
        axes.plot(places, rows["sqnr"], "k.-", label="the network up to here")
        axes.set_xticks(places, rows.index, rotation=90, fontsize=6)
        axes.set_ylabel("SQNR, dB")
        axes.legend()
        if path is not None:
            figure.savefig(Path(path), dpi=150)
        return figure


def debug(
    model: Any,
    data: Any,
    *,
    scheme: str | Scheme = "int8",
    steps: int | None = None,
) -> DebugResult:
    """Compare a quantization-aware model, layer by layer, with itself without quantizers.

    Every layer runs three times on each batch: exactly; quantized on exact inputs; and
    quantized on what the quantized layers before it gave. Only the tensors that are still
    needed are kept.

    Args:
        model: from `optim.quantize_model` or tfmot's, calibrated or trained; or a float
            model, which is then quantized, with ranges taken from `data`. Not modified.
        data: batches of inputs, float values: an array, a list or generator of batches, or
            a `tf.data.Dataset`. One batch of a few dozen samples is enough.
        scheme: how to quantize a float model; see `optim.quantize_model`.
        steps: number of batches to use; None for all.

    Returns:
        A `DebugResult`; its `frame` has the worst layer first.

    Raises:
        KerasModelError: not a model of the chosen Keras module.
        ConfigError: data is empty or does not fit the model.
        UnsupportedModelError: the model has no graph of layers.
    """
    model = accepted(model, "debug")
    if steps is not None and steps < 1:
        raise ConfigError(f"steps={steps}: at least 1, or None for all batches")
    io = declared_interface(model)
    batches = list(islice(read_batches(data, io, "data", steps), steps))
    if not quantizers_of(model):
        structured = [tf.nest.pack_sequence_as(io.structure, batch) for batch in batches]
        model = quantize_model(model, scheme=scheme, calibration_data=structured)
    graph = read(model)
    rows = {node: Row(i, node) for i, node in enumerate(graph.nodes)}
    control = Control()
    with unchanged(model), tapped(model, control.replace):
        for batch in batches:
            run(graph, batch, rows, control)
    names = _names(rows)
    records = {names[node]: row.result() for node, row in rows.items() if row.elements}
    frame = pd.DataFrame.from_dict(records, orient="index", columns=list(_COLUMNS))
    frame.index.name = "layer"
    return DebugResult(
        frame.sort_values(["local_sqnr", "sqnr"], kind="stable"),
        sum(len(batch[0]) for batch in batches),
    )


def _names(nodes: Iterable[Node]) -> dict[Node, str]:
    """Name each call: by its layer, and its number where that is called several times."""
    calls: dict[str, list[Node]] = {}
    for node in nodes:
        calls.setdefault(node.path, []).append(node)
    return {
        node: f"{path}:{number}" if len(found) > 1 else path
        for path, found in calls.items()
        for number, node in enumerate(found)
    }
