"""How much work one unit is: everything about training and measuring that is a number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Options that decide the outcome of every unit.

    Attributes:
      epochs: passes over the training images when a float model is trained.
      tuning_epochs: passes when a technique is trained from given weights.
      pruning_epochs: the same of pruning, which takes away the most.
      batch: images per training step.
      ramp: share of the steps of fine-tuning over which pruning reaches its sparsity; the
        rest recovers from it.
      momentum: of the moving statistics of every BatchNormalization. At Keras's 0.99 and
        0.999 they would lag hundreds of steps behind weights trained for a few hundred; at
        0.9 they are those of the last ten batches, which is noise where maps are 1x1.
      calibration: training images that activation ranges are taken from.
      test_share: share of the images that are tested on and never trained on.
      split_seed: of the division into the two; the same for every repeat.
      latency_repeats: inferences that the median latency is taken from.
    """

    epochs: int = 20
    tuning_epochs: int = 5
    pruning_epochs: int = 8
    batch: int = 32
    ramp: float = 0.3
    momentum: float = 0.97
    calibration: int = 256
    test_share: float = 0.25
    split_seed: int = 0
    latency_repeats: int = 100


DEFAULT = Settings()


def of_epochs(epochs: int) -> Settings:
    """Return the settings for another length of the first training; the others follow."""
    return Settings(epochs, tuning_epochs=-(-epochs // 4), pruning_epochs=-(-2 * epochs // 5))


#: For `--quick`: the same work with fewer passes.
QUICK = of_epochs(12)

#: The first seed, and how many are used.
FIRST_SEED = 2021
REPEATS = 3
