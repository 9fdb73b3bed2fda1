"""What one step of each cell computes, written in `Ops`, and the grid of each of its tensors.

Gates are numbered as Keras orders the columns of its kernels. Of a gate that is a hard sigmoid,
`clip(x / 5 + 1 / 2, 0, 1)`, the slope and the offset go into kernels and bias, and the grid from
0 to 255/256 does the clipping: it takes no operation of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optim.quantization.recurrent.ops import Grid, Ops

#: Functions that a gate can have.
FUNCTIONS = ("sigmoid", "tanh", "hard_sigmoid", "relu", "linear")

_LOGITS = {"sigmoid": Grid.SIGMOID_LOGITS, "tanh": Grid.TANH_LOGITS}
_WITHIN = {"relu": "relu", "hard_sigmoid": "unit"}
_OUTPUT = {"sigmoid": Grid.SIGMOID, "hard_sigmoid": Grid.SIGMOID, "tanh": Grid.TANH}

Grids = Mapping[str, Grid]


def _gain(function: str) -> tuple[float, float]:
    """What a linear map is multiplied by, and what is added to it, for a gate's function."""
    return (0.2, 0.5) if function == "hard_sigmoid" else (1.0, 0.0)


def _gate(ops: Ops, inputs: Any, recurrent: Any, function: str, name: str) -> Any:
    """The function of the sum of what inputs and states contribute."""
    if function in _LOGITS:
        logits = ops.add(inputs, recurrent, f"{name}_sum")
        return ops.activate(logits, function, name)
    return ops.add(inputs, recurrent, name, _WITHIN.get(function, ""))


def _gate_grids(name: str, function: str) -> dict[str, Grid]:
    """The grids of a gate; of what comes into it, too."""
    found = {f"{name}_{part}": Grid.RANGE for part in ("inputs", "recurrent")}
    if function in _LOGITS:
        found[f"{name}_sum"] = _LOGITS[function]
    return {**found, name: _OUTPUT.get(function, Grid.RANGE)}


def _wide(ops: Ops, inputs: Any, recurrent: Any, function: str, name: str) -> Any:
    """`_gate` in 16 bits, as `{name}_wide`."""
    if function not in _LOGITS:
        return ops.cast(_gate(ops, inputs, recurrent, function, name), f"{name}_wide")
    logits = ops.cast(ops.add(inputs, recurrent, f"{name}_sum"), f"{name}_logits")
    return ops.activate(logits, function, f"{name}_wide")


def _wide_grids(name: str, function: str) -> dict[str, Grid]:
    found = _gate_grids(name, function)
    if function not in _LOGITS:
        return {**found, f"{name}_wide": Grid.WIDE_UNIT if function in _OUTPUT else Grid.WIDE}
    del found[name]
    return {**found, f"{name}_logits": Grid.WIDE_LOGITS, f"{name}_wide": Grid.WIDE_UNIT}


def _ranged(ops: Ops, inputs: Any, recurrent: Any, function: str, name: str) -> Any:
    """`_gate` in 8 bits on a range from data.

    LiteRT prescribes the range of tanh and sigmoid in 8 bits: [-1, 1) has too few steps for a state
    of small values. In 16 bits it has enough of them.
    """
    if function not in _LOGITS:
        return _gate(ops, inputs, recurrent, function, name)
    return ops.cast(_wide(ops, inputs, recurrent, function, name), name)


def _ranged_grids(name: str, function: str) -> dict[str, Grid]:
    if function not in _LOGITS:
        return _gate_grids(name, function)
    return {**_wide_grids(name, function), name: Grid.RANGE}


