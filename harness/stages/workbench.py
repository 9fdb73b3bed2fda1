"""The bench: what a case is worked on with, and how a check says that it failed.

Part of the key of every outcome; the list of stages, beside it, is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.stages import snapshot
from harness.vocabulary import KERAS_3

if TYPE_CHECKING:
    from harness.stages.foundation import Foundation


@dataclass(frozen=True)
class Options:
    """What a run may set that changes what a case does.

    Attributes:
      input_size: height and width, in pixels, of what a ``notop`` model is fed; the next
        larger size that the model takes, where it does not take this one (see ``build``).
      batch: images per training step at ``notop``; at ``top`` it is one.
      samples: images that ranges are taken from and outputs are compared on.
      save_format: ``h5`` or ``keras``.
      seed: of weights and images.
      weights: one of :data:`harness.stages.inputs.weights.WORDS`, or a folder of weight files.
    """

    input_size: int = 96
    batch: int = 2
    samples: int = 8
    save_format: str = "h5"
    seed: int = 2021
    weights: str = "auto"


@dataclass
class Bench:
    """The work in progress on one case, handed from stage to stage."""

    module: str
    function: str
    variant: str
    technique: Any
    options: Options
    scratch: Path
    foundation: Foundation  # what the cases of the application have in common
    stages: tuple[str, ...] = ()
    model: Any = None
    built_with: dict[str, Any] = field(default_factory=dict)  # arguments of the constructor
    built_after: Any = None  # names that Keras had given before
    input_size: int = 0  # height and width of what is fed where the model leaves them open
    reduced_size: int = 0  # ... and where its own are too large for one step in memory
    samples: Any = None  # for ranges and comparisons, all in one batch
    expected: list[Any] = field(default_factory=list)  # what the float model makes of the samples
    simulated: list[Any] = field(default_factory=list)  # ... and the model that was exported
    found: list[Any] = field(default_factory=list)  # ... and the exported file
    report: Any = None  # what `optim.verify` says of the file
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def is_converted(self) -> bool:
        """Whether the constructor's models are of Keras 3."""
        return self.module.partition(".")[0] == KERAS_3

    @property
    def exports(self) -> bool:
        """Whether this run goes on to a file and its numbers."""
        return "export" in self.stages

    @property
    def is_built(self) -> bool:
        """Whether the model is the one that was built, which nothing has been done to."""
        return self.foundation.holds(self.model)

    @property
    def file(self) -> Path:
        """Where the exported file is."""
        return self.scratch / "model.tflite"

    def images(self, count: int, reduced: bool = False) -> Any:
        """Return float32 inputs of the model: photographs, pixels in [0, 255].

        The same values each time it is called, for every process. An input that is no image
        gets uniform noise. Several inputs: a list of arrays.

        Args:
          count: how many samples.
          reduced: as small as a training step needs them.
        """
        import numpy as np

        from harness.stages.inputs import photographs

        def one(shape: tuple[int, ...]) -> Any:
            if len(shape) != 4:
                generator = np.random.default_rng(self.options.seed)
                return generator.uniform(0.0, 255.0, shape).astype("float32")
            if reduced and self.reduced_size:
                shape = (count, self.reduced_size, self.reduced_size, shape[-1])
            return photographs.crops(shape, self.options.seed)

        inputs = [one((count, *shape)) for shape in self.input_shapes]
        return inputs if len(inputs) > 1 else inputs[0]

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """The shape of one sample for each input, sizes that the model leaves open settled."""
        shapes = self.model.input_shape
        return [
            tuple(d or self.input_size or self.options.input_size for d in shape[1:])
            for shape in (shapes if isinstance(shapes, list) else [shapes])
        ]

    def training_batch(self) -> Any:
        """Return the images of a training step, small enough for one to fit in memory.

        A graph computes on any size its layers take; what refuses one that differs from the
        size it was built with is the check that Keras makes before the first layer.
        """
        if self.reduced_size:
            self.model.input_spec = None
        return self.images(self.options.batch if self.variant == "notop" else 1, reduced=True)

    def batches(self) -> list[Any]:
        """Return the samples in batches that fit in memory: at ``top`` of a single one."""
        count = self.options.samples
        size = count if self.variant == "notop" else 1
        many = isinstance(self.samples, list)
        return [
            [x[start : start + size] for x in self.samples]
            if many
            else self.samples[start : start + size]
            for start in range(0, count, size)
        ]

    def first_sample(self) -> Any:
        """Return the first of the samples, as a batch of one."""
        many = isinstance(self.samples, list)
        return [x[:1] for x in self.samples] if many else self.samples[:1]

    def outputs(self, batches: list[Any]) -> list[Any]:
        """Return what the model makes of batches in inference, flat, as arrays."""
        import numpy as np
        import tensorflow as tf

        parts = [
            [y.numpy() for y in tf.nest.flatten(self.model(batch, training=False))]
            for batch in batches
        ]
        return [np.concatenate(y) for y in zip(*parts, strict=True)]

    # -- the weights before the training step --------------------------------------------

    def remember(self) -> None:
        """Write the weights to disk."""
        snapshot.write(self.model.weights, self._remembered)

    def restore(self, but: tuple[str, ...] = ()) -> None:
        """Set the weights to what they were when they were written.

        Args:
          but: parts of the names of those that stay as they are.
        """
        snapshot.restore(self.model.weights, self._remembered, but)

    def moved(self) -> list[Any]:
        """Return the weights that are not what they were when they were written."""
        return snapshot.changed(self.model.weights, self._remembered)

    @property
    def _remembered(self) -> Path:
        return self.scratch / "weights.npy"


class CheckError(AssertionError):
    """A stage ran, and what came out is wrong."""


class NotFiniteError(CheckError):
    """A loss or an output is NaN or infinite."""


class NothingTrainedError(CheckError):
    """An optimizer step left every kernel as it was."""


class OutputsDifferError(CheckError):
    """Two models that should agree do not."""


class FloatIslandError(CheckError):
    """A file that is to run in int8 throughout has operations that do not."""


class FlexOpError(CheckError):
    """A file needs kernels that the runtime does not have."""
