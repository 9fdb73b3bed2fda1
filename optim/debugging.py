"""Which layer loses how much by quantization, and why."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optim._keras import check_model, tf
from optim.engine import Node, Scheme, Value, quantize_model, read
from optim.engine.graph import is_input
from optim.engine.quantizers import GridQuantizer
from optim.errors import ConfigError, MissingPackageError
from optim.exporting.freeze import unchanged
from optim.exporting.interface import declared_interface
from optim.exporting.samples import read_batches
from optim.tapping import quantizers_of, tapped
from optim.verification.compare import decibels, sqnr

__all__ = ["DebugResult", "debug"]

_COLUMNS = (
    "order", "class", "local_sqnr", "sqnr", "weight_sqnr", "bits", "range_min", "range_max",
    "seen_min", "seen_max", "used", "effective_bits", "saturated",
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
    check_model(model, "debug")
    if steps is not None and steps < 1:
        raise ConfigError(f"steps={steps}: at least 1, or None for all batches")
    io = declared_interface(model)
    batches = list(islice(read_batches(data, io, "data"), steps))
    if not quantizers_of(model):
        structured = [tf.nest.pack_sequence_as(io.structure, batch) for batch in batches]
        model = quantize_model(model, scheme=scheme, calibration_data=structured)
    graph = read(model)
    rows = {node: _Row(i, node) for i, node in enumerate(graph.nodes)}
    control = _Control()
    with unchanged(model), tapped(model, control.replace):
        for batch in batches:
            _run(graph, batch, rows, control)
    names = _names(rows)
    records = {names[node]: row.result() for node, row in rows.items() if row.elements}
    frame = pd.DataFrame.from_dict(records, orient="index", columns=list(_COLUMNS))
    frame.index.name = "layer"
    return DebugResult(
        frame.sort_values(["local_sqnr", "sqnr"], kind="stable"),
        sum(len(batch[0]) for batch in batches),
    )


# -- running ------------------------------------------------------------------------------


@dataclass
class _Values:
    """A tensor as the exact and as the quantized network have it."""

    exact: Any
    quantized: Any


def _run(graph: Any, batch: list[np.ndarray], rows: dict[Node, _Row], control: _Control) -> None:
    values: dict[Value, _Values] = {}
    waiting = {value: len(value.uses) for node in rows for value in node.outputs}
    for value, array in zip(graph.flat_inputs, batch, strict=True):
        tensor = tf.convert_to_tensor(array)
        values[value] = _Values(tensor, tensor)
    for node, row in rows.items():
        if is_input(node):
            continue
        with control.off():
            exact = _call(node, lambda v: values[v].exact)
        with control.watching() as seen:
            local = _call(node, lambda v: values[v].exact)
        row.see_quantizers(seen)
        quantized = _call(node, lambda v: values[v].quantized)
        row.see(exact, local, quantized)
        for value, a, b in zip(node.outputs, exact, quantized, strict=True):
            values[value] = _Values(a, b)
        for value in set(node.inputs):
            waiting[value] -= 1
            if not waiting[value]:
                del values[value]


def _call(node: Node, pick: Callable[[Value], Any]) -> list[Any]:
    def swap(x: Any) -> Any:
        return pick(x) if isinstance(x, Value) else x

    args = tf.nest.map_structure(swap, node.args)
    kwargs = tf.nest.map_structure(swap, node.kwargs)
    if node.layer._expects_training_arg and kwargs.get("training") is None:
        kwargs["training"] = False
    return list(tf.nest.flatten(node.layer(*args, **kwargs)))


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


# -- what is measured ---------------------------------------------------------------------


@dataclass
class _Seen:
    """One use of a quantizer: what came in, and with which range."""

    weight: bool
    bits: int
    low: np.ndarray
    high: np.ndarray
    before: np.ndarray
    after: np.ndarray


@dataclass
class _Row:
    """Running sums for one layer call, over all batches."""

    order: int
    node: Node
    elements: int = 0
    power: float = 0.0
    local_noise: float = 0.0
    noise: float = 0.0
    weights: list[float] = field(default_factory=list)
    bits: int = 0
    low: float = math.nan
    high: float = math.nan
    seen_low: float = math.inf
    seen_high: float = -math.inf
    quantized: int = 0
    saturated: int = 0

    def see(self, exact: list[Any], local: list[Any], quantized: list[Any]) -> None:
        for a, b, c in zip(exact, local, quantized, strict=True):
            if not getattr(a, "dtype", tf.int32).is_floating:
                continue
            signal = np.asarray(a, np.float64)
            self.elements += signal.size
            self.power += float(np.sum(signal**2))
            self.local_noise += float(np.sum((np.asarray(b, np.float64) - signal) ** 2))
            self.noise += float(np.sum((np.asarray(c, np.float64) - signal) ** 2))

    def see_quantizers(self, seen: Iterable[_Seen]) -> None:
        self.weights = []
        for one in seen:
            if one.weight:
                self.weights.append(sqnr(one.before, one.after))
            elif one.low.size == 1:
                self._see_range(one)

    def _see_range(self, one: _Seen) -> None:
        self.bits, self.low, self.high = one.bits, float(one.low), float(one.high)
        half = (self.high - self.low) / (2**one.bits - 1) / 2
        x = one.before
        self.seen_low = min(self.seen_low, float(np.min(x)))
        self.seen_high = max(self.seen_high, float(np.max(x)))
        self.quantized += x.size
        self.saturated += int(np.sum((x < self.low - half) | (x > self.high + half)))

    def result(self) -> tuple[Any, ...]:
        known = self.quantized > 0
        span = self.high - self.low
        inside = min(self.high, self.seen_high) - max(self.low, self.seen_low)
        used = max(0.0, inside) / span if known and span > 0 else math.nan
        return (
            self.order,
            type(getattr(self.node.layer, "layer", self.node.layer)).__name__,
            decibels(self.power, self.local_noise),
            decibels(self.power, self.noise),
            min(self.weights, default=math.nan),
            self.bits if known else math.nan,
            self.low,
            self.high,
            self.seen_low if known else math.nan,
            self.seen_high if known else math.nan,
            used,
            self.bits + math.log2(used) if used > 0 else math.nan,
            self.saturated / self.quantized if known else math.nan,
        )


# -- the quantizers -----------------------------------------------------------------------


class _Control:
    """Turns quantizers off, or watches them."""

    def __init__(self) -> None:
        self.active = True
        self.seen: list[_Seen] | None = None

    @contextmanager
    def off(self) -> Iterator[None]:
        self.active = False
        try:
            yield
        finally:
            self.active = True

    @contextmanager
    def watching(self) -> Iterator[list[_Seen]]:
        self.seen = []
        try:
            yield self.seen
        finally:
            self.seen = None

    def replace(self, quantizer: Any, of_weight: bool) -> Any:
        """Return what stands in for a quantizer of the model."""

        def stand_in(inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            if not self.active:
                return inputs
            outputs = quantizer(inputs, training, weights, **kwargs)
            if self.seen is not None and isinstance(weights, dict) and "min_var" in weights:
                if isinstance(quantizer, GridQuantizer):
                    low, high = quantizer.range(weights)
                else:
                    low, high = weights["min_var"], weights["max_var"]
                self.seen.append(
                    _Seen(
                        of_weight,
                        int(getattr(quantizer, "num_bits", 8)),
                        np.asarray(low),
                        np.asarray(high),
                        np.asarray(inputs),
                        np.asarray(outputs),
                    )
                )
            return outputs

        return stand_in
