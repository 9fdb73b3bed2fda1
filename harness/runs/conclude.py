"""After a run: the reports, what to do next, and the exit code."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from harness import records
from harness.baseline.baselines import file_of
from harness.paths import REPORTS, interpreter, shown
from harness.provenance import lock, reference, status
from harness.records import Record
from harness.runs import results_page
from harness.runs.settings import ONLY_FAILED, RESUME, Settings
from harness.vocabulary import Exit, Expectation, Status, UsageError, exit_for


def conclude(
    run: Settings,
    *,
    planned: Sequence[str],
    whole: Sequence[str] = (),
    write: Callable[..., None],
    color: bool = False,
    interrupted: bool = False,
) -> Exit:
    """Write the reports of a run and say how it went.

    Args:
      run: the settings.
      planned: the case ids that were to be run now.
      whole: the case ids of the whole default matrix, if this was a run of it: to be
        published when each has a record.
      write: prints one line.
      color: whether the terminal shows colour.
      interrupted: whether the run was told to end.
    """
    from harness import report
    from harness.report import terminal

    try:
        loaded = records.read(run.file)
    except records.RecordError as error:
        if not planned:
            return Exit.AS_EXPECTED  # nothing was run, and pytest has said why
        if interrupted:
            write(_not_run(run, planned, planned, {}, interrupted=True))
            return Exit.INTERRUPTED
        write(f"no case left a record: {error}")
        return Exit.HARNESS_FAILED
    for broken in loaded.broken:
        write(f"warning: {broken}")
    latest = loaded.latest()
    write("")
    missing = [case for case in planned if case not in latest or latest[case].run_id != run.run_id]
    left = _not_run(run, planned, missing, latest, interrupted) if missing else ""
    for line in terminal.summary(latest.values(), color=color, incomplete=bool(left)).splitlines():
        write(line)
    write("")
    code = exit_code(latest.values())
    # A figure that is not as recorded must not become the record.
    agrees = not any(record.disagrees for record in latest.values())
    complete = not missing and all(case in latest for case in whole)
    try:
        if whole and complete and agrees:
            for line in publish(latest.values(), REPORTS, [run.results]):
                write(line)
            pages = REPORTS
            if run.results.resolve() != pages.resolve():
                report.remove(run.results)  # of an earlier run: this one's are published
        else:
            report.write(latest.values(), run.results)
            pages = run.results
        write(f"report: {shown(pages / 'index.html')}")
    except OSError as error:
        write(f"the reports could not be written: {error.strerror or error}; all records are kept")
        code = Exit.HARNESS_FAILED
    for line in _if_right(run, latest.values(), code):
        write(line)
    if left:
        write(left)
        if code is not Exit.REGRESSION:
            code = Exit.HARNESS_FAILED
    return Exit.INTERRUPTED if interrupted else code


def _if_right(run: Settings, found: Iterable[Record], code: Exit) -> list[str]:
    """Say which commands make what was unexpected the expected."""
    found = [record for record in found if record.unexpected]
    lines = []
    if any(record.disagrees for record in found):
        folder = shlex.quote(shown(run.results))
        lines.append(
            "figures are not as recorded; if the new ones are right: "
            f"{interpreter()} -m harness publish {folder}"
        )
    if code in (Exit.REGRESSION, Exit.NEWLY_PASSING) and not all(r.disagrees for r in found):
        own = file_of(run.expectations, own=True)
        into = (
            f" (your own applications: {own})"
            if own != run.expectations and any(record.constructor for record in found)
            else ""
        )
        lines.append(f"if this is right: {run.accept()}{into}")
    return lines


def _not_run(
    run: Settings,
    planned: Sequence[str],
    missing: Sequence[str],
    latest: Mapping[str, Record],
    interrupted: bool,
) -> str:
    """Say how many cases were not run, and with which command they are."""
    # Ids sort by time. Where there are no locks, or the folder was removed, another may begin.
    if any(case in latest and latest[case].run_id > run.run_id for case in missing):
        return (
            f"another run has begun in {shown(run.results)}/ meanwhile and has taken the place of "
            f"{len(missing)} of the {len(planned)} records of this one: run this one again, with a "
            "folder of its own (--results DIR)"
        )
    how = ONLY_FAILED if all(case in latest for case in missing) else RESUME
    return (
        f"{'interrupted: ' if interrupted else ''}{len(missing)} of {len(planned)} cases were not "
        f"run; what is finished is kept. Go on with: {run.go_on(how)}"
    )


def refuse_partial(run: Iterable[Record]) -> None:
    """Stop at records that would replace complete ones without being complete themselves.

    Raises:
      UsageError: there are some; the message says how many, why, and what to do.
    """
    run = list(run)
    partial = [record for record in run if not reference.is_complete(record)]
    if not partial:
        return
    told = [f"  {record.case}: {reference.why_incomplete(record)}" for record in partial[:3]]
    if len(partial) > len(told):
        told.append(f"  and {len(partial) - len(told)} more")
    raise UsageError(
        f"{len(partial)} of {len(run)} records are not of a whole run with the default options:\n"
        + "\n".join(told)
        + "\nrun these cases again, with no option but those that select; or give --partial to "
        "publish them all the same"
    )


def publish(run: Iterable[Record], target: Path, sources: Iterable[Path] = ()) -> list[str]:
    """Make a run the published one, together with what it did not have and still holds.

    Args:
      run: the last attempt at each of its cases.
      target: the folder of the published run.
      sources: where the run's records are: the states of the code that they name are too.

    Returns:
      Lines that say what became of the cases that only the published run had.
    """
    from harness import report

    # What was skipped for want of a package says nothing, and takes no other record's place.
    found = {record.case: record for record in run if record.status != Status.SKIPPED}
    try:
        others = [r for r in records.read(target).records if r.case not in found]
    except records.RecordError:
        others = []
    kept, lapsed = reference.known(others)
    whole = sorted([*found.values(), *kept], key=lambda r: r.case)
    target.mkdir(parents=True, exist_ok=True)
    records.write(target / records.RESULTS_NAME, whole)
    lock.carry(whole, sources, target)
    report.write(whole, target, lapsed=status.why_lapsed(whole, lock.read(target)))
    told = []
    if kept:
        of_them = f", {lapsed} of them have lapsed (`harness status` says why)" if lapsed else ""
        told.append(f"{len(kept)} cases that this run did not have are kept{of_them}")
    gone = len(others) - len(kept)
    if gone:
        told.append(f"{gone} cases that are no more, or say nothing, are dropped")
    return [*told, *_renewed(target)]


def _renewed(target: Path) -> list[str]:
    """Renew the document of results, if these are the reports that it is of."""
    page = results_page.page_of(target)
    if target.resolve() != REPORTS.resolve() or not page.parent.is_dir():
        return []
    try:
        results_page.renew(target, page)
    except UsageError as error:  # of the benchmark's records: those of the matrix were just written
        return [f"{shown(page)} is as it was: {error}"]
    return [f"results: {shown(page)}"]


def exit_code(run: Iterable[Record]) -> Exit:
    """Return the exit code of a run; a new case that fails is as grave as a regression."""
    run = list(run)
    if any(r.status == Status.ERROR for r in run):
        return Exit.HARNESS_FAILED
    return exit_for(Expectation.REGRESSION if r.fails_anew else r.expectation for r in run)
