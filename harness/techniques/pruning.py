"""Magnitude pruning: stock and ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.techniques.control import ByOptim
from harness.techniques.promises import Kept, Promise
from harness.techniques.treated import Treated


class Pruned(Kept):
    """What the pruning techniques share: their result is another function than the model.

    It is exported with the masks of the training step and the weights from before it: random
    targets can throw a network so far off that a file and a model, which add in another
    order, have nothing in common any more. Masks are set at every step: by default the first
    are set at step 100.
    """

    parity: Mapping[str, float] = {"simulation": 60}
    promise = Promise(sparsity=0.5)
    state = ("mask", "threshold", "pruning_step")


class PruneTfmot(Pruned):
    """``tfmot.sparsity.keras.prune_low_magnitude`` as shipped."""

    id = "prune-tfmot"
    title = "tfmot.sparsity.keras.prune_low_magnitude(model, ConstantSparsity(0.5, frequency=1))"
    owner = "tfmot"
    of_keras3 = False  # it refuses them

    def transform(self, model: Any) -> Any:
        import tensorflow_model_optimization as tfmot

        schedule = tfmot.sparsity.keras.ConstantSparsity(
            self.promise.sparsity, begin_step=0, frequency=1
        )
        return tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=schedule)

    def callbacks(self) -> list[Any]:
        import tensorflow_model_optimization as tfmot

        return [tfmot.sparsity.keras.UpdatePruningStep()]

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        import tensorflow_model_optimization as tfmot

        with tfmot.sparsity.keras.prune_scope():
            return super().load(path, custom_objects)


class Prune(ByOptim, Pruned):
    """``optim.prune_low_magnitude``: recursive, passes through what has no kernel."""

    id = "prune"
    title = "optim.prune_low_magnitude(model, frequency=1)"
    answers: tuple[str, ...] = ("prune-tfmot",)
    components = ("loading", "pruning", "sparsity")

    def transform(self, model: Any) -> Any:
        from optim import prune_low_magnitude

        return prune_low_magnitude(model, frequency=1)

    def callbacks(self) -> list[Any]:
        from optim import get_pruning_callbacks

        return list(get_pruning_callbacks())


class Prune2x4(Treated, Prune):
    """Two zeros in four weights: the pattern that sparse matrix units take."""

    #: It gives up weights besides: no answer to one that does not.
    answers: tuple[str, ...] = ()

    id = "prune-2x4"
    title = "optim.prune_low_magnitude(model, sparsity_m_by_n=(2, 4))"
    promise = Promise(m_by_n=(2, 4))

    def transform(self, model: Any) -> Any:
        from optim import prune_low_magnitude

        return prune_low_magnitude(model, sparsity_m_by_n=self.promise.m_by_n)
