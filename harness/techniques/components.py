"""Components: the parts that an outcome is made with, by a name a reader would guess.

A component has entry points; what it consists of follows from the code that they reach
(`harness.provenance.source_digest`), so nothing here has to be kept in step with imports.
A stage works with components, and a technique names those that it works with besides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from harness.vocabulary import STAGES


@dataclass(frozen=True)
class Component:
    """One part.

    Attributes:
      name: the word for it.
      what: what it does, in a few words.
      entries: where it begins: ``package.module:name``, or a module for all of it.
      since: the first stage at which it can decide an outcome.
    """

    name: str
    what: str
    entries: tuple[str, ...]
    since: str = "transform"


def _table(*rows: Component) -> Mapping[str, Component]:
    return {row.name: row for row in rows}


#: What every case goes through, by the stage that does it.
OF_STAGES: Mapping[str, tuple[str, ...]] = {
    "build": ("numerics", "building"),
    "convert": ("converting",),
    "transform": ("transforming",),
    "train": ("training",),
    "save": ("saving",),
    "export": ("exporting",),
    "run": ("running",),
    "parity": ("comparing",),
}

#: What a unit of the training benchmark is made with.
OF_BENCHMARK = ("benchmark",)

COMPONENTS: Mapping[str, Component] = _table(
    Component(
        "numerics",
        "what TensorFlow is told before it starts",
        ("harness.stages.numerics",),
        "build",
    ),
    Component(
        "building",
        "constructor, weights and images, and the bench that they are worked on at",
        (
            "harness.stages.build:run",
            "harness.stages.workbench:Bench",
            "harness.stages.workbench:Options",
        ),
        "build",
    ),
    Component(
        "converting",
        "from Keras 3 to tf_keras, and back",
        ("harness.stages.convert:run", "optim:from_keras3", "optim:to_keras3"),
        "convert",
    ),
    Component("transforming", "applying a technique", ("harness.stages.transform:run",)),
    Component("training", "one optimizer step", ("harness.stages.train:run",), "train"),
    Component("saving", "to a file and back", ("harness.stages.save:run",), "save"),
    Component(
        "exporting",
        "from a model to a LiteRT file",
        ("harness.stages.export:run", "optim:export"),
        "export",
    ),
    Component("running", "a file: verified, run, timed", ("harness.stages.run:run",), "run"),
    Component("comparing", "a file's outputs", ("harness.stages.parity:run",), "parity"),
    Component("quantization", "quantize_model", ("optim:quantize_model",)),
    Component("calibration", "ranges from data", ("optim:calibrate",), "export"),
    Component("recipe", "annotating layers for tfmot", ("optim:AnnotateRecipe",)),
    Component(
        "pruning",
        "prune_low_magnitude and sparsify",
        (
            "optim:prune_low_magnitude",
            "optim:get_pruning_callbacks",
            "optim:sparsify",
            "optim:unprune",
        ),
    ),
    Component(
        "clustering", "cluster_weights", ("optim:cluster_weights", "optim:uncluster")
    ),
    Component("loading", "load_model", ("optim:load_model",), "save"),
    Component("sparsity", "sparsity_report", ("optim:sparsity_report",), "train"),
    Component(
        "benchmark",
        "training on real data",
        ("harness.benchmark.execution.runtime:run", "harness.stages.numerics"),
        "build",
    ),
)  # fmt: skip


def of_case(named: Iterable[str], tried: Collection[str]) -> tuple[str, ...]:
    """Return the components that decide an outcome, sorted.

    Args:
      named: by the technique.
      tried: the stages that were tried.
    """
    found = {name for stage in tried for name in OF_STAGES[stage]}
    found |= {name for name in named if COMPONENTS[name].since in _reached(tried)}
    return tuple(sorted(found))


def _reached(tried: Collection[str]) -> tuple[str, ...]:
    """Return the stages up to the last one tried: a technique may leave some out."""
    return STAGES[: 1 + max((STAGES.index(stage) for stage in tried), default=-1)]
