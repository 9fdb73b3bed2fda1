"""Where layers keep their kernels, and which axis of a kernel counts the inputs.

Pruning, clustering and the sparsity report look kernels up here: one table says what holds
them in which layer class, a second one which layers merely hold others.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from optim._keras import keras, tf
from optim.errors import ConfigError
from optim.models.class_tables import lookup, nearest
from optim.models.clone import is_network

__all__ = [
    "CONTAINERS",
    "KERNELS",
    "LINEAR",
    "Kernels",
    "Slot",
    "Table",
    "built_slots",
    "hidden",
    "input_axis",
    "kernel_table",
    "linear_kernel",
    "paths",
    "slots",
    "with_depthwise",
]

_layers = keras.layers
ConvLSTMCell = importlib.import_module("tf_keras.src.layers.rnn.base_conv_lstm").ConvLSTMCell

Table = Mapping[type, tuple[str, ...]]
"""Layer class -> attributes (dotted if nested) that hold kernels; for subclasses too."""

Axis = int | None | Callable[[Any, int], int | None]
"""An axis of a kernel, None for none, or a function of layer and rank that returns it."""


def _axis_by_rank(_: Any, rank: int) -> int | None:
    """As in tfmot: as for `Dense` at rank 2, as for `Conv2D` at rank 4."""
    return {2: 0, 4: 2}.get(rank)


def _einsum_axis(layer: Any, rank: int) -> int | None:
    """The last axis of an EinsumDense kernel that is summed over."""
    inputs, _, output = layer.equation.replace(" ", "").partition("->")
    _, _, kernel = inputs.partition(",")
    summed = [axis for axis, letter in enumerate(kernel) if letter not in output]
    return summed[-1] if summed else None


@dataclass(frozen=True)
class Kernels:
    """What is known of the kernels of a layer class.

    Attributes:
        attributes: what holds those that are pruned and clustered, dotted if nested; empty
            for those of the base class, if that has any.
        depthwise: what holds depthwise ones. Such a kernel has a few values per channel,
            without which the channel is lost, so it is left alone unless asked for
            (`depthwise=True`); tfmot leaves it alone always.
        inputs: the axis that runs over the inputs of one sum. It is the innermost axis of
            the weights in a LiteRT file (`[out, in]`, `[out, h, w, in]`), along which m-by-n
            sparsity is counted. None: there is no such sum, or no such axis.
        channels: the axes that number the output channels, where the layer is one linear map
            by this kernel that LiteRT runs in int8; None: it is not.
    """

    attributes: tuple[str, ...] = ("kernel",)
    depthwise: tuple[str, ...] = ()
    inputs: Axis = _axis_by_rank
    channels: tuple[int, ...] | None = None

    @property
    def linear(self) -> str:
        """Attribute of the kernel of a linear map."""
        return (*self.depthwise, *self.attributes, "kernel")[0]


_CELL = Kernels(("kernel", "recurrent_kernel"), inputs=0)
_DEPTHWISE = Kernels((), ("depthwise_kernel",), inputs=None)
_CONV_CELL = Kernels(("kernel", "recurrent_kernel"), inputs=-2)
_SEPARABLE = Kernels(("pointwise_kernel",), ("depthwise_kernel",), inputs=-2)
_TRANSPOSE = Kernels((), inputs=-1)

KERNELS: dict[type, Kernels] = {
    _layers.Dense: Kernels(inputs=0, channels=(1,)),
    _layers.EinsumDense: Kernels(inputs=_einsum_axis),
    _layers.Embedding: Kernels(("embeddings",), inputs=None),
    _layers.Conv1D: Kernels(inputs=-2, channels=(2,)),
    _layers.Conv2D: Kernels(inputs=-2, channels=(3,)),
    _layers.Conv3D: Kernels(inputs=-2),
    _layers.Conv1DTranspose: replace(_TRANSPOSE, channels=(1,)),
    _layers.Conv2DTranspose: replace(_TRANSPOSE, channels=(2,)),
    _layers.Conv3DTranspose: _TRANSPOSE,
    _layers.DepthwiseConv1D: replace(_DEPTHWISE, channels=(1, 2)),
    _layers.DepthwiseConv2D: replace(_DEPTHWISE, channels=(2, 3)),
    _layers.SeparableConv1D: _SEPARABLE,
    _layers.SeparableConv2D: _SEPARABLE,
    _layers.LocallyConnected1D: Kernels(inputs=None),
    _layers.LocallyConnected2D: Kernels(inputs=None),
    _layers.MultiHeadAttention: Kernels(
        ("_query_dense.kernel", "_key_dense.kernel", "_value_dense.kernel", "_output_dense.kernel")
    ),
    _layers.SimpleRNNCell: _CELL,
    _layers.LSTMCell: _CELL,
    _layers.GRUCell: _CELL,
    ConvLSTMCell: _CONV_CELL,
}
"""Layer class -> its kernels; for subclasses too. What is missing here is left alone:
pre-processing, normalization, activation, pooling.
"""

CONTAINERS: dict[type, Callable[[Any], Iterable[str]]] = {
    _layers.RNN: lambda layer: ["cell"],
    _layers.StackedRNNCells: lambda cell: [f"cells.{i}" for i in range(len(cell.cells))],
    _layers.Bidirectional: lambda layer: ["forward_layer", "backward_layer"],
    _layers.TimeDistributed: lambda layer: ["layer"],
}
"""Layer class -> function of the layer that returns the attributes holding its inner layers.

