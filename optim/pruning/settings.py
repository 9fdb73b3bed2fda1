"""How a layer is to be pruned: schedule, and pattern of the zeros."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import Any

import numpy as np

from optim._keras import tfmot
from optim.errors import ConfigError
from optim.models.integers import pair
from optim.models.kernels import input_axis
from optim.pruning.wrapper import kernels

__all__ = ["SCHEDULES", "Settings"]


@dataclass(frozen=True)
class Settings:
    """The options of `prune_low_magnitude` that may differ from layer to layer.

    Attributes: see `optim.prune_low_magnitude`. None stands for a default that depends on
    the others.
    """

    schedule: Any = "constant"
    sparsity: float | None = None
    initial_sparsity: float | None = None
    begin_step: int | None = None
    end_step: int | None = None
    frequency: int | None = None
    power: float | None = None
    block_size: tuple[int, int] = (1, 1)
    block_pooling_type: str = "AVG"
    sparsity_m_by_n: tuple[int, int] | None = None
    depthwise: bool = False

    def changed(self, settings: Mapping[str, Any]) -> Settings:
        """Return these settings with some changed.

        A pattern (blocks, or m by n) takes the place of the other, and words about the
        schedule take the place of a schedule object.
        """
        given = {name: _immutable(value) for name, value in settings.items()}
        if "pruning_schedule" in given:
            given["schedule"] = given.pop("pruning_schedule")
        base = self
        if given.get("sparsity_m_by_n"):
            base = replace(base, block_size=(1, 1), sparsity=None)
        elif set(given) & {"block_size", "sparsity"}:
            base = replace(base, sparsity_m_by_n=None)
        if not isinstance(base.schedule, str) and set(given) & set(_WORDS):
            base = replace(base, schedule="constant")
        unset: dict[str, Any] = {}
        if "schedule" in given:
            named = isinstance(given["schedule"], str)
            unset = dict.fromkeys(set(_WORDS) - {"sparsity"} if named else _WORDS)
        return replace(base, **{**unset, **given})

    def arguments(self) -> dict[str, Any]:
        """Return the arguments for the wrapper.

        Raises:
            ConfigError: what is set makes no sense, or not together.
        """
        block = pair(self.block_size, "block_size")
        m_by_n = pair(self.sparsity_m_by_n, "sparsity_m_by_n") if self.sparsity_m_by_n else None
        if min(block) < 1:
            raise ConfigError(f"block_size={block}: at least 1 by 1")
        if self.block_pooling_type not in ("AVG", "MAX"):
            raise ConfigError(
                f"Unsupported pooling type {self.block_pooling_type!r}: choose 'AVG' or 'MAX'"
            )
        if m_by_n:
            self._check_m_by_n(*m_by_n, block)
        arguments = {
            "pruning_schedule": self._schedule(m_by_n),
            "block_size": block,
            "block_pooling_type": self.block_pooling_type,
            "sparsity_m_by_n": m_by_n,
        }
        return {**arguments, "depthwise": True} if self.depthwise else arguments

    def fits(self, layer: Any) -> bool:
        """Whether all kernels of a built layer can take the pattern."""
        if not self.sparsity_m_by_n and tuple(self.block_size) == (1, 1):
            return True
        if not layer.built:
            return True
        places = [(slot, tuple(weight.shape)) for slot, weight in kernels(layer, self.depthwise)]
        if self.sparsity_m_by_n:
            return all(input_axis(slot, len(shape)) is not None for slot, shape in places)
        return all(
            len(shape) >= 2 and (shape[-2] > self.block_size[0] or shape[-1] > self.block_size[1])
            for _, shape in places
        )

    def _check_m_by_n(self, m: int, n: int, block: tuple[int, int]) -> None:
        if not 0 < m < n:
            raise ConfigError(f"sparsity_m_by_n=({m}, {n}): m zeros in n values, 0 < m < n")
        if block != (1, 1):
            raise ConfigError("block_size and sparsity_m_by_n: choose one of the two patterns")
        if self.sparsity is not None and self.sparsity != m / n:
            raise ConfigError(
                f"sparsity={self.sparsity}: sparsity_m_by_n=({m}, {n}) makes it {m / n}"
            )

    def _schedule(self, m_by_n: tuple[int, int] | None) -> Any:
        given = {name: getattr(self, name) for name in _WORDS}
        given = {name: _number(name, value) for name, value in given.items() if value is not None}
        if m_by_n:
            given.setdefault("sparsity", m_by_n[0] / m_by_n[1])
        if not isinstance(self.schedule, str):
            return _check_object(self.schedule, given, m_by_n)
        if self.schedule not in SCHEDULES:
            raise ConfigError(
                f"schedule={self.schedule!r}: choose one of {', '.join(SCHEDULES)}, or give a "
                "tfmot PruningSchedule"
            )
        make, allowed = SCHEDULES[self.schedule]
        unknown = sorted(set(given) - set(allowed))
        if unknown:
            raise ConfigError(
                f"schedule={self.schedule!r} has no {', '.join(unknown)}; "
                f"it has {', '.join(allowed)}"
            )
        try:
            return make(**given)
        except ValueError as error:
            raise ConfigError(f"schedule={self.schedule!r}: {error}") from error


def _check_object(schedule: Any, given: Mapping[str, Any], m_by_n: Any) -> Any:
    if not isinstance(schedule, tfmot.sparsity.keras.PruningSchedule):
        raise ConfigError(
            f"schedule: {schedule!r} is neither a name nor a tfmot PruningSchedule; leave it out "
            "to prune 50 % all the time"
        )
    extra = sorted(set(given) - ({"sparsity"} if m_by_n else set()))
    if extra:
        raise ConfigError(f"{', '.join(extra)}: set in the schedule object that is given")
    return schedule


def _immutable(value: Any) -> Any:
    """Make a tuple of a list, as JSON and YAML have them: settings are keys of a table."""
    return tuple(value) if isinstance(value, (list, np.ndarray)) else value


def _number(name: str, value: Any) -> float:
    """Return the value of a word about the schedule as a number of Python.

    Raises:
        ConfigError: it is no number, a share out of range, or a number of steps with a fraction.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ConfigError(f"{name}={value!r}: must be a number")
    number = float(value)
    if name in _SHARES and not 0 <= number < 1:
        hint = f": for {number:g} % say {number / 100:g}" if 1 < number < 100 else ""
        raise ConfigError(f"{name}={value!r}: a share of zeros, from 0 to less than 1{hint}")
    if name not in _STEPS:
        return number
    if not number.is_integer():
        raise ConfigError(f"{name}={value!r}: must be a whole number of steps")
    return int(number)


