"""The bench: what a case is worked on with, and how a check says that it failed.

Part of the key of every outcome; the list of stages, beside it, is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """What a run may set that changes what a case does.

    Attributes:
      input_size: height and width, in pixels, of what a ``notop`` model is fed; the next
        larger size that the model takes, where it does not take this one (see ``build``).
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
    input_size: int = 0  # height and width of what is fed where the model leaves them open
    reduced_size: int = 0  # ... and where its own are too large for one step in memory
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
            generator.uniform(0.0, 255.0, (batch, *self._fed(shape[1:]))).astype("float32")
            for shape in (shapes if many else [shapes])
        ]
        return pixels if many else pixels[0]

    def _fed(self, shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """Return the shape of one image for an input of that shape."""
        if self.reduced_size and len(shape) == 3:
            return (self.reduced_size, self.reduced_size, shape[-1] or 3)
        return tuple(d or self.input_size or self.options.input_size for d in shape)

    def accept(self) -> Any:
        """Return the model, ready to be fed what `images` returns.

        A graph computes on any size its layers take; what refuses one that differs from the
        size it was built with is the check that Keras makes before the first layer.
        """
        if self.reduced_size:
            self.model.input_spec = None
        return self.model

    def outputs(self) -> list[Any]:
        """Return what the model makes of the images in inference, flat, as arrays."""
        import tensorflow as tf

        return [
            one.numpy() for one in tf.nest.flatten(self.accept()(self.images(), training=False))
        ]


class CheckError(AssertionError):
    """A stage ran, and what came out is wrong."""


class NotFiniteError(CheckError):
    """A loss or an output is NaN or infinite."""


class NothingTrainedError(CheckError):
    """An optimizer step left every kernel as it was."""


class OutputsDifferError(CheckError):
    """Two models that should agree do not."""
