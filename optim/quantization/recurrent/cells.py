"""Which cells of Keras have a step in `Ops`, and why others have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from optim._keras import keras
from optim.models.class_tables import nearest
from optim.models.kernels import ConvLSTMCell
from optim.quantization.activation_facts import activation_name
from optim.quantization.node_facts import hierarchy
from optim.quantization.recurrent.steps import (
    FUNCTIONS,
    FusedLSTMStep,
    GRUStep,
    LSTMStep,
    SimpleStep,
    Step,
)

K = keras.layers

Make = Callable[[Any], Step]


def _simple(cell: Any) -> Step:
    return SimpleStep(activation_name(cell.activation), bool(cell.use_bias))


def _gru(cell: Any) -> Step:
    return GRUStep(*_functions(cell), bool(cell.use_bias), bool(cell.reset_after))


def _lstm(cell: Any) -> Step:
    return LSTMStep(*_functions(cell), bool(cell.use_bias))


def _functions(cell: Any) -> tuple[str, str]:
    return activation_name(cell.activation), activation_name(cell.recurrent_activation)


#: Cell class -> its step; for subclasses that compute the same, too.
CELLS: Mapping[type, Make] = {
    K.SimpleRNNCell: _simple,
    K.GRUCell: _gru,
    K.LSTMCell: _lstm,
    ConvLSTMCell: _lstm,
}


def step_of(cell: Any) -> Step:
    """Return the step of a cell that `refused` has nothing against."""
    make: Make = nearest(CELLS, hierarchy(cell))
    return make(cell)


def fused_step(cell: Any) -> Step | None:
    """Return the step of a cell that LiteRT has one operation for; None if it has none."""
    step = step_of(cell)
    if not isinstance(step, LSTMStep) or is_convolution(cell):
        return None
    usual = (step.activation, step.recurrent_activation) == ("tanh", "sigmoid")
    return FusedLSTMStep(step.bias) if usual else None


def is_convolution(cell: Any) -> bool:
    """Whether its linear maps are convolutions."""
    return isinstance(cell, ConvLSTMCell)


def packed(cell: Any) -> dict[str, Any]:
    """Return a cell as its class and config, complete: Keras leaves the rank of one out."""
    found: dict[str, Any] = keras.utils.legacy.serialize_keras_object(cell)
    if is_convolution(cell):
        found["config"] = {**found["config"], "rank": cell.rank}
    return found


def unpacked(cell: Any) -> Any:
    """Return a new cell from what `packed` returns, or the cell that is given."""
    if isinstance(cell, K.Layer):
        return cell
    known = {cls.__name__: cls for cls in CELLS}
    return K.deserialize(cell, custom_objects=known, use_legacy_format=True)


def copied(cell: Any) -> Any:
    """Return a new cell like one, whether or not its class is registered."""
    return type(cell).from_config(packed(cell)["config"])


def refused(cell: Any) -> str:
    """Return why a cell has no step here, with what to do; empty if it has one."""
    kind = type(cell).__name__
    if nearest(CELLS, hierarchy(cell)) is None:
        return (
            f"its cell {kind} is not known: use LSTMCell, GRUCell or SimpleRNNCell, or a loop of "
            "Dense layers over a known number of steps"
        )
    if is_convolution(cell):
        if cell.rank > 2:
            return "LiteRT has no int8 kernel for convolutions over three dimensions"
        if cell.data_format != "channels_last":
            return "LiteRT convolves with the channels last only: use data_format='channels_last'"
    step = step_of(cell)
    functions = [(step.activation, "activation")] if not isinstance(step, FusedLSTMStep) else []
    if not isinstance(step, (SimpleStep, FusedLSTMStep)):
        functions.append((step.recurrent_activation, "recurrent_activation"))
    for name, option in functions:
        if name not in FUNCTIONS:
            shown = name or getattr(cell, option)
            return f"its {option} {shown} has no int8 form in a loop: use one of {_LISTED}"
    if isinstance(step, LSTMStep) and step.activation == "hard_sigmoid":
        return "LiteRT has no 16-bit hard sigmoid for its cell state: use activation='tanh'"
    return ""


_LISTED = ", ".join(FUNCTIONS)
