"""The planner: decides which tensor gets which quantizer, before anything is built."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from optim._keras import accepted, keras
from optim.graph.graph import Graph, Node, Value, is_input
from optim.graph.reader import read
from optim.models.kernels import linear_kernel
from optim.quantization.activation_facts import FIXED, activation_name, fixed_range
from optim.quantization.layers import Convolve
from optim.quantization.lowering.affine import operands
from optim.quantization.lowering.driver import lower
from optim.quantization.lowering.sentinels import is_masked_scores
from optim.quantization.node_facts import averages, hierarchy, weights_of
from optim.quantization.planning.checks import check_kernels
from optim.quantization.planning.concatenations import PARTS, chain, follow, joins_part, picks
from optim.quantization.planning.indices import takes_indices
from optim.quantization.planning.model_inputs import PARTED, UNEQUAL, is_unequal, parts_indices
from optim.quantization.planning.plan import Entry, Plan
from optim.quantization.planning.preserved import Wanted, unkept, wanted
from optim.quantization.planning.requests import (
    SKIPPED,
    Configs,
    Skip,
    check_configs,
    config_for,
    mark,
)
from optim.quantization.planning.roles import DIVISIONS, DIVISOR, Assignment, Role, assign, is_idle
from optim.quantization.planning.schemes import Scheme, get_scheme
from optim.quantization.quantizers.preserving import PreservingQuantizer, check_preserve, kept
from optim.quantization.recurrent.decisions import decide
from optim.wrapping.kinds import check_unwrapped

K = keras.layers


def plan(
    model: Any,
    scheme: str | Scheme = "int8",
    *,
    skip: Skip | Iterable[Skip] = (),
    configs: Configs | None = None,
    preserve: str | None = None,
) -> Plan:
    """Decide which tensors are quantized, how and why; nothing is built.

    Args:
        model: a model, or a lowered `Graph`.
        scheme: "int8", "int8-per-tensor", "int16x8", or a `Scheme`.
        skip: layers to leave float: name patterns (`"head_*"`), classes, or predicates of
            a layer; one or several (see `optim.quantization.planning.requests`).
        configs: layer name pattern, class or predicate -> tfmot `QuantizeConfig` (or a
            factory of one) to use for it instead.
        preserve: what kernels keep of themselves in training: "sparsity", "clusters",
            "both", or None.

    Returns:
        A `Plan`. `print(plan(model))` shows it as a table.

    Raises:
        ConfigError: no such scheme; or `skip`, `configs` or `preserve` make no sense.
        UnsupportedModelError: the model still has wrappers of pruning or clustering, or is
            quantized already; or LiteRT lacks kernels of this scheme; all of them listed.
    """
    chosen, keeps = get_scheme(scheme), check_preserve(preserve)
    with_something: list[Wanted] = []
    if isinstance(model, Graph):
        graph = model
    else:
        model = accepted(model, "plan")
        check_unwrapped(model)
        graph = read(model)
        mark(graph, skip, configs)
        with_something = wanted(graph, *keeps)
        graph.keeps_values = keeps[1]
        lower(graph)
    entries = _Planner(graph, chosen, check_configs(configs), keeps).run()
    check_kernels(entries, chosen)
    missed = unkept(with_something, entries)
    return Plan(graph, chosen, entries, len(with_something), missed)


class _Planner:
    def __init__(
        self, graph: Graph, scheme: Scheme, configs: Configs, keeps: tuple[bool, bool]
    ) -> None:
        self.graph = graph
        self.scheme = scheme
        self.configs = configs
        self.keeps = keeps
        self.entries: dict[Node, Entry] = {}
        self.groups = 0

    def run(self) -> list[Entry]:
        nodes = self.graph.nodes
        assignments: dict[Node, Assignment] = {}
        for node in nodes:
            assignments[node] = self._assign(node, assignments)
        for node in nodes:
            self._spare_divisor(node, assignments)
            if joins_part(node, assignments):
                assignments[node] = PARTS
        for node in nodes:
            entry = Entry(node, assignments[node].role, reason=assignments[node].reason)
            self.entries[node] = entry
            self._group(entry, assignments)
            self._weights(entry, assignments)
        for entry in self.entries.values():
            self._output(entry, assignments)
        entries = list(self.entries.values())
        chain(self.graph, self.entries)
        follow(self.graph, self.entries)
        self._say_float(entries)
        return entries

    def _assign(self, node: Node, before: dict[Node, Assignment]) -> Assignment:
        if is_input(node):
            return Assignment(Role.OP, "input of the model")
        if node.skip == SKIPPED:
            return Assignment(Role.FLOAT, f"float: {node.skip}")
        if node.inputs and all(before[v.node].role is Role.WEIGHT for v in node.inputs):
            return Assignment(Role.WEIGHT, "made of weights: a constant in inference")
        found = assign(node)
        if found.role is Role.AFFINE and is_unequal(node, 2**self.scheme.activation_bits - 1):
            return UNEQUAL
        return PARTED if found.role is Role.SAME and parts_indices(node) else found

    def _spare_divisor(self, node: Node, assignments: dict[Node, Assignment]) -> None:
        """Leave float what a float division divides by, whoever else takes it."""
        if assignments[node].role is not Role.FLOAT:
            return
        divisor = operands(node)[1] if node.symbol in DIVISIONS else None
        if not isinstance(divisor, Value) or is_input(divisor.node):
            return
        computed = assignments[divisor.node].role in (Role.OP, Role.AFFINE, Role.FIXED)
        if computed and not self.graph.is_shared(divisor.node):
            assignments[divisor.node] = DIVISOR

    # -- groups: what LiteRT runs as one operation ---------------------------------------

    def _group(self, entry: Entry, assignments: dict[Node, Assignment]) -> None:
        node = entry.node
        self.groups += 1
        entry.group = self.groups
        if entry.role not in (Role.NORM, Role.RELU) or not node.inputs:
            return
        value = node.inputs[0]
        before = value.node
        if self.graph.sole_use(value) is not node or is_input(before):
            return
        fits = (
            assignments[before].role is Role.LINEAR
            if entry.role is Role.NORM
            else assignments[before].absorbs_relu
            and activation_name(getattr(before.layer, "activation", None)) == "linear"
        )
        if fits and self.entries[before].config is None:
            entry.group = self.entries[before].group
            entry.reason = f"fused with {before.path}"

    def _weights(self, entry: Entry, assignments: dict[Node, Assignment]) -> None:
        node = entry.node
        if node.skip:
            entry.config = config_for(node, self.configs)
            if entry.config is not None:
                entry.reason = node.skip
                return
        if entry.role is Role.TABLE:
            table = self.scheme.weight(())
            entry.weights = {"embeddings": self._preserving(node, 0, table, table) or table}
        if entry.role is Role.RECURRENT:
            decide(entry, self.scheme, partial(self._preserving, node), self.graph)
        if entry.role is not Role.LINEAR:
            return
        kernel = linear_kernel(hierarchy(node.layer))
        assert kernel is not None  # of a linear layer
        axes = kernel.channels or ()
        after = self.graph.sole_use(node.output)
        folded = after is not None and assignments[after].role is Role.NORM
        quantizer = self.scheme.folded_weight if folded else self.scheme.weight
        # Ranges per channel would make other numbers of the values in each channel.
        one_range, several = self.scheme.one_range(axes), self.scheme.folded_weight(axes)
        entry.weights = {
            kernel.linear: self._preserving(node, 0, one_range, several) or quantizer(axes)
        }
        if activation_name(node.layer.activation) in FIXED:
            entry.activation = self.scheme.activation()

    def _preserving(self, node: Node, place: int, one_range: Any, several: Any) -> Any:
        """A quantizer that keeps what there is to keep of a kernel; None for nothing.

        Args:
            node: the layer.
            place: of the kernel among its weights.
            one_range: quantizer for a kernel of few values.
            several: quantizer for one of zeros only.
        """
        if not any(self.keeps):
            return None
        found = kept(weights_of(node)[place], *self.keeps)
        if not found:
            return None
        return PreservingQuantizer(
            one_range if found.values else several, found.zeros, found.values
        )

    # -- outputs ------------------------------------------------------------------------

    def _output(self, entry: Entry, assignments: dict[Node, Assignment]) -> None:
        node = entry.node
        if entry.config is not None or not node.outputs or not node.output.is_float:
            return
        if entry.role is Role.SAME and not is_input(node):
            return
        if entry.role is Role.TABLE and self.scheme.activation_bits == self.scheme.weight_bits:
            return
        if entry.role is Role.WEIGHT:
            entry.output = self._of_weight(node.output, assignments)
            return
        if self._continues(entry):
            entry.reason += "; range is taken at the end of the group"
            return
        fixed = self._fixed(entry)
        if fixed is not None:
            entry.output = self.scheme.fixed(*fixed)
        elif self._joined(node.output, assignments) and not picks(entry):
            entry.reason += "; takes the scale of the concatenation"
        elif is_input(node):
            entry.output = self.scheme.model_input() if self._needs(node.output) else None
        elif entry.role is not Role.FLOAT or self._needs(node.output):
            scores = is_masked_scores(self.graph, node)
            entry.output = self.scheme.scores() if scores else self.scheme.activation()

    def _of_weight(self, value: Value, assignments: dict[Node, Assignment]) -> Any:
        """The quantizer of a computed weight, chosen by what takes it; None: not there."""
        takers = [n for n in value.uses if self._takes(n, value)]
        if not takers or self._joined(value, assignments):
            return None
        layer = takers[0].layer
        if len(takers) == 1 and isinstance(layer, Convolve):
            rank = value.rank or 0
            return self.scheme.weight((2, 3) if layer.depthwise else (rank - 1,))
        if all(n.symbol == "linalg.matmul" for n in takers):
            return self.scheme.weight(())
        return self.scheme.activation()

    def _takes(self, node: Node, value: Value) -> bool:
        """Whether the node is a quantized one, and the value not the bias of a convolution."""
        if self.entries[node].role in (Role.FLOAT, Role.WEIGHT):
            return False
        return not (isinstance(node.layer, Convolve) and value in node.inputs[2:])

    def _continues(self, entry: Entry) -> bool:
        """Whether the group goes on after this layer."""
        after = self.graph.sole_use(entry.node.output)
        return after is not None and self.entries[after].group == entry.group

    def _fixed(self, entry: Entry) -> tuple[float, float] | None:
        layer = entry.node.layer
        if entry.role not in (Role.FIXED, Role.LINEAR):
            return None
        symbol = entry.node.symbol.rpartition(".")[2]
        name = symbol or activation_name(getattr(layer, "activation", None))
        if isinstance(layer, K.Softmax):
            name = "softmax"
        return fixed_range(name, self.scheme.activation_bits)

    def _joined(self, value: Value, assignments: dict[Node, Assignment]) -> bool:
        """Whether the value goes into a concatenation as it is, and nowhere else."""
        while (after := self.graph.sole_use(value)) is not None:
            role = assignments[after].role
            if role is Role.JOIN:
                return True
            if role is not Role.SAME or len(after.outputs) != 1 or averages(after):
                return False
            value = after.output
        return False

    def _say_float(self, entries: list[Entry]) -> None:
        """Say of what only moves values that it is float, where those values are."""
        quantized: set[Value] = set()
        for entry in entries:
            node = entry.node
            if is_input(node):
                found = entry.output is not None
            elif entry.role is Role.SAME and entry.config is None and node.output.is_float:
                taken = [v for v in node.inputs if v.is_float]
                found = any(v in quantized or self._needs(v) for v in taken) or not taken
                if not found and not is_idle(node):
                    entry.role = Role.FLOAT
                    entry.reason = "float: moves values that are float"
            else:
                found = not entry.is_float
            quantized.update(node.outputs if found else ())

    def _needs(self, value: Value) -> bool:
        """Whether anything that takes the value as a signal is not float."""
        return any(self._takes_signal(node, value) for node in value.uses)

    def _takes_signal(self, node: Node, value: Value) -> bool:
        role = self.entries[node].role
        if role in (Role.FLOAT, Role.WEIGHT) or takes_indices(node, value):
            return False
        if role is Role.RECURRENT and value is not node.inputs[0]:
            return False  # a state, which the layer itself rounds
        if role is Role.SAME and not any(map(self.graph.is_output, node.outputs)):
            taken = [one for one in node.outputs if one.uses]
            return any(map(self._needs, taken)) or not taken
        return True
