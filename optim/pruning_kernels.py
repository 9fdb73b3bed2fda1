"""Where layers keep their kernels, and which axis of a kernel counts the inputs.

Pruning, clustering and the sparsity report look kernels up here: a table says which
attributes of a layer class hold them, and a second one which layers merely hold others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optim._keras import keras, tf
from optim.configs import lookup

__all__ = ["CONTAINERS", "DEPTHWISE", "INPUT_AXIS", "Slot", "input_axis", "paths", "slots"]

_layers = keras.layers

Table = Mapping[type, tuple[str, ...]]
"""Layer class -> attributes (dotted if nested) that hold kernels; for subclasses too."""

CONTAINERS: dict[type, Callable[[Any], Iterable[str]]] = {
    _layers.RNN: lambda layer: ["cell"],
    _layers.StackedRNNCells: lambda cell: [f"cells.{i}" for i in range(len(cell.cells))],
    _layers.Bidirectional: lambda layer: ["forward_layer", "backward_layer"],
    _layers.TimeDistributed: lambda layer: ["layer"],
}
"""Layer class -> function of the layer that returns the attributes holding its inner layers."""

DEPTHWISE: dict[type, tuple[str, ...]] = {
    _layers.DepthwiseConv1D: ("depthwise_kernel",),
    _layers.DepthwiseConv2D: ("depthwise_kernel",),
    _layers.SeparableConv1D: ("depthwise_kernel", "pointwise_kernel"),
    _layers.SeparableConv2D: ("depthwise_kernel", "pointwise_kernel"),
}
"""What `depthwise=True` adds to a table of kernels.

A depthwise kernel has a few values per channel, without which the channel is lost, so it
is left alone unless asked for; tfmot leaves it alone always.
"""


@dataclass(frozen=True)
class Slot:
    """One kernel of a layer.

    Attributes:
        path: attributes from the layer to the kernel, joined by dots.
        owner: the (inner) layer or cell that holds it.
        attribute: its name there.
    """

    path: str
    owner: Any
    attribute: str

    @property
    def value(self) -> Any:
        """The variable; once the layer is built."""
        return getattr(self.owner, self.attribute)


def paths(layer: Any, table: Table) -> tuple[str, ...]:
    """Return where the layer, built or not, keeps kernels; empty if it has none."""
    found, names = lookup(table, type(layer))
    if found:
        return tuple(names)
    found, inner = lookup(CONTAINERS, type(layer))
    if not found:
        return ()
    return tuple(
        f"{name}.{path}" for name in inner(layer) for path in paths(_follow(layer, name), table)
    )


def slots(layer: Any, table: Table) -> list[Slot]:
    """Return the kernels of a built layer."""
    found, finish = lookup(UNFINISHED, type(layer))
    if found:
        finish(layer)
    result = []
    for path in paths(layer, table):
        owner, _, attribute = path.rpartition(".")
        result.append(Slot(path, _follow(layer, owner), attribute))
    return result


def _follow(layer: Any, path: str) -> Any:
    for name in path.split(".") if path else ():
        layer = layer[int(name)] if name.isdigit() else getattr(layer, name)
    return layer


def _finish_attention(layer: Any) -> None:
    """Make the weights of an attention layer that knows the shapes of its arguments."""
    if not layer._built_from_signature:
        return
    query = layer._query_shape
    heads = query[:-1].concatenate([layer._num_heads, layer._value_dim])
    shapes = {
        layer._query_dense: query,
        layer._key_dense: layer._key_shape,
        layer._value_dense: layer._value_shape,
        layer._output_dense: heads,
    }
    for part, shape in shapes.items():
        if not part.built:
            with tf.init_scope(), tf.name_scope(layer.name), tf.name_scope(part.name):
                part.build(shape)


UNFINISHED: dict[type, Callable[[Any], None]] = {_layers.MultiHeadAttention: _finish_attention}
"""Layer class -> what makes the weights that its `build` does not make but its first call."""


def _einsum_axis(layer: Any, rank: int) -> int | None:
    """The last axis of an EinsumDense kernel that is summed over."""
    inputs, _, output = layer.equation.replace(" ", "").partition("->")
    _, _, kernel = inputs.partition(",")
    summed = [axis for axis, letter in enumerate(kernel) if letter not in output]
    return summed[-1] if summed else None


INPUT_AXIS: dict[type, int | Callable[[Any, int], int | None] | None] = {
    _layers.Dense: 0,
    _layers.EinsumDense: _einsum_axis,
    _layers.Conv1D: -2,
    _layers.Conv2D: -2,
    _layers.Conv3D: -2,
    _layers.Conv1DTranspose: -1,
    _layers.Conv2DTranspose: -1,
    _layers.Conv3DTranspose: -1,
    _layers.SeparableConv1D: -2,
    _layers.SeparableConv2D: -2,
    _layers.SimpleRNNCell: 0,
    _layers.LSTMCell: 0,
    _layers.GRUCell: 0,
    _layers.DepthwiseConv1D: None,
    _layers.DepthwiseConv2D: None,
    _layers.Embedding: None,
    _layers.LocallyConnected1D: None,
    _layers.LocallyConnected2D: None,
}
"""Layer class -> the axis of its kernel that runs over the inputs of one sum.

It is the innermost axis of the weights in a LiteRT file (`[out, in]`, `[out, h, w, in]`),
along which m-by-n sparsity is counted. None: there is no such sum, or no such axis.
"""


def input_axis(slot: Slot | None, rank: int) -> int | None:
    """Return the axis of a kernel, from 0, that m-by-n sparsity is counted along.

    Args:
        slot: the kernel; None if only its shape is known.
        rank: number of its axes.

    Returns:
        The axis; None if m-by-n sparsity makes no sense. For classes that the table does
        not know: as for `Dense` at rank 2, as for `Conv2D` at rank 4 (as tfmot does).
    """
    found, axis = lookup(INPUT_AXIS, type(slot.owner)) if slot else (False, None)
    if slot and slot.attribute == "depthwise_kernel":
        return None
    if not found:
        axis = {2: 0, 4: 2}.get(rank)
    if callable(axis):
        axis = axis(slot.owner if slot else None, rank)
    return None if axis is None else axis % rank
