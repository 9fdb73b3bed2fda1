"""Which cells a run does for real, decided once and kept beside its records.

Everybody who takes part in a run reads the decision from there: the workers of xdist, and
the run that goes on with it later.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from harness import records
from harness.matrix.cases import Case
from harness.provenance import lock, status
from harness.provenance.codebase import here
from harness.provenance.reference import Reference
from harness.runs.progress import duration
from harness.runs.sample import Sample, draw
from harness.runs.settings import Settings

NAME = "sample.json"


@dataclass(frozen=True)
class SamplePlan:
    """What decides the sample, as the command line says it.

    Attributes:
      budget: wall seconds.
      seed: of the draw; None: a new one.
      strict: whether lapsed cells keep to the budget, too.
    """

    budget: float
    seed: int | None = None
    strict: bool = False


def decide(
    run: Settings, plan: SamplePlan, cases: Sequence[Case], reference: Reference, workers: int
) -> Sample:
    """Decide which cases are run, and write it down."""
    holding = {case.id for case in cases if reference.lookup(case, run.until, run.options)}
    seed = secrets.randbelow(2**31) if plan.seed is None else plan.seed
    sample = draw(
        cases,
        holding,
        reference.costs(cases),
        seed=seed,
        budget=plan.budget,
        workers=workers,
        strict=plan.strict,
    )
    records.replace_text(run.results / NAME, json.dumps(asdict(sample)) + "\n")
    return sample


def forget(run: Settings) -> None:
    """Take a decision back: all of this run is for real."""
    (run.results / NAME).unlink(missing_ok=True)


def read(run: Settings) -> Sample | None:
    """Return what was decided for a run; None if everything is run, or if it cannot be read."""
    try:
        found = json.loads((run.results / NAME).read_text(encoding="utf-8"))
        lists = {name: tuple(found[name]) for name in ("lapsed", "drawn", "left", "extra")}
        return Sample(int(found["seed"]), **lists, seconds=float(found["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def told(
    sample: Sample, plan: SamplePlan, cases: Sequence[Case], reference: Reference, workers: int
) -> list[str]:
    """Say what a run does for real and why, what has lapsed first."""
    wanted = [case for case in cases if case.id in sample.lapsed]
    lapsed = [case for case in wanted if reference.of(case)]
    lines = _lapsed(lapsed, reference, workers) if lapsed else []
    if lapsed and len(lapsed) < len(wanted):
        lines.append(f"{len(wanted) - len(lapsed)} cells have no record yet")
    if sample.drawn:
        lines.append(
            f"{len(sample.drawn)} cells drawn to be compared with their records "
            f"(--sample-seed {sample.seed}, --budget {duration(plan.budget)})"
        )
    if sample.left:
        lines.append(f"{len(sample.left)} lapsed cells are left out: the budget ends before them")
    return lines


def _lapsed(wanted: Sequence[Case], reference: Reference, workers: int) -> list[str]:
    """Say how many cells of which columns have lapsed, and why: one line a column."""
    known = [record for case in wanted if (record := reference.of(case))]
    because: dict[tuple[str, str], set[str]] = {}
    for one in status.lapsed(known, lock.read(reference.source), here()):
        column = one.record.technique, one.record.variant
        because.setdefault(column, set()).update(one.because)
    counted = Counter((case.technique.id, case.variant) for case in wanted)
    lines = []
    for column, count in counted.items():
        why = ", ".join(sorted(because.get(column, {"a limit of this run"})))
        lines.append(f"lapsed: {count} cells of {' '.join(column)} ({why})")
    takes = duration(reference.costs(wanted).of(wanted) / workers)
    return [*lines, f"{len(wanted)} lapsed cells are run again: about {takes}"]