def _constant(
    sparsity: float = 0.5, begin_step: int = 0, end_step: int = -1, frequency: int = 100
) -> Any:
    return tfmot.sparsity.keras.ConstantSparsity(sparsity, begin_step, end_step, frequency)


def _polynomial(
    sparsity: float = 0.5,
    initial_sparsity: float = 0.0,
    begin_step: int = 0,
    end_step: int | None = None,
    power: float = 3,
    frequency: int = 100,
) -> Any:
    if end_step is None:
        raise ConfigError("schedule='polynomial' needs end_step: when `sparsity` is reached")
    if end_step <= begin_step:
        raise ConfigError(f"end_step={end_step}: must be after begin_step={begin_step}")
    return tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity, sparsity, begin_step, end_step, power=power, frequency=frequency
    )


_SHARES = ("sparsity", "initial_sparsity")
_STEPS = ("begin_step", "end_step", "frequency")
_WORDS = ("sparsity", "initial_sparsity", *_STEPS, "power")

SCHEDULES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "constant": (_constant, ("sparsity", "begin_step", "end_step", "frequency")),
    "polynomial": (_polynomial, _WORDS),
}
"""Name of a schedule -> (function that makes it, names of its parameters)."""

NAMES = tuple(field.name for field in fields(Settings))
