"""Units: application x technique x seed, their ids, order and keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.benchmark.definition.applications import Member
from harness.benchmark.definition.settings import Settings
from harness.benchmark.definition.techniques import BY_ID, Technique
from harness.matrix.application import Application
from harness.matrix.keras_package import distribution_version
from harness.provenance.codebase import Provenance, here
from harness.provenance.keys import digest_of, libraries
from harness.stages import numerics
from harness.techniques.components import OF_BENCHMARK
from harness.vocabulary import BENCH

#: The word of these records where those of the matrix have the variant.
VARIANT = BENCH

#: Stages of a unit, words of the matrix: one that ends earlier has failed there.
STAGES = ("build", "transform", "train", "export", "run")


@dataclass(frozen=True)
class Unit:
    """One run of one technique on one application."""

    member: Member
    technique: Technique
    seed: int

    variant = VARIANT

    @property
    def application(self) -> Application:
        return self.member.application

    @property
    def id(self) -> str:
        return f"{self.application.name}-{self.technique.id}-{VARIANT}-{self.seed}"

    @property
    def start(self) -> Unit | None:
        """The unit whose trained weights it starts from."""
        after = self.technique.after
        return None if after is None else Unit(self.member, BY_ID[after], self.seed)

    def __hash__(self) -> int:
        return hash(self.id)


def units(
    members: Sequence[Member], techniques: Sequence[Technique], seeds: Sequence[int]
) -> list[Unit]:
    """Return all units in the order they are worked on.

    Seed by seed: whoever stops early has all applications with fewer repeats, not some
    applications with all.
    """
    return [Unit(m, t, seed) for seed in seeds for m in members for t in techniques]


def key(unit: Unit, settings: Settings, code: Provenance | None = None) -> str:
    """Return the digest of everything the outcome of a unit depends on.

    Latency depends on the machine and on its other work too; that is no part of the key.
    """
    start = unit.start
    facts: dict[str, Any] = {
        "application": [unit.application.source, asdict(unit.member)],
        "technique": asdict(unit.technique),
        "seed": unit.seed,
        "settings": asdict(settings),
        "start": key(start, settings, code) if start else None,
        "components": (code or here()).components(OF_BENCHMARK),
        "numerics": numerics.effective(numerics.BENCHMARK),
        "libraries": {
            **libraries(),
            **{name: distribution_version(name) for name in ("numpy", "scikit_learn")},
        },
    }
    return digest_of(facts)
