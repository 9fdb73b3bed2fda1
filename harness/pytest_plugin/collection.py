"""Which cases a run has, as pytest sees them."""

from __future__ import annotations

from typing import Any

import pytest

from harness.matrix import cases
from harness.matrix.cases import Case
from harness.provenance import reference as references
from harness.provenance.reference import Reference
from harness.pytest_plugin import markers
from harness.pytest_plugin.asked import selection
from harness.runs.options import split
from harness.vocabulary import VARIANTS, UsageError, unknown

_CHOSEN = pytest.StashKey[list[Case]]()
_REFERENCE = pytest.StashKey[Reference]()


def reference_of(config: pytest.Config) -> Reference:
    """Return the reference run that this one is told of; read once."""
    if _REFERENCE not in config.stash:
        config.stash[_REFERENCE] = references.load(config.option.reference)
    return config.stash[_REFERENCE]


def chosen(config: pytest.Config) -> list[Case]:
    """Return the cases of this run, in the order they should start; found once.

    Raises:
      UsageError: a word is unknown, or the baseline does not belong to these cases.
    """
    if _CHOSEN not in config.stash:
        config.stash[_CHOSEN] = _choose(config)
    return config.stash[_CHOSEN]


def parameters(found: list[Case]) -> list[Any]:
    """Return the cases as parameters of their test, with markers."""
    return [
        pytest.param(
            case,
            id=case.id,
            marks=[pytest.mark.matrix]
            + [getattr(pytest.mark, word) for word in markers.of_case(case).values()],
        )
        for case in found
    ]


def _choose(config: pytest.Config) -> list[Case]:
    """Return the cases of this run, in the order they should start."""
    from harness.baseline.baselines import Baselines

    picked = selection(config).cases()
    baselines = Baselines(config.option.expectations)
    _refuse_stale(config, baselines.of(own=False))
    reference = reference_of(config)
    if config.option.smoke:
        rows = {
            one.name: baselines.of(own=not one.is_discovered).row(one.name)
            for one in {c.application for c in picked}
        }
        small = cases.smoke(picked, rows, reference.sizes())
        picked = [c for c in picked if c.application.name in small]
        # What has no record has nothing to be compared with.
        picked = [c for c in picked if reference.of(c) is not None] or picked
    seconds = reference.seconds(picked)
    if config.option.shard:
        picked = cases.shard(picked, seconds, *cases.parse_shard(config.option.shard))
    return cases.in_order(picked, seconds)


def _refuse_stale(config: pytest.Config, baseline: Any) -> None:
    """Stop at lines of the baseline that match no case: they would never be compared."""
    from harness import techniques
    from harness.matrix import discovery

    rows = [a.name for a in discovery.discover()]
    own = [
        word.rpartition(":")[2]
        for word in split(config.option.applications)
        if ":" in word and not word.startswith("family:")
    ]
    columns = techniques.registry()
    known = [f"{a}-{t}-{v}" for a in [*rows, *own] for t in columns for v in VARIANTS]
    stale = baseline.stale([*rows, *own], known)
    if not stale or config.option.allow_removed:
        return
    line = baseline.numbers.get(stale[0])
    where = f"{config.option.expectations.name}" + (f":{line}" if line else "")
    is_name = "-" not in stale[0]
    hint = unknown("application" if is_name else "case", stale[0], rows if is_name else known)
    raise UsageError(
        f"{where}: {hint}\n{len(stale)} expectations match no case; correct them, or run with "
        "--allow-removed and drop them with `python -m harness accept`"
    )


def case_of(item: pytest.Item) -> Case | None:
    """Return the case that an item is; None for another test."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("matrix_case") if callspec else None
    return case if isinstance(case, Case) else None
