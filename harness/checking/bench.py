"""The bench of a check: a person's model, with the weights it has and the inputs it is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.stages.workbench import Bench

#: How many inputs the model gets at a time, where it does not say so itself.
BATCH = 8


@dataclass
class Checked(Bench):
    """The work in progress on one technique.

    Attributes:
      told: what the process was told of model and inputs (`Asked.told`).
    """

    told: dict[str, Any] = field(default_factory=dict)

    @property
    def arrays(self) -> list[Any]:
        """The inputs, one array for each input of the model."""
        return self.samples if isinstance(self.samples, list) else [self.samples]

    def images(self, count: int, reduced: bool = False) -> Any:
        """Return the first of the inputs, as many as asked for or as there are."""
        found = [x[:count] for x in self.arrays]
        return found if len(found) > 1 else found[0]

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """The shape of one input each, as the data has it."""
        return [tuple(x.shape[1:]) for x in self.arrays]

    def training_batch(self) -> Any:
        return self.images(self.fixed_batch or self.options.batch)

    def batches(self) -> list[Any]:
        """Return the inputs in batches of the size that the model takes."""
        size = self.fixed_batch or BATCH
        count = len(self.arrays[0])
        return [
            self.images_from(start, start + min(size, count - start))
            for start in range(0, count, size)
        ]

    def first_sample(self) -> Any:
        """Return one input; as many as the model takes at once, where that is fixed."""
        return self.images(self.fixed_batch or 1)

    def images_from(self, start: int, stop: int) -> Any:
        found = [x[start:stop] for x in self.arrays]
        return found if len(found) > 1 else found[0]

    @property
    def fixed_batch(self) -> int | None:
        """How many inputs the model takes at once, where that is fixed."""
        return self.told.get("batch")
