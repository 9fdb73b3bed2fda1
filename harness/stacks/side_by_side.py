"""Several stacks in one page: a column for each, cells that differ marked.

A stack is a set of versions, such as the pinned ones and the newest. A column of it is called
``qat@newest``, and so all that reports do with columns they do with these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from harness.changes import compare
from harness.changes.compare import CaseChange
from harness.environment import IDENTITY
from harness.records import Record, latest
from harness.report.news import Group, Line, News
from harness.report.order import STACK
from harness.vocabulary import UsageError

#: What the page's filter calls a cell that differs between stacks: ``changed:stack``.
WORD = "stack"


def identities(records: Iterable[Record]) -> set[tuple[object, ...]]:
    """Return the versions that records were made with."""
    return {tuple(r.environment.get(name) for name in IDENTITY) for r in records}


def refuse_mixed(runs: Mapping[str, Sequence[Record]]) -> None:
    """Stop where a run would silently take the place of one of another environment.

    Args:
      runs: records by where they are from.

    Raises:
      UsageError: two of them have the same cases, made with different versions.
    """
    for (one, first), (other, second) in combinations(runs.items(), 2):
        shared = {r.case for r in first} & {r.case for r in second}
        a, b = (identities(r for r in found if r.case in shared) for found in (first, second))
        if shared and a != b:
            told = " and ".join(
                f"{name} ({'; '.join(sorted(_said(i) for i in found))})"
                for name, found in ((one, a), (other, b))
            )
            names = ",".join(f"NAME{i + 1}" for i in range(len(runs)))
            raise UsageError(
                f"{len(shared)} cases are in {told}: these are different environments. Give "
                f"--stacks {names} to see them side by side, or --latest to keep the last record "
                "of each case"
            )


def _said(identity: Sequence[object]) -> str:
    pairs = zip(IDENTITY, identity, strict=True)
    return ", ".join(f"{name} {value}" for name, value in pairs if value is not None)


def named(names: Sequence[str], runs: Sequence[Sequence[Record]]) -> dict[str, list[Record]]:
    """Return records by stack; what has the same name is of one.

    Raises:
      UsageError: there is not a name for each, or only one stack.
    """
    if len(names) != len(runs):
        raise UsageError(f"--stacks has {len(names)} names for {len(runs)} runs")
    found: dict[str, list[Record]] = {}
    for name, records in zip(names, runs, strict=True):
        if STACK in name or "-" in name or not name.isprintable() or " " in name:
            raise UsageError(f"--stacks: {name!r} is no name: no '-', '{STACK}' or space")
        found.setdefault(name, []).extend(records)
    if len(found) < 2:
        raise UsageError("--stacks wants the names of at least two stacks")
    return found


def together(stacks: Mapping[str, Sequence[Record]]) -> tuple[list[Record], News]:
    """Return the records of all stacks, a column each, and what differs.

    The first stack is the one that the others are compared with.
    """
    base, *others = stacks
    runs = {name: latest(found) for name, found in stacks.items()}
    words: dict[str, tuple[str, ...]] = {}
    different: set[str] = set()
    groups = []
    for name in others:
        changes = compare.between(runs[base], runs[name])
        differing = [one for one in changes.cases if one.before and one.after]
        different |= {one.case for one in differing}
        for one in differing:
            for stack in (base, name):
                case = _of(one.record, stack).case
                words[case] = tuple(dict.fromkeys((*words.get(case, ()), WORD, *one.words)))
        groups += _groups(base, name, differing)
    records = [_of(r, name) for name, run in runs.items() for r in run.values()]
    count = f"{len(different)} {'case differs' if len(different) == 1 else 'cases differ'}"
    verdict = f"{count} between {', '.join(stacks)}"
    return records, News("Stacks side by side", verdict, tuple(groups), words)


def _of(record: Record, stack: str) -> Record:
    technique = f"{record.technique}{STACK}{stack}"
    case = f"{record.application}-{technique}-{record.variant}"
    return dataclasses.replace(record, case=case, technique=technique)


def _groups(base: str, name: str, differing: Sequence[CaseChange]) -> list[Group]:
    found: list[Group] = []
    for kind, says, than in (
        ("worse", "worse", "than in"),
        ("better", "better", "than in"),
        ("other", "different", "from"),
    ):
        mine = [one for one in differing if _kind(one) == kind]
        columns: dict[str, list[CaseChange]] = {}
        for one in mine:
            columns.setdefault(one.record.technique, []).append(one)
        lines = [
            Line(
                technique,
                f"{len(cases)} {'case' if len(cases) == 1 else 'cases'}: "
                + ", ".join(dict.fromkeys(word for one in cases for word in one.words)),
                {"technique": f"{technique}{STACK}{name}", "changed": WORD},
            )
            for technique, cases in columns.items()
        ]
        if lines:
            count = f"{len(mine)} {'case' if len(mine) == 1 else 'cases'}"
            title = f"{count} {says} in {name} {than} {base}"
            found.append(Group(kind, title, tuple(lines)))
    return found


def _kind(change: CaseChange) -> str:
    return "worse" if change.worse else "better" if change.better else "other"
