"""The sample: which cells are run for real where the records of all others still hold.

A cell whose key has lapsed has no record to stand for it, so it is run. Of the others a
sample is run and compared with what its records say, spread over techniques, variants and
families: a few runs with other seeds see all of them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import median_high

from harness.matrix.cases import Case
from harness.provenance.costs import Costs

#: Wall seconds that a sample may take by default.
DEFAULT_BUDGET = 600.0


@dataclass(frozen=True)
class Sample:
    """What a run does for real.

    Attributes:
      seed: that the drawn cells follow from.
      lapsed: ids of cases that no record stands for.
      drawn: ids of cases that are run though their records hold.
      left: ids of lapsed cases that are not run, for the budget.
      extra: ids of drawn cases that are not the first of their column. On a machine slower than
        expected, none of these starts after the budget has ended.
      seconds: wall seconds that all of it is expected to take.
    """

    seed: int
    lapsed: tuple[str, ...]
    drawn: tuple[str, ...]
    left: tuple[str, ...]
    extra: tuple[str, ...]
    seconds: float

    @property
    def cases(self) -> frozenset[str]:
        return frozenset((*self.lapsed, *self.drawn))


def draw(
    cases: Sequence[Case],
    holding: Collection[str],
    costs: Costs,
    *,
    seed: int,
    budget: float = DEFAULT_BUDGET,
    workers: int = 1,
    strict: bool = False,
) -> Sample:
    """Decide which cases a run does for real.

    Args:
      cases: all that are selected.
      holding: ids of those that a record stands for.
      costs: what each is expected to take.
      seed: of the draw; the same seed, cases and costs give the same sample.
      budget: wall seconds to fill. What has lapsed counts first, and is run whatever it takes.
        Each column gets one cell at least.
      workers: how many cases run at once.
      strict: whether lapsed cells, too, are run only as far as the budget goes.
    """
    lapsed = [case for case in cases if case.id not in holding]
    taken: list[Case] = [] if strict else lapsed
    candidates = cases if strict else [case for case in cases if case.id in holding]
    drawn = _spread(candidates, taken, costs, budget * workers, random.Random(seed))
    run = [*taken, *drawn]
    ids = {case.id for case in run}
    seen = set(map(_column, taken))
    extra = []
    for case in drawn:
        if _column(case) in seen:
            extra.append(case.id)
        seen.add(_column(case))
    return Sample(
        seed,
        tuple(case.id for case in lapsed if case.id in ids),
        tuple(case.id for case in drawn if case.id in holding),
        tuple(case.id for case in lapsed if case.id not in ids),
        tuple(extra),
        costs.of(run) / workers,
    )


def _spread(
    candidates: Sequence[Case],
    taken: Sequence[Case],
    costs: Costs,
    seconds: float,
    generator: random.Random,
) -> list[Case]:
    """Draw cases until their time is used up: of the least seen column, then family, first."""
    left = generator.sample(list(candidates), len(candidates))
    columns = Counter(map(_column, taken))
    families = Counter(case.application.family for case in taken)
    rows = {case.control for case in taken}
    spent = costs.of(taken)
    usual = costs.usual()

    def cost(case: Case) -> float:
        row = 0.0 if case.control in rows else costs.rows.get(case.control, 0.0)
        return costs.cases.get(case.id, usual) + row

    by_column: dict[tuple[str, str], list[float]] = {}
    for case in left:
        by_column.setdefault(_column(case), []).append(cost(case))
    typical = {column: median_high(found) for column, found in by_column.items()}
    drawn: list[Case] = []
    while left:
        fitting = [case for case in left if spent + cost(case) <= seconds]
        # A column that nobody has run yet gets a cell all the same, though not its longest.
        unseen = [c for c in left if not columns[_column(c)] and cost(c) <= typical[_column(c)]]
        pool = unseen or fitting
        if not pool:
            break
        one = min(pool, key=lambda c: (columns[_column(c)], families[c.application.family]))
        left.remove(one)
        drawn.append(one)
        spent += cost(one)
        columns[_column(one)] += 1
        families[one.application.family] += 1
        rows.add(one.control)
    return drawn


def _column(case: Case) -> tuple[str, str]:
    return case.technique.id, case.variant
