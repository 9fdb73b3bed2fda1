"""The targets of the benchmark, as data, and whether they are met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.benchmark.report.figures import Row, Spread


@dataclass(frozen=True)
class Target:
    """What a technique has to reach on every application.

    Attributes:
      technique: whose.
      title: what is asked for.
      figure: the figure of a row that is judged.
      cost: turns its mean into what must not exceed `bound`: points lost, or a share.
      bound: the most that is allowed.
      unit: of cost and bound, for a reader.
      digits: behind the point, that a cost is told with.
    """

    technique: str
    title: str
    figure: Callable[[Row], Spread | None]
    cost: Callable[[float], float]
    bound: float
    unit: str
    digits: int = 2

    def tell(self, cost: float) -> str:
        """Return a cost as it is shown."""
        return f"{cost:.{self.digits}f}"

    @property
    def most(self) -> str:
        """The bound as it is shown: ``0.5 points lost``, ``1 point lost``."""
        unit = self.unit.replace("points", "point") if self.bound == 1 else self.unit
        return f"{self.bound:g} {unit}"


def _lost(points: float) -> float:
    return max(0.0, -points)


TARGETS: tuple[Target, ...] = (
    Target(
        "qat",
        "int8 file of qat within 0.5 points of the float model",
        lambda row: row.file_change, _lost, 0.5, "points lost",
    ),
    Target(
        "prune-50",
        "model pruned to 50 % within 1 point of the float model",
        lambda row: row.change, _lost, 1.0, "points lost",
    ),
    Target(
        "pqat",
        "int8 file of pqat within 1.5 points of the float model",
        lambda row: row.file_change, _lost, 1.5, "points lost",
    ),
    Target(
        "pcqat",
        "deflated int8 file of pcqat at most 0.12 of the float file",
        lambda row: row.deflated_ratio, float, 0.12, "of the float file", 3,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """A target, and what the records say of it.

    Attributes:
      costs: by application, those with any figure, in the order of the rows.
      unknown: applications that have a row but no figure: every repeat failed.
    """

    target: Target
    costs: tuple[tuple[str, float], ...]
    unknown: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or `unknown` without any figure."""
        if not self.costs:
            return "missed" if self.unknown else "unknown"
        return "missed" if self.missed or self.unknown else "met"

    @property
    def missed(self) -> tuple[tuple[str, float], ...]:
        """The applications that miss it, the worst first."""
        # What a mean over seeds carries beyond the twelfth digit is rounding, no miss.
        over = [c for c in self.costs if round(c[1], 9) > self.target.bound]
        return tuple(sorted(over, key=lambda c: -c[1]))

    @property
    def worst(self) -> tuple[str, float] | None:
        return max(self.costs, key=lambda c: c[1], default=None)


def judge(rows: Iterable[Row], targets: Sequence[Target] = TARGETS) -> list[Judged]:
    """Compare the means over the seeds with the targets, application by application."""
    found = list(rows)
    judged = []
    for target in targets:
        here = [r for r in found if r.technique == target.technique]
        figures = [(r.application, target.figure(r)) for r in here]
        judged.append(
            Judged(
                target,
                tuple((name, target.cost(f.mean)) for name, f in figures if f is not None),
                tuple(name for name, f in figures if f is None),
            )
        )
    return judged
