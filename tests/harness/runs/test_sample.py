"""The sample: spread over columns and families, within its budget, and drawn by its seed."""

from __future__ import annotations

from collections import Counter

import pytest
from fake_records import FAMILIES

from harness import techniques
from harness.matrix.application import Application
from harness.matrix.cases import Case
from harness.provenance.costs import Costs
from harness.runs.sample import Sample, draw

COLUMNS = ("float", "qat", "ptq-int8", "prune", "cluster", "pqat")

CASES = [
    Case(Application(name, family, "fakekeras.applications", name, ""), technique, "notop")
    for family, names in FAMILIES.items()
    for name in names
    for technique in (techniques.registry()[column] for column in COLUMNS)
]
ALL = frozenset(case.id for case in CASES)

#: Ten seconds a case, five more for the first of a row.
COSTS = Costs(dict.fromkeys(ALL, 10.0), {case.control: 5.0 for case in CASES})

FAMILY = {case.id: case.application.family for case in CASES}
COLUMN = {case.id: case.technique.id for case in CASES}


def drawn(seed: int = 1, **more: object) -> Sample:
    settings = {"holding": ALL, "costs": COSTS, "budget": 600.0, "workers": 2, **more}
    return draw(CASES, seed=seed, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_every_column_is_seen_alike_and_families_as_far_as_they_go(seed: int) -> None:
    sample = drawn(seed)
    columns = Counter(COLUMN[case] for case in sample.drawn)
    assert set(columns) == set(COLUMNS)
    assert max(columns.values()) - min(columns.values()) <= 1
    families = Counter(FAMILY[case] for case in sample.drawn)
    assert set(families) == set(FAMILIES)


@pytest.mark.parametrize("seed", range(20))
def test_the_budget_is_filled_and_not_passed(seed: int) -> None:
    sample = drawn(seed)
    assert 600 - 15 / 2 < sample.seconds <= 600
    run = [case for case in CASES if case.id in sample.cases]
    rows = {case.control for case in run}
    assert sample.seconds == (10 * len(run) + 5 * len(rows)) / 2


def test_a_few_runs_with_other_seeds_see_every_family_in_every_column() -> None:
    seen = {(FAMILY[case], COLUMN[case]) for seed in range(8) for case in drawn(seed).drawn}
    assert len(seen) == len(FAMILIES) * len(COLUMNS)


def test_the_seed_alone_decides_the_draw() -> None:
    assert drawn(7) == drawn(7)
    assert drawn(7).drawn != drawn(8).drawn


def test_what_has_lapsed_is_run_whatever_it_takes_and_counts_first() -> None:
    lapsed = {case.id for case in CASES if case.technique.id == "qat"}
    sample = drawn(holding=ALL - lapsed, budget=900.0)
    assert set(sample.lapsed) == lapsed
    assert not sample.left
    assert not lapsed & set(sample.drawn)
    # 71 rows of 15 s for two workers are 533 s: the rest of the budget is drawn.
    assert 900 - 15 / 2 < sample.seconds <= 900
    small = drawn(holding=ALL - lapsed, budget=60.0)
    assert set(small.lapsed) == lapsed
    # Each column that nothing has lapsed of still gets a cell.
    assert Counter(COLUMN[case] for case in small.drawn) == dict.fromkeys(set(COLUMNS) - {"qat"}, 1)


def test_a_strict_sample_leaves_lapsed_cells_for_another_time() -> None:
    lapsed = {case.id for case in CASES if case.technique.id == "qat"}
    sample = drawn(holding=ALL - lapsed, strict=True)
    assert sample.seconds <= 600
    assert sample.lapsed
    assert {*sample.lapsed, *sample.left} == lapsed
    columns = Counter(COLUMN[case] for case in sample.cases)
    assert max(columns.values()) - min(columns.values()) <= 1


def test_a_selection_smaller_than_the_budget_is_run_whole() -> None:
    few = [case for case in CASES if case.application.name == "MobileNet"]
    sample = draw(few, ALL, COSTS, seed=1, budget=600.0)
    assert sorted(sample.drawn) == sorted(case.id for case in few)


def test_a_case_that_would_fill_the_budget_by_itself_is_not_the_one_of_its_column() -> None:
    long = {case.id: 5000.0 for case in CASES if case.application.family == "convnext"}
    costs = Costs({**COSTS.cases, **long}, COSTS.rows)
    for seed in range(20):
        assert not set(drawn(seed, costs=costs).drawn) & set(long)


def test_a_case_that_nothing_is_known_of_costs_what_is_usual() -> None:
    known = {case.id: 8.0 for case in CASES[:50]}
    assert Costs(known, {}).of(CASES[:51]) == 51 * 8.0
    assert Costs({}, {}).of(CASES[:2]) == 40.0


@pytest.mark.parametrize("strict", [False, True])
def test_all_but_the_first_of_each_column_depend_on_the_time_there_is(strict: bool) -> None:
    lapsed = {case.id for case in CASES if case.technique.id == "qat"}
    sample = drawn(holding=ALL - lapsed, budget=900.0, strict=strict)
    sure = sample.cases - set(sample.extra)
    columns = dict.fromkeys(COLUMNS, 1) | ({} if strict else {"qat": len(lapsed)})
    assert Counter(COLUMN[case] for case in sure) == columns


def test_an_empty_selection_is_an_empty_sample() -> None:
    assert draw([], ALL, COSTS, seed=1) == Sample(1, (), (), (), (), 0.0)