@dataclass(frozen=True)
class SimpleStep:
    """`h = f(W x + U h + b)`.

    Attributes:
        activation: the function f.
        bias: whether there is one.
    """

    activation: str
    bias: bool

    gates = 1
    states = ("state",)

    @property
    def grids(self) -> Grids:
        return _ranged_grids("state", self.activation)

    def project(self, ops: Ops, x: Any) -> list[Any]:
        """What the inputs of a step contribute; it can be had for all steps at once."""
        gain, offset = _gain(self.activation)
        x = ops.dropped(x, "inputs")
        bias = "bias" if self.bias else ""
        return [ops.linear(x, "kernel", bias, (0,), "state_inputs", gain, offset)]

    def step(self, ops: Ops, projected: list[Any], states: list[Any]) -> tuple[Any, list[Any]]:
        """The output and the next states."""
        gain, _ = _gain(self.activation)
        before = ops.dropped(states[0], "state")
        mine = ops.linear(before, "recurrent_kernel", "", (0,), "state_recurrent", gain)
        state = _ranged(ops, projected[0], mine, self.activation, "state")
        return state, [state]


@dataclass(frozen=True)
class GRUStep:
    """Update and reset gates `z`, `r`, candidate `n`: `h = n + z * (h - n)`.

    Attributes:
        activation, recurrent_activation: functions of the candidate, and of the gates.
        bias: whether there is one.
        reset_after: whether the reset gate multiplies `U h` or `h`.
    """

    activation: str
    recurrent_activation: str
    bias: bool
    reset_after: bool

    gates = 3
    states = ("state",)

    @property
    def grids(self) -> Grids:
        reset = "candidate_recurrent_reset" if self.reset_after else "state_reset"
        return {
            **_gate_grids("gates", self.recurrent_activation),
            **_ranged_grids("candidate", self.activation),
            **dict.fromkeys((reset, "difference", "kept", "state"), Grid.RANGE),
        }

    def project(self, ops: Ops, x: Any) -> list[Any]:
        gain, offset = _gain(self.recurrent_activation)
        inner, shift = _gain(self.activation)
        x = ops.dropped(x, "inputs")
        bias = "bias" if self.bias else ""
        return [
            ops.linear(x, "kernel", bias, (0, 1), "gates_inputs", gain, offset),
            ops.linear(x, "kernel", bias, (2,), "candidate_inputs", inner, shift),
        ]

    def step(self, ops: Ops, projected: list[Any], states: list[Any]) -> tuple[Any, list[Any]]:
        gain, _ = _gain(self.recurrent_activation)
        inner, _ = _gain(self.activation)
        (state,) = states
        before = ops.dropped(state, "state")
        bias = "recurrent_bias" if self.bias and self.reset_after else ""
        mine = ops.linear(before, "recurrent_kernel", bias, (0, 1), "gates_recurrent", gain)
        gates = _gate(ops, projected[0], mine, self.recurrent_activation, "gates")
        update, reset = ops.split(gates, 2)
        own = "candidate_recurrent"
        if self.reset_after:
            mine = ops.linear(before, "recurrent_kernel", bias, (2,), own, inner)
            mine = ops.multiply(reset, mine, f"{own}_reset")
        else:
            before = ops.multiply(reset, before, "state_reset")
            mine = ops.linear(before, "recurrent_kernel", "", (2,), own, inner)
        candidate = _ranged(ops, projected[1], mine, self.activation, "candidate")
        difference = ops.subtract(state, candidate, "difference")
        kept = ops.multiply(update, difference, "kept")
        after = ops.add(candidate, kept, "state")
        return after, [after]


