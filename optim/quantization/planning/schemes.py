"""Quantization schemes: how many bits, which symmetry, per channel or per tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optim._keras import tfmot
from optim.errors import ConfigError
from optim.quantization.quantizers.quantizers import (
    ChannelQuantizer,
    FixedRangeQuantizer,
    KernelQuantizer,
    ScoreQuantizer,
)

_Q = tfmot.quantization.keras.quantizers


@dataclass(frozen=True)
class Scheme:
    """How tensors are quantized.

    Attributes:
        name: as `quantize_model(scheme=...)` takes it.
        weight_bits: bits of weights; always symmetric, narrow range ([-127, 127]).
        per_channel: one range per output channel where LiteRT allows it, else per tensor.
        activation_bits: bits of activations; one range per tensor.
        symmetric: whether activation ranges are symmetric around 0.
        missing: what LiteRT has no kernel for: name of a layer class (subclasses count) or
            of a function -> what lacks. Such a layer can stay float.
        wrong: the same for what must not be in the model at all: the converter, which takes
            the ranges from data, quantizes it even where it is to stay float.
    """

    name: str
    weight_bits: int = 8
    per_channel: bool = True
    activation_bits: int = 8
    symmetric: bool = False
    missing: tuple[tuple[str, str], ...] = ()
    wrong: tuple[tuple[str, str], ...] = ()

    def activation(self) -> Any:
        """A quantizer for an activation whose range is learnt."""
        return _Q.MovingAverageQuantizer(
            num_bits=self.activation_bits,
            per_axis=False,
            symmetric=self.symmetric,
            narrow_range=False,
        )

    def scores(self) -> Any:
        """A quantizer for what goes into a softmax, masked."""
        return ScoreQuantizer(
            num_bits=self.activation_bits,
            per_axis=False,
            symmetric=self.symmetric,
            narrow_range=False,
        )

    def model_input(self) -> Any:
        """A quantizer for an input of the model: it keeps the widest range seen."""
        return _Q.AllValuesQuantizer(
            num_bits=self.activation_bits,
            per_axis=False,
            symmetric=self.symmetric,
            narrow_range=False,
        )

    def fixed(self, low: float, high: float) -> Any:
        """A quantizer for an activation whose range LiteRT prescribes."""
        return FixedRangeQuantizer(
            num_bits=self.activation_bits, init_min=low, init_max=high, narrow_range=False
        )

    def weight(self, axes: tuple[int, ...]) -> Any:
        """A quantizer for a kernel with the given channel axes; () for one range."""
        if axes and self.per_channel:
            return ChannelQuantizer(num_bits=self.weight_bits, axes=axes)
        return _Q.LastValueQuantizer(
            num_bits=self.weight_bits, per_axis=False, symmetric=True, narrow_range=True
        )

    def folded_weight(self, axes: tuple[int, ...]) -> Any:
        """A quantizer for a kernel into which a normalization is folded at export."""
        return self.weight(axes) if self.per_channel else self.one_range(axes)

    def one_range(self, axes: tuple[int, ...]) -> Any:
        """A quantizer for a kernel with one range, in a form that lasts when it is folded."""
        return KernelQuantizer(num_bits=self.weight_bits, axes=axes)


# Found by running one file per layer and function, which test_int16.py does again.
_INT16_MISSING = (
    ("HARD_SWISH", "HardSwish"),
    ("PRELU", "PReLU"),
    ("L2_NORMALIZATION", "math.l2_normalize"),
    ("SQRT", "math.sqrt"),
    ("DEPTH_TO_SPACE", "nn.depth_to_space compat.v1.depth_to_space"),
    ("SPACE_TO_DEPTH", "nn.space_to_depth compat.v1.space_to_depth"),
)
_INT16_WRONG = (
    (
        "LiteRT has no int16 SQUARED_DIFFERENCE, and the file would not run",
        "SquaredDifference LayerNormalization GroupNormalization math.squared_difference",
    ),
    (
        "LiteRT's int16 SUM computes wrong numbers",
        "math.reduce_sum compat.v1.reduce_sum",
    ),
    (
        "LiteRT's int16 SELECT does not see that its inputs have different scales",
        "where compat.v1.where",
    ),
    (
        "LiteRT has no int16 recurrent operation, and the file would not run",
        "RNN Bidirectional ConvLSTM2D Recurrent",
    ),
)


def _by_name(entries: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, what) for what, names in entries for name in names.split())


SCHEMES: dict[str, Scheme] = {
    s.name: s
    for s in (
        Scheme("int8"),
        Scheme("int8-per-tensor", per_channel=False),
        Scheme(
            "int16x8",
            activation_bits=16,
            symmetric=True,
            missing=_by_name(tuple((f"LiteRT has no int16 {op}", n) for op, n in _INT16_MISSING)),
            wrong=_by_name(_INT16_WRONG),
        ),
    )
}


def get_scheme(scheme: str | Scheme) -> Scheme:
    """Return a scheme by name, or the one given.

    Raises:
        ConfigError: no scheme has that name.
    """
    if isinstance(scheme, Scheme):
        return scheme
    if scheme not in SCHEMES:
        raise ConfigError(f"unknown scheme {scheme!r}: choose one of {', '.join(SCHEMES)}")
    return SCHEMES[scheme]
