"""The plan: which tensor gets which quantizer, and why, as data that prints as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from optim.graph.graph import Graph, Node, Value
from optim.quantization.planning.roles import Role
from optim.quantization.planning.schemes import Scheme
from optim.quantization.quantizers.preserving import PreservingQuantizer
from optim.quantization.quantizers.quantizers import TensorQuantizeConfig


@dataclass
class Entry:
    """What is decided for one call of a layer.

    Attributes:
        node: the call.
        role: see `Role`.
        group: number of the group of layers that LiteRT runs as one operation.
        weights: attribute of the layer -> quantizer.
        activation: quantizer before an activation inside the layer.
        output: quantizer of the output; None if it has none of its own.
        grid_of: the entry whose steps, or finer ones that fit them, the output has (see
            `GridQuantizer`); None if it has its own.
        scale_of: the entry of a concatenation, the very steps of which its output has; None
            elsewhere.
        rounds: of a concatenation, the inputs that go onto its steps on their way into it only.
        config: the caller's quantize config, which then replaces the three above.
        reason: why.
    """

    node: Node
    role: Role
    group: int = -1
    weights: dict[str, Any] = field(default_factory=dict)
    activation: Any = None
    output: Any = None
    grid_of: Entry | None = None
    scale_of: Entry | None = None
    rounds: tuple[Value, ...] = ()
    config: Any = None
    reason: str = ""

    @property
    def is_float(self) -> bool:
        return self.role is Role.FLOAT

    def quantize_config(self) -> Any:
        """The tfmot `QuantizeConfig` that says the same."""
        return self.config or TensorQuantizeConfig(self.weights, self.activation, self.output)


@dataclass(frozen=True)
class Plan:
    """The decisions for a whole graph, in execution order. Printing it gives a table.

    Attributes:
        graph: what they are about.
        scheme: what they follow.
        entries: one for each call of a layer.
        wanted: number of layers whose kernels have something that `preserve` asks to keep.
        unkept: those of them that are trained, but get no quantizer that does; with the reason.
    """

    graph: Graph
    scheme: Scheme
    entries: list[Entry]
    wanted: int = 0
    unkept: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def floats(self) -> list[Entry]:
        """What stays float, and why (`reason`)."""
        return [e for e in self.entries if e.is_float]

    def rows(self) -> list[dict[str, Any]]:
        """The table as data: one dict of strings and numbers per layer call."""
        return [
            {
                "layer": e.node.path,
                "class": e.node.symbol or type(e.node.layer).__name__,
                "group": e.group,
                "weights": ", ".join(f"{k}: {describe(q)}" for k, q in e.weights.items()),
                "output": describe(e.output),
                "reason": e.reason,
            }
            for e in self.entries
        ]

    def __str__(self) -> str:
        rows = self.rows()
        columns = list(rows[0]) if rows else []
        width = {c: max(len(c), *(len(str(r[c])) for r in rows)) for c in columns}
        lines = ["  ".join(c.ljust(width[c]) for c in columns).rstrip()]
        lines += ["  ".join(str(r[c]).ljust(width[c]) for c in columns).rstrip() for r in rows]
        count = sum(e.output is not None for e in self.entries)
        lines.append(
            f"{self.scheme.name}: {len(rows)} layer calls, {count} quantized outputs, "
            f"{len(self.floats)} stay float"
        )
        return "\n".join(lines)


def describe(quantizer: Any) -> str:
    """One or two words for a quantizer: bits, granularity, fixed range."""
    if quantizer is None:
        return "-"
    if isinstance(quantizer, PreservingQuantizer):
        keeps = ["zeros"] * quantizer.zeros + [f"{quantizer.values} values"] * bool(
            quantizer.values
        )
        return f"{describe(quantizer.quantizer)}, keeps {' and '.join(keeps)}"
    bits = f"int{quantizer.num_bits}"
    if hasattr(quantizer, "init_min"):
        return f"{bits} [{quantizer.init_min:g}, {quantizer.init_max:g}]"
    if getattr(quantizer, "axes", None) and quantizer.per_channel:
        return f"{bits} per channel"
    return bits