@dataclass(frozen=True)
class LSTMStep:
    """Gates `i`, `f`, `o` and candidate `g`: `c = f * c + i * g`, `h = o * f(c)`.

    The cell state and what goes into it have 16 bits: it is a sum over all steps, whose rounding
    errors add up.

    Attributes:
        activation, recurrent_activation: functions of candidate and cell, and of the gates.
        bias: whether there is one.
    """

    activation: str
    recurrent_activation: str
    bias: bool

    gates = 4
    states = ("state", "cell")

    @property
    def grids(self) -> Grids:
        squashed = {"tanh": Grid.WIDE_UNIT, "sigmoid": Grid.WIDE_UNIT}.get(self.activation)
        shown = {} if self.activation == "linear" else {"cell_output": squashed or Grid.WIDE}
        return {
            **_gate_grids("gates", self.recurrent_activation),
            **_wide_grids("candidate", self.activation),
            "gates_wide": Grid.WIDE_UNIT if self.recurrent_activation in _OUTPUT else Grid.WIDE,
            **dict.fromkeys(("written", "kept"), Grid.WIDE),
            "cell": Grid.WIDE_POWER,
            **shown,
            "output": Grid.WIDE,
            "state": Grid.RANGE,
        }

    def project(self, ops: Ops, x: Any) -> list[Any]:
        gain, offset = _gain(self.recurrent_activation)
        inner, shift = _gain(self.activation)
        x = ops.dropped(x, "inputs")
        bias = "bias" if self.bias else ""
        return [
            ops.linear(x, "kernel", bias, (0, 1, 3), "gates_inputs", gain, offset),
            ops.linear(x, "kernel", bias, (2,), "candidate_inputs", inner, shift),
        ]

    def step(self, ops: Ops, projected: list[Any], states: list[Any]) -> tuple[Any, list[Any]]:
        gain, _ = _gain(self.recurrent_activation)
        inner, _ = _gain(self.activation)
        state, cell = states
        before = ops.dropped(state, "state")
        mine = ops.linear(before, "recurrent_kernel", "", (0, 1, 3), "gates_recurrent", gain)
        gates = _gate(ops, projected[0], mine, self.recurrent_activation, "gates")
        write, keep, show = ops.split(ops.cast(gates, "gates_wide"), 3)
        mine = ops.linear(before, "recurrent_kernel", "", (2,), "candidate_recurrent", inner)
        candidate = _wide(ops, projected[1], mine, self.activation, "candidate")
        written = ops.multiply(write, candidate, "written")
        cell = ops.add(ops.multiply(keep, cell, "kept"), written, "cell")
        shown = cell
        if self.activation != "linear":
            shown = ops.activate(cell, self.activation, "cell_output")
        state = ops.cast(ops.multiply(show, shown, "output"), "state")
        return state, [state, cell]


@dataclass(frozen=True)
class FusedLSTMStep:
    """The same as LiteRT's `UNIDIRECTIONAL_SEQUENCE_LSTM` computes it.

    Gates have 16 bits inside it. It has neither other functions nor states to be given or taken.
    """

    bias: bool

    gates = 4
    states = ("state", "cell")

    @property
    def grids(self) -> Grids:
        return {
            "gates_sum": Grid.WIDE_LOGITS,
            **dict.fromkeys(("gates", "candidate", "cell_output"), Grid.WIDE_UNIT),
            "cell": Grid.WIDE_POWER,
            "state": Grid.RANGE,
        }

    def project(self, ops: Ops, x: Any) -> list[Any]:
        x = ops.dropped(x, "inputs")
        return [ops.linear(x, "kernel", "bias" if self.bias else "", (0, 1, 3, 2), "")]

    def step(self, ops: Ops, projected: list[Any], states: list[Any]) -> tuple[Any, list[Any]]:
        state, cell = states
        before = ops.dropped(state, "state")
        mine = ops.linear(before, "recurrent_kernel", "", (0, 1, 3, 2), "")
        write, keep, show, candidate = ops.split(ops.add(projected[0], mine, "gates_sum"), 4)
        write, keep, show = (ops.activate(x, "sigmoid", "gates") for x in (write, keep, show))
        candidate = ops.activate(candidate, "tanh", "candidate")
        written = ops.multiply(write, candidate, "")
        cell = ops.add(ops.multiply(keep, cell, ""), written, "cell")
        state = ops.multiply(show, ops.activate(cell, "tanh", "cell_output"), "state")
        return state, [state, cell]


Step = SimpleStep | GRUStep | LSTMStep | FusedLSTMStep