Of a Functional or Sequential model inside such a layer, the layers are known as well.
"""


LINEAR: tuple[type, ...] = tuple(cls for cls, known in KERNELS.items() if known.channels)
"""Layer classes that are one linear map by a kernel, which LiteRT runs in int8."""


def linear_kernel(classes: Iterable[type]) -> Kernels | None:
    """Return the kernel of a layer that is a linear map; None if it is not one.

    Args:
        classes: of the layer, the most derived first.
    """
    known = nearest(KERNELS, classes)
    return known if known is not None and known.channels else None


def kernel_table() -> dict[type, tuple[str, ...]]:
    """Return a new table of what is pruned and clustered where, depthwise kernels left out."""
    return {cls: known.attributes for cls, known in KERNELS.items() if known.attributes}


def with_depthwise(table: Table, depthwise: bool = True) -> Table:
    """Return the table, with the depthwise kernels added if they are wanted."""
    if not depthwise:
        return table
    more = {
        cls: known.depthwise + known.attributes for cls, known in KERNELS.items() if known.depthwise
    }
    return {**table, **more}


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
    return tuple(
        f"{name}.{path}" for name in _inner(layer) for path in paths(_follow(layer, name), table)
    )


def _inner(layer: Any) -> list[str]:
    """The attributes that hold the inner layers of a layer, if that is known of its class."""
    found, inner = lookup(CONTAINERS, type(layer))
    if found:
        return list(inner(layer))
    return [f"layers.{i}" for i in range(len(layer.layers))] if is_network(layer) else []


def hidden(layer: Any, table: Table) -> list[Any]:
    """Return the layers with kernels inside a layer that `paths` does not lead to.

    Such are in models of a class of the caller's, and in layers made of layers. A class that is
    in the table has those kernels that it says, and no others.

    Args:
        layer: a built layer; one that is not built is not looked into.
        table: as for `paths`.
    """
    if not layer.built or lookup(table, type(layer))[0]:
        return []
    known = {id(slot.owner) for slot in slots(layer, table)}
    return [
        x
        for x in layer._flatten_layers(include_self=False)
        if id(x) not in known and lookup(table, type(x))[1]
    ]


def slots(layer: Any, table: Table) -> list[Slot]:
    """Return the kernels of a built layer."""
    found, finish = lookup(UNFINISHED, type(layer))
    if found:
        finish(layer)
    result: dict[tuple[int, str], Slot] = {}
    for path in paths(layer, table):
        name, _, attribute = path.rpartition(".")
        owner = _follow(layer, name)
        result.setdefault((id(owner), attribute), Slot(path, owner, attribute))  # shared: once
    return list(result.values())


def built_slots(layer: Any, table: Table, doing: str) -> list[Slot]:
    """Return the kernels of a layer, of which each has its variable.

    Args:
        layer, table: as for `slots`.
        doing: what the kernels are wanted for, "prune" or "cluster".

    Raises:
        ConfigError: the layer makes its weights when it is first called, and was not; or what
            the table names is not there, or is no weight.
    """
    kind = type(layer).__name__
    late = lookup(UNFINISHED, type(layer))[0]
    try:
        found = slots(layer, table)
        for slot in found:
            if isinstance(slot.value, keras.layers.Layer):
                raise ConfigError(
                    f"{layer.name}: {slot.path!r} of a {kind} is a layer; name its weight, such as "
                    f"'{slot.path}.kernel'"
                )
    except AttributeError as error:
        if layer.built and not late:
            raise ConfigError(
                f"{layer.name}: a {kind} has not the weights that are declared of it ({error}): "
                f"{', '.join(paths(layer, table))}; register the names that it has"
            ) from error
        raise ConfigError(
            f"{layer.name}: a {kind} has no kernels before it is called "
            f"({error}); build the model first and {doing} the model"
        ) from error
    return found


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


def input_axis(slot: Slot | None, rank: int) -> int | None:
    """Return the axis of a kernel, from 0, that m-by-n sparsity is counted along.

    Args:
        slot: the kernel; None if only its shape is known.
        rank: number of its axes.

    Returns:
        The axis; None if m-by-n sparsity makes no sense. For classes that `KERNELS` does
        not know: as for `Dense` at rank 2, as for `Conv2D` at rank 4.
    """
    if slot is None:
        return _axis_by_rank(None, rank)
    if slot.attribute == "depthwise_kernel":
        return None
    found, known = lookup(KERNELS, type(slot.owner))
    axis = known.inputs if found else _axis_by_rank
    if callable(axis):
        axis = axis(slot.owner, rank)
    return None if axis is None else axis % rank
