"""Quantization schemes: how many bits, which symmetry, per channel or per tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optim._keras import tfmot
from optim.engine.quantizers import ChannelQuantizer
from optim.errors import ConfigError

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
        missing: layer classes that LiteRT has no kernel for, by class name -> what lacks.
    """

    name: str
    weight_bits: int = 8
    per_channel: bool = True
    activation_bits: int = 8
    symmetric: bool = False
    missing: tuple[tuple[str, str], ...] = ()

    def activation(self) -> Any:
        """A quantizer for an activation whose range is learnt."""
        return _Q.MovingAverageQuantizer(
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
        return _Q.FixedQuantizer(
            num_bits=self.activation_bits, init_min=low, init_max=high, narrow_range=False
        )

    def weight(self, axes: tuple[int, ...]) -> Any:
        """A quantizer for a kernel with the given channel axes; () for one range."""
        if axes and self.per_channel:
            return ChannelQuantizer(num_bits=self.weight_bits, axes=axes)
        return _Q.LastValueQuantizer(
            num_bits=self.weight_bits, per_axis=False, symmetric=True, narrow_range=True
        )


_INT16_MISSING = (
    ("HardSwish", "LiteRT has no int16 HARD_SWISH"),
    ("SquaredDifference", "LiteRT has no int16 SQUARED_DIFFERENCE"),
)

SCHEMES: dict[str, Scheme] = {
    s.name: s
    for s in (
        Scheme("int8"),
        Scheme("int8-per-tensor", per_channel=False),
        Scheme("int16x8", activation_bits=16, symmetric=True, missing=_INT16_MISSING),
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
