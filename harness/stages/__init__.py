"""Stages: what is done with a case, step by step, in the process that runs it.

The list is data: a stage is a function that takes a :class:`Bench` and either returns
or raises. Each lives in a module of its own, so that adding one leaves the keys of
outcomes recorded without it untouched.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.words import STAGES


@dataclass(frozen=True)
class Options:
    """What a run may set that changes what a case does.

    Attributes:
      input_size: height and width, in pixels, of what a ``notop`` model is fed.
      batch: images per training step at ``notop``; at ``top`` it is one.
      save_format: ``h5`` or ``keras``.
      seed: of weights and images.
    """

    input_size: int = 96
    batch: int = 2
    save_format: str = "h5"
    seed: int = 2021


@dataclass
class Bench:
    """The work in progress on one case, handed from stage to stage."""

    module: str
    function: str
    variant: str
    technique: Any
    options: Options
    scratch: Path
    model: Any = None
    metrics: dict[str, Any] = field(default_factory=dict)

    def images(self) -> Any:
        """Return a float32 batch of pixels in [0, 255], ``(batch, height, width, channels)``.

        The same values each time it is called, for every process.
        """
        import numpy as np

        generator = np.random.default_rng(self.options.seed)
        shapes = self.model.input_shape
        many = isinstance(shapes, (list, tuple)) and isinstance(shapes[0], (list, tuple))
        batch = self.options.batch if self.variant == "notop" else 1
        pixels = [
            generator.uniform(
                0.0, 255.0, (batch, *(d or self.options.input_size for d in shape[1:]))
            ).astype("float32")
            for shape in (shapes if many else [shapes])
        ]
        return pixels if many else pixels[0]


Stage = Callable[[Bench], None]


def stage(name: str) -> Stage:
    """Return the function that runs a stage."""
    function: Stage = importlib.import_module(f"harness.stages.{name}").run
    return function


def up_to(until: str) -> tuple[str, ...]:
    """Return the stages of a run, in order."""
    return STAGES[: STAGES.index(until) + 1]


class CheckError(AssertionError):
    """A stage ran, and what came out is wrong."""


class NotFiniteError(CheckError):
    """A loss or an output is NaN or infinite."""


class NothingTrainedError(CheckError):
    """An optimizer step left every kernel as it was."""


class OutputsDifferError(CheckError):
    """Two models that should agree do not."""


def options_from(data: Mapping[str, Any]) -> Options:
    return Options(**data)
