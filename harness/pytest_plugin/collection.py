"""Which cases a run has, as pytest sees them: their markers, and what is left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness import records
from harness.matrix import cases
from harness.matrix.cases import Case
from harness.provenance import keys
from harness.provenance import reference as references
from harness.pytest_plugin.asked import is_worker, selection, settings
from harness.records import Record
from harness.runs.options import split
from harness.runs.prepare import START
from harness.runs.settings import Settings
from harness.vocabulary import VARIANTS, Status, UsageError, unknown

_CHOSEN = pytest.StashKey[list[Case]]()


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
            + [getattr(pytest.mark, word) for word in _markers(case).values()],
        )
        for case in found
    ]


def _markers(case: Case) -> dict[str, str]:
    """Return the markers of a case, as words that ``-m`` takes."""
    return {
        "family": _marker("family", case.application.family),
        "technique": _marker("technique", case.technique.id),
        "variant": _marker("variant", case.variant),
    }


def _marker(kind: str, name: str) -> str:
    return f"family_{name}" if kind == "family" else name.replace("-", "_")


def declare_markers(config: pytest.Config, found: list[Case]) -> None:
    """Tell pytest what can be a marker: --strict-markers wants each declared.

    Those that no chosen case has are words of the matrix all the same.
    """
    from harness import techniques
    from harness.matrix import discovery

    names = {
        "family": [a.family for a in (*discovery.discover(), *(c.application for c in found))],
        "technique": list(techniques.registry()),
        "variant": list(VARIANTS),
    }
    words = {_marker(kind, name): f"{kind} {name}" for kind in names for name in names[kind]}
    for word in sorted(words.keys() - _declared(config)):
        config.addinivalue_line("markers", f"{word}: matrix cases of {words[word]}")


def _declared(config: pytest.Config) -> set[str]:
    return {re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")}


def refuse_unknown_markers(config: pytest.Config) -> None:
    """Stop at a word of ``-m`` that is no marker: workers would fail over it, each for itself."""
    names = re.sub(r"\(\s*\w+\s*=[^)]*\)", " ", config.option.markexpr)  # without arguments
    for word in re.findall(r"[^\s()]+", names):
        if word not in {"and", "or", "not", *_declared(config)}:
            raise unknown("marker", word, _declared(config))


def refuse_malformed(config: pytest.Config) -> None:
    """Stop at a -k or -m that does not read: workers would fail over it, each for itself."""
    from _pytest.mark.expression import Expression

    for option, text in (("-k", config.option.keyword), ("-m", config.option.markexpr)):
        try:
            Expression.compile(text) if text else None
        except Exception as error:  # which kind depends on the version of pytest
            raise UsageError(f"{option} {text!r} does not read: {error}") from error


def _choose(config: pytest.Config) -> list[Case]:
    """Return the cases of this run, in the order they should start."""
    from harness.baseline import expectations

    picked = selection(config).cases()
    baseline = expectations.read(config.option.expectations)
    _refuse_stale(config, baseline)
    reference = references.load(config.option.reference)
    if config.option.smoke:
        rows = {c.application.name: baseline.row(c.application.name) for c in picked}
        small = cases.smoke(picked, rows, reference.sizes())
        picked = [c for c in picked if c.application.name in small]
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


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what an earlier run has done (--resume) or passed (--only-failed)."""
    option = config.option
    if not (option.resume or option.only_failed):
        return
    run = settings(config)
    done = _worker_done(config) if is_worker(config) else recorded(run)
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        case = case_of(item)
        out = case is not None and is_left_out(config, run, case, done.get(case.id))
        (left if out else kept).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def is_left_out(config: pytest.Config, run: Settings, case: Case, outcome: Record | None) -> bool:
    """Whether what an earlier run left of a case is enough for this one."""
    if config.option.only_failed:
        return outcome is None or outcome.passed
    if outcome is None or outcome.status == Status.ERROR or outcome.until != run.until:
        return False
    return outcome.key == keys.key_of(outcome, case, run.until, run.options)


def recorded(run: Settings) -> dict[str, Record]:
    """Return the last record of each case that the results have; none if there are no results."""
    if not run.file.exists():
        return {}
    try:
        return records.read(run.file).latest()
    except records.RecordError as error:
        raise pytest.UsageError(f"nothing to continue: {error}") from error


def _worker_done(config: pytest.Config) -> dict[str, Record]:
    # Every worker has to collect the same items, so all look at the file as it was when
    # the run started, not as the first worker is already changing it.
    return recorded(
        Settings(results=Path(config.workerinput["matrix_results"], START))  # type: ignore[attr-defined]
    )


def case_of(item: pytest.Item) -> Case | None:
    """Return the case that an item is; None for another test."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("matrix_case") if callspec else None
    return case if isinstance(case, Case) else None
