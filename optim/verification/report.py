"""What is known of a LiteRT file, as data and as a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from optim.litert import TensorDetails
from optim.litert.reader import Operation, Subgraph
from optim.verification.compare import Comparison
from optim.verification.islands import Island

_KINDS = ("int8", "int16x8", "hybrid", "float", "conversion", "other")


@dataclass(frozen=True)
class Report:
    """The result of `optim.verify`. Printing it gives a table.

    Attributes:
        size: size of the file in bytes.
        metadata: what `optim.export` wrote into it; empty for files of others.
        inputs, outputs: names, shapes, dtypes and quantization of its ends.
        subgraphs: its tensors and operations; the first one is the model.
        islands: its float islands, in order.
        comparisons: how close it is to each reference, output by output.
    """

    size: int
    metadata: dict[str, Any]
    inputs: tuple[TensorDetails, ...]
    outputs: tuple[TensorDetails, ...]
    subgraphs: tuple[Subgraph, ...]
    islands: tuple[Island, ...]
    comparisons: tuple[Comparison, ...] = field(default=())

    # -- what the file is made of ---------------------------------------------------------

    @property
    def operations(self) -> list[Operation]:
        """All operations, those of loop bodies included."""
        return [op for graph in self.subgraphs for op in graph.operations]

    @property
    def histogram(self) -> dict[str, dict[str, int]]:
        """Operation -> kind (see `Operation.kind`) -> how many; the most frequent first."""
        counts: dict[str, Counter[str]] = {}
        for op in self.operations:
            counts.setdefault(op.name, Counter())[op.kind] += 1
        order = sorted(counts, key=lambda name: (-sum(counts[name].values()), name))
        return {name: {k: counts[name][k] for k in _KINDS if counts[name][k]} for name in order}

    @property
    def dtypes(self) -> dict[str, int]:
        """Dtype -> number of tensors."""
        return dict(Counter(t.dtype for g in self.subgraphs for t in g.tensors).most_common())

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        return sum(op.macs for op in self.operations)

    @property
    def counted(self) -> int:
        """How many operations `int8_ops` is a share of.

        Conversions at float inputs and outputs do not count, nor does arithmetic on indices
        and shapes; conversions inside do.
        """
        computing = sum(op.kind not in ("other", "conversion") for op in self.operations)
        return computing + sum(island.conversions for island in self.islands)

    @property
    def int8_ops(self) -> float:
        """Share of the operations that run in integers: int8, or int16 with int8 weights.

        0 if there is nothing to count.
        """
        quantized = sum(op.quantized for op in self.operations)
        return quantized / self.counted if self.counted else 0.0

    @property
    def int8_macs(self) -> float:
        """Share of the multiply-accumulates that run in integers; 0 if there are none."""
        return (
            sum(op.macs for op in self.operations if op.quantized) / self.macs if self.macs else 0.0
        )

    @property
    def flex(self) -> dict[str, tuple[str, ...]]:
        """Operations that need TensorFlow's kernels at run time -> the layers."""
        return _layers([op for op in self.operations if op.flex])

    @property
    def custom(self) -> dict[str, tuple[str, ...]]:
        """Other operations that are not LiteRT's own -> the layers."""
        return _layers([op for op in self.operations if op.custom and not op.flex])

    @property
    def steps(self) -> dict[str, float]:
        """Output -> quantization step: its own, or that of what is dequantized to it."""
        graph = self.subgraphs[0]
        sources = {
            op.outputs[0]: op.inputs[0] for op in graph.operations if op.name == "DEQUANTIZE"
        }
        tensors = {
            one.name: graph.tensors[sources.get(one.index, one.index)] for one in self.outputs
        }
        return {name: tensor.scale for name, tensor in tensors.items() if tensor.scale}

    # -- how it is told -------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON-able data; an infinite ratio becomes None."""
        return {
            "size": self.size,
            "metadata": self.metadata,
            "inputs": [asdict(t) | {"shape": list(t.shape)} for t in self.inputs],
            "outputs": [asdict(t) | {"shape": list(t.shape)} for t in self.outputs],
            "histogram": self.histogram,
            "dtypes": self.dtypes,
            "tensors": [
                {**asdict(t), "shape": list(t.shape), "subgraph": i}
                for i, g in enumerate(self.subgraphs)
                for t in g.tensors
            ],
            "operations": len(self.operations),
            "macs": self.macs,
            "int8_ops": self.int8_ops,
            "int8_macs": self.int8_macs,
            "islands": [
                {**asdict(i), "layers": list(i.layers), "operations": list(i.operations)}
                for i in self.islands
            ],
            "flex": {k: list(v) for k, v in self.flex.items()},
            "custom": {k: list(v) for k, v in self.custom.items()},
            "comparisons": [
                {k: _finite(v) for k, v in asdict(c).items()} for c in self.comparisons
            ],
        }

    def __str__(self) -> str:
        parts = [self._head(), self._table(), self._shares(), self._comparisons()]
        return "\n\n".join("\n".join(lines) for lines in parts if lines)

    def _head(self) -> list[str]:
        about = self.metadata
        lines = [f"LiteRT file of {_bytes(self.size)}"]
        if about:
            versions = ", ".join(f"{k} {v}" for k, v in about.get("versions", {}).items())
            lines[0] += f": {about.get('model', '')}, {' + '.join(about.get('techniques', []))}"
            lines.append(f"made with {versions}")
        described = {e["name"]: e for k in ("inputs", "outputs") for e in about.get(k, [])}
        for what, tensors in (("input", self.inputs), ("output", self.outputs)):
            for t in tensors:
                span = described.get(t.name, {}).get("range")
                text = f", range {span[0]:.4g} to {span[1]:.4g}" if span else ""
                lines.append(f"{what} {t.name} {list(t.shape)} {t.dtype}{text}")
        return lines

    def _table(self) -> list[str]:
        kinds = [k for k in _KINDS if any(k in row for row in self.histogram.values())]
        macs: Counter[str] = Counter()
        for op in self.operations:
            macs[op.name] += op.macs
        rows = [["operation", "count", *kinds, "MACs"]]
        for name, row in self.histogram.items():
            counts = [str(row.get(k, "")) for k in kinds]
            rows.append([name, str(sum(row.values())), *counts, _count(macs[name])])
        return _align(rows)

    def _shares(self) -> list[str]:
        lines = [
            f"in integers: {self.int8_ops:.1%} of {self.counted} operations, "
            f"{self.int8_macs:.1%} of {_count(self.macs) or 0} multiply-accumulates"
        ]
        if not self.islands:
            lines.append("float islands: none")
        else:
            lines.append(f"float islands: {len(self.islands)}")
            lines += [f"  {island}" for island in self.islands]
        for what, found in (("TensorFlow (flex)", self.flex), ("custom", self.custom)):
            lines += [f"{what} operation {k}: {', '.join(v)}" for k, v in found.items()]
        return lines

    def _comparisons(self) -> list[str]:
        if not self.comparisons:
            return []
        head = ["compared with", "output", "SQNR dB", "max diff", "max LSB", "top-1", "samples"]
        return _align([head, *map(_comparison_row, self.comparisons)])


def _comparison_row(c: Comparison) -> list[str]:
    return [
        c.reference,
        c.output,
        f"{c.sqnr:.1f}",
        f"{c.max_difference:.3g}",
        "" if c.max_steps is None else f"{c.max_steps:.2f}",
        "" if c.top1 is None else f"{c.top1:.1%}",
        str(c.samples),
    ]


def _layers(operations: Sequence[Operation]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for op in operations:
        found.setdefault(op.name, {})[op.layer] = None
    return {name: tuple(layers) for name, layers in found.items()}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _bytes(size: int) -> str:
    if size < 10_000:
        return f"{size} bytes"
    return f"{size / 1e3:.0f} kB" if size < 1e6 else f"{size / 1e6:.2f} MB"


def _count(number: int) -> str:
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 10 * factor or (unit == "k" and number >= 10_000):
            return f"{number / factor:.1f} {unit}"
    return str(number) if number else ""


def _align(rows: list[list[str]]) -> list[str]:
    """A table: the first column to the left, the others to the right."""
    width = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for first, *rest in rows:
        cells = [x.rjust(w) for x, w in zip(rest, width[1:], strict=True)]
        lines.append("  ".join([first.ljust(width[0]), *cells]).rstrip())
    return lines
