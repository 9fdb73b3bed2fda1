"""The techniques of the benchmark, as data.

A row says from whose weights a technique starts, what is done to the model, and how long
it is trained. `harness.benchmark.execution.steps` has the functions that the names stand for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from harness.vocabulary import CONTROL, unknown


@dataclass(frozen=True)
class Step:
    """One thing that is done to a model: a function of `steps.STEPS`, and its options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Technique:
    """One column of the benchmark.

    Attributes:
      id: the word for it, as in the matrix where there is such a column.
      title: what is done, for a reader.
      steps: what is done to the model before it is trained, in order.
      training: how long it is trained: a field of `Settings`, or empty for not at all.
      rate: learning rate at the start, as a share of the application's own: enough to recover
        what was taken away, and no more, for a short training does not settle again.
      after: the technique whose trained weights it starts from; None for random ones.
      optimize: how the file is made: `optim.export`'s word, None for what the model is.
    """

    id: str
    title: str
    steps: tuple[Step, ...] = ()
    training: str = "tuning_epochs"
    rate: float = 1.0
    after: str | None = CONTROL
    optimize: str | None = "int8"


def _prune(id: str, title: str, **options: Any) -> Technique:
    """Pruning takes the most away, and is given the float model's own rate to recover."""
    return Technique(id, title, (Step("prune", options),), training="pruning_epochs")


def _cluster(clusters: int) -> tuple[Step, ...]:
    return (Step("cluster", {"number_of_clusters": clusters}),)


def _quantize(preserve: str | None = None) -> Step:
    return Step("quantize", {"preserve": preserve})


#: Rates for what takes nothing away and only has to settle, for what starts from fine-tuned
#: weights or moves them a little, and for what changes most of them.
_SETTLE, _FINE, _COARSE = 0.03, 0.1, 0.5

TECHNIQUES: tuple[Technique, ...] = (
    Technique("float", "trained from scratch", training="epochs", after=None, optimize=None),
    Technique("ptq-int8", "exported to int8, not trained further", training=""),
    Technique("qat", "quantize_model", (_quantize(),), rate=_SETTLE, optimize=None),
    _prune("prune-50", "prune_low_magnitude to 50 %", sparsity=0.5),
    _prune("prune-75", "prune_low_magnitude to 75 %", sparsity=0.75),
    _prune("prune-87.5", "prune_low_magnitude to 87.5 %", sparsity=0.875),
    _prune("prune-2x4", "two zeros in four inputs", sparsity_m_by_n=(2, 4)),
    Technique("cluster-16", "cluster_weights to 16 values", _cluster(16), rate=_FINE),
    Technique("cluster-32", "cluster_weights to 32 values", _cluster(32), rate=_FINE),
    Technique(
        "pqat",
        "prune-50, then quantize_model that keeps the zeros",
        (_quantize("sparsity"),),
        rate=_FINE,
        after="prune-50",
        optimize=None,
    ),
    Technique(
        "cqat",
        "cluster-16, then quantize_model that keeps the values",
        (_quantize("clusters"),),
        rate=_FINE,
        after="cluster-16",
        optimize=None,
    ),
    Technique(
        "pcqat",
        "prune-75, 16 values, then quantize_model that keeps both",
        (
            Step("snap", {"number_of_clusters": 16, "preserve_sparsity": True}),
            _quantize("both"),
        ),
        rate=_COARSE,
        after="prune-75",
        optimize=None,
    ),
)

BY_ID: Mapping[str, Technique] = {one.id: one for one in TECHNIQUES}


def select(patterns: Iterable[str] = ()) -> tuple[Technique, ...]:
    """Return the techniques that `patterns` name, and those they start from, in order.

    Raises:
      UsageError: a pattern matches nothing; the message names the nearest.
    """
    wanted: set[str] = set()
    for pattern in patterns:
        hits = {one for one in BY_ID if fnmatchcase(one, pattern)}
        if not hits:
            raise unknown("technique", pattern, BY_ID, listing="bench --help")
        wanted |= hits
    if not wanted:
        return TECHNIQUES
    for one in reversed(TECHNIQUES):  # each stands after what it starts from
        if one.id in wanted and one.after:
            wanted.add(one.after)
    return tuple(one for one in TECHNIQUES if one.id in wanted or one.id == CONTROL)


def starts_another(technique: Technique) -> bool:
    """Whether some technique starts from the weights that this one ends with."""
    return any(one.after == technique.id for one in TECHNIQUES)
