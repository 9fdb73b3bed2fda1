"""Activations: one entry for each that Keras has, with what LiteRT does about it.

A test compares the entries with `keras.activations`: one that has none fails it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optim._keras import keras, tf

_A = keras.activations


@dataclass(frozen=True)
class Activation:
    """What is known of an activation.

    Attributes:
        functions: that compute exactly this.
        symbol: public name of the function whose op layers are it, where its range is fixed.
        range, range_16: what LiteRT prescribes for its output, of 8 and of 16 bits; None: it
            does not. The last of the steps is not reached.
        fuses: whether LiteRT fuses it into the operation before it.
        table: whether LiteRT has an int8 look-up table for it.
    """

    functions: tuple[Any, ...] = ()
    symbol: str = ""
    range: tuple[float, float] | None = None
    range_16: tuple[float, float] | None = None
    fuses: bool = False
    table: bool = False


_HALF_OPEN = (0.0, 255 / 256)
_SIGNED = (-1.0, 127 / 128)
_ALL_16 = (-1.0, 32767 / 32768)  # scale 1/32768 throughout

ACTIVATIONS: Mapping[str, Activation] = {
    "linear": Activation((_A.linear, None), fuses=True),
    "relu": Activation((_A.relu, tf.nn.relu), fuses=True),
    "relu6": Activation((tf.nn.relu6,), fuses=True),
    "sigmoid": Activation(
        (_A.sigmoid, tf.nn.sigmoid, tf.math.sigmoid), "math.sigmoid", _HALF_OPEN, _ALL_16
    ),
    "tanh": Activation((_A.tanh, tf.nn.tanh, tf.math.tanh), "math.tanh", _SIGNED, _ALL_16),
    "softmax": Activation((_A.softmax, tf.nn.softmax), "nn.softmax", _HALF_OPEN, _ALL_16),
    "l2_normalize": Activation((), "math.l2_normalize", _SIGNED, _ALL_16),
    # Taken apart into others by the rules of `lowering.activations`.
    "swish": Activation((_A.swish, tf.nn.silu, tf.nn.swish)),
    "hard_sigmoid": Activation((_A.hard_sigmoid,)),
    "gelu": Activation((_A.gelu, tf.nn.gelu), table=True),
    "elu": Activation((_A.elu, tf.nn.elu)),
    "selu": Activation((_A.selu, tf.nn.selu)),
    "softplus": Activation((_A.softplus, tf.nn.softplus)),
    "softsign": Activation((_A.softsign, tf.nn.softsign)),
    "exponential": Activation((_A.exponential, tf.math.exp)),
    "mish": Activation((_A.mish,)),
}

_NAME_OF = {id(fn): name for name, known in ACTIVATIONS.items() for fn in known.functions}

#: LiteRT fuses these into the operation before.
FUSED = tuple(name for name, known in ACTIVATIONS.items() if known.fuses)

#: Inside a layer, LiteRT fixes the output scale of these.
FIXED = tuple(name for name, known in ACTIVATIONS.items() if known.range and known.functions)

#: Functions whose output scale LiteRT fixes, by their public names.
FIXED_SYMBOLS = frozenset(known.symbol for known in ACTIVATIONS.values() if known.symbol)


def activation_name(function: Any) -> str:
    """Name of an activation function, by identity; '' for one that is not known."""
    return _NAME_OF.get(id(function), "")


def fixed_range(name: str, bits: int) -> tuple[float, float] | None:
    """Return the range that LiteRT prescribes for an output; None if it does not.

    Args:
        name: of an activation, or of a function without its module.
        bits: of activations, 8 or 16.
    """
    known = ACTIVATIONS.get(name)
    if known is None:
        return None
    return known.range if bits == 8 else known.range_16
