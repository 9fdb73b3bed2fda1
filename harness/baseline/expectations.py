"""Expectations: the committed baseline a run is compared with.

A plain text file, sorted, one case per line, so that a change of outcome is one line of
a diff. Three kinds of lines:

``covers TECHNIQUE VARIANT``
    Every application listed has been run in that column; where a case has no line of its
    own it is expected to pass. Of a case outside what is covered nothing is expected: it
    is *new*.
``application FAMILY: NAME NAME ...``
    The applications that existed when the baseline was accepted.
``CASE STATUS [STAGE LABEL]  # upstream issue``
    What one case is expected to do. Nothing is written for a pass in a covered column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.baseline import compare
from harness.records import Record, replace_text
from harness.vocabulary import STAGES, Expectation, Status, UsageError, nearest

Outcome = tuple[str, str, "str | None"]

#: What a case without a line of its own is expected to do; the stage of a pass does not count.
PASS: Outcome = (Status.PASS.value, "", None)

#: Statuses that a larger machine would not give.
_OF_SIZE = {Status.TIMEOUT.value, Status.OOM.value}

HEADER = """\
# What every case of the matrix is expected to do: status, stage and label, as the
# last accepted run found them. A case in a covered column without a line passes.
# Written by `python -m harness accept`; a note after '#' on a line is kept.
"""

#: Statuses worth pinning: the others say something of one machine on one day.
_PINNED = {s.value for s in Status} - {Status.ERROR.value, Status.SKIPPED.value}


@dataclass
class Expectations:
    """The baseline, read.

    Attributes:
      covers: the (technique, variant) columns in which no line means a pass.
      applications: family by application name.
      lines: what single cases are expected to do.
      notes: what stands behind ``#`` on their lines, e.g. an upstream issue.
    """

    covers: set[tuple[str, str]] = field(default_factory=set)
    applications: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Outcome] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def of(self, case: str, application: str, technique: str, variant: str) -> Outcome | None:
        """Return what is expected of a case; None if the baseline knows nothing of it."""
        if case in self.lines:
            return self.lines[case]
        if (technique, variant) in self.covers and application in self.applications:
            return PASS
        return None

    def of_record(self, record: Record) -> Outcome | None:
        return self.of(record.case, record.application, record.technique, record.variant)

    def row(self, application: str) -> tuple[tuple[str, Outcome], ...]:
        """Return what is pinned of an application's cases, without its name.

        What ends at a limit of time or memory is left out: it tells how large an application
        is, not of what kind.
        """
        start = application + "-"
        return tuple(
            (case[len(start) :], outcome)
            for case, outcome in sorted(self.lines.items())
            if case.startswith(start) and outcome[0] not in _OF_SIZE
        )

    def stale(self, applications: Iterable[str], known_cases: Iterable[str]) -> list[str]:
        """Return the case ids, application names and columns that match nothing any more."""
        cases, names = set(known_cases), set(applications)
        gone = [case for case in self.lines if case not in cases]
        gone += [name for name in self.applications if name not in names]
        columns = {case.partition("-")[2] for case in cases}
        gone += [f"{t}-{v}" for t, v in sorted(self.covers) if f"{t}-{v}" not in columns]
        return gone

    def drop(self, gone: Iterable[str]) -> None:
        """Forget what :meth:`stale` has found."""
        for one in gone:
            self.lines.pop(one, None)
            self.notes.pop(one, None)
            self.applications.pop(one, None)
            technique, _, variant = one.rpartition("-")
            self.covers.discard((technique, variant))


def read(path: Path) -> Expectations:
    """Read a baseline file; a missing one is an empty baseline.

    Raises:
      UsageError: the file cannot be read, or a line is malformed; the message gives its
        number.
    """
    found = Expectations()
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return found
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the expectations {path}: {error}") from error
    for number, raw in enumerate(content.splitlines(), 1):
        text, _, note = raw.partition("#")
        words = text.split()
        if not words:
            continue
        where = f"{path.name}:{number}"
        if words[0] == "covers":
            if len(words) != 3:
                raise UsageError(f"{where}: expected `covers TECHNIQUE VARIANT`")
            found.covers.add((words[1], words[2]))
        elif words[0] == "application":
            if len(words) < 3 or not words[1].endswith(":"):
                raise UsageError(f"{where}: expected `application FAMILY: NAME ...`")
            found.applications.update((name, words[1][:-1]) for name in words[2:])
        else:
            case, outcome = _outcome(words, where)
            if case in found.lines:
                raise UsageError(f"{where}: {case} is already on line {found.numbers[case]}")
            found.lines[case] = outcome
            found.numbers[case] = number
            if note.strip():
                found.notes[case] = note.strip()
    return found


def _outcome(words: list[str], where: str) -> tuple[str, Outcome]:
    case, *rest = words
    statuses = [s.value for s in Status]
    if not rest or rest[0] not in statuses:
        close = nearest(rest[0], statuses) if rest else []
        hint = f"; did you mean {' or '.join(close)}?" if close else f": {', '.join(statuses)}"
        raise UsageError(f"{where}: {case} needs a status{hint}")
    if rest == [Status.PASS.value]:
        return case, PASS
    if len(rest) not in (2, 3) or rest[1] not in STAGES:
        raise UsageError(f"{where}: expected `{case} {rest[0]} STAGE LABEL` ({', '.join(STAGES)})")
    return case, (rest[0], rest[1], rest[2] if len(rest) == 3 else None)


def write(path: Path, expectations: Expectations) -> None:
    """Write a baseline file, sorted."""
    replace_text(path, render(expectations))


def render(expectations: Expectations) -> str:
    """Return the text of a baseline file."""
    lines = [HEADER]
    lines += [f"covers {t} {v}" for t, v in sorted(expectations.covers)]
    families: dict[str, list[str]] = {}
    for name, family in expectations.applications.items():
        families.setdefault(family, []).append(name)
    lines.append("")
    lines += [
        f"application {f}: {' '.join(sorted(names))}" for f, names in sorted(families.items())
    ]
    lines.append("")
    rows = sorted(expectations.lines.items())
    width = max((len(case) for case, _ in rows), default=0)
    for case, (status, stage, label) in rows:
        text = f"{case:<{width}}  {status}"
        if status != Status.PASS:
            text += f"  {stage}  {label or ''}".rstrip()
        note = expectations.notes.get(case)
        lines.append(f"{text}  # {note}" if note else text)
    return "\n".join(lines) + "\n"


def accept(
    old: Expectations, records: Mapping[str, Record], issues: Mapping[str, str] | None = None
) -> Expectations:
    """Return the baseline that ``records`` meet; what was not run stays as it is.

    Args:
      old: the baseline so far.
      records: the last attempt at each case, by case id.
      issues: upstream issue by label, noted on new lines.

    Raises:
      UsageError: a record tells of a fault of the harness; there is nothing to accept.
    """
    faults = [r.case for r in records.values() if r.status not in _PINNED]
    if faults:
        raise UsageError(
            f"{len(faults)} records tell of no outcome (first: {faults[0]}): run them again first"
        )
    new = Expectations(
        set(old.covers), dict(old.applications), dict(old.lines), dict(old.notes), {}
    )
    rows: dict[str, set[tuple[str, str]]] = {}
    for record in records.values():
        rows.setdefault(record.application, set()).add((record.technique, record.variant))
    for record in records.values():
        name = record.application
        known = rows[name] | {c for c in old.covers if f"{name}-{c[0]}-{c[1]}" in old.lines}
        # What is listed is expected to pass in every covered column, so it has to have been
        # run there.
        if known >= old.covers:
            new.applications[name] = record.family
    columns = {(r.technique, r.variant) for r in records.values()}
    for technique, variant in columns:
        ran = {
            r.application
            for r in records.values()
            if (r.technique, r.variant) == (technique, variant)
        }
        if ran >= set(new.applications):
            new.covers.add((technique, variant))
    for case, record in records.items():
        expected = old.of_record(record)
        if record.passed and expected and expected != PASS:
            verdict = compare.classify(expected, record.outcome(), until=record.until)
            if verdict is Expectation.EXPECTED:
                continue  # it stopped before the stage where it is expected to fail
        outcome = PASS if record.passed else record.outcome()
        if new.lines.get(case) != outcome:
            new.lines[case] = outcome
            note = (issues or {}).get(record.label or "")
            new.notes.pop(case, None)
            if note:
                new.notes[case] = note
    for application in new.applications:
        for technique, variant in new.covers:
            case = f"{application}-{technique}-{variant}"
            if new.lines.get(case) == PASS:  # what a column without a line says already
                del new.lines[case]
                new.notes.pop(case, None)
    return new


def short_issue(url: str) -> str:
    """Return ``project#number`` for the address of an issue."""
    match = re.search(r"/([\w.-]+)/(?:issues|pull)/(\d+)$", url)
    names = {"model-optimization": "tfmot"}
    return f"{names.get(match[1], match[1])}#{match[2]}" if match else url
