"""`harness explain`: what a failure means, why it happens, what to do."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.records import Record
from harness.vocabulary import Exit, nearest, unknown

NAME = "explain"
SUMMARY = "tell what a label, a case, a layer or an application fails of, and what to do"
MORE = (
    "examples:\n"
    "  harness explain nested-model\n"
    "  harness explain ConvNeXtTiny-qat-tfmot-notop\n"
    "  harness explain Rescaling\n"
    "  harness explain ConvNeXtTiny"
)

#: Defects, and cases of each, that are shown.
DEFECTS, CASES = 8, 3


def add_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "what", nargs="?", help="a label, a case, a layer or an application; without: all labels"
    )
    sub.add_argument(
        "--results",
        type=Path,
        metavar="RESULTS",
        help="records to look at (default: reports/ beside the harness package)",
    )


def run(given: argparse.Namespace) -> Exit:
    from harness.failures import classify

    if given.what is None:
        for one in classify.BY_NAME.values():
            print(f"{one.name:<24} {one.cause}")
        return Exit.AS_EXPECTED
    known = _known(given.results)
    if given.what in classify.BY_NAME:
        failures = [r for r in known.values() if r.label == given.what]
        lines = [*_label(given.what), *_failures(failures, known)]
    elif given.what in known:
        lines = list(_case(known[given.what], known))
    else:
        lines = list(_place(given.what, known))
    print("\n".join(lines))
    return Exit.AS_EXPECTED


def _known(folder: Path | None) -> Mapping[str, Record]:
    """Return the last record of each case; nothing where there are none."""
    from harness import paths, records

    try:
        return records.read(folder or paths.REPORTS).latest()
    except records.RecordError:
        return {}


def _label(name: str) -> Iterator[str]:
    from harness.failures import classify

    found = classify.explain(name)
    yield f"{found.name}: {found.title}"
    told = {"cause": found.cause, "remedy": found.remedy, "handled": found.handled}
    for word, text in told.items():
        if text:
            yield _wrapped(word, text)
    for link in found.links:
        yield f"  link    {link}"


def _failures(failures: Sequence[Record], known: Mapping[str, Record]) -> Iterator[str]:
    """Tell of failures, equal ones once, and of what answers them."""
    from harness.failures import groups

    for answer in groups.answers(failures, known):
        yield (
            f"  answer  {answer.technique} passes {answer.passed} of {answer.cases} of them "
            f"({', '.join(answer.covers)})"
        )
    found = groups.defects(failures)
    for defect in found[:DEFECTS]:
        count = len(defect.records)
        yield _wrapped("error", f"{defect.fingerprint or defect.label}")
        yield _wrapped("", f"{count} {'case' if count == 1 else 'cases'}: {defect.named(CASES)}")
    if len(found) > DEFECTS:
        yield f"          and {len(found) - DEFECTS} other errors"


def _case(record: Record, known: Mapping[str, Record]) -> Iterator[str]:
    from harness.runs.progress import outcome_text

    yield f"{record.case}: {outcome_text(record)}"
    if record.blocker:
        yield _wrapped("blocker", f"{record.blocker_kind} {record.blocker} {record.blocker_name}")
    if record.failure is not None:
        yield _wrapped("error", f"{record.failure.type}: {record.failure.message[:1000]}")
    if record.label:
        yield ""
        yield from _label(record.label)
        same = [r for r in known.values() if r.fingerprint and r.fingerprint == record.fingerprint]
        yield from _failures(same or [record], known)
    if record.repro:
        yield f"  again   {record.repro}"


def _place(word: str, known: Mapping[str, Record]) -> Iterator[str]:
    """Tell of an application, or of a layer, operation or activation that blocks.

    Raises:
      UsageError: there is none of that name, nor a label or case; the nearest are named.
    """
    from harness.failures import classify
    from harness.matrix import discovery

    applications = {r.application for r in known.values()} | {
        one.name for one in discovery.discover()
    }
    blockers = {r.blocker for r in known.values() if r.blocker}
    folded = {name.casefold(): name for name in (*blockers, *applications)}
    name = folded.get(word.casefold())
    if name is None:
        every = (*classify.BY_NAME, *blockers, *applications, *known)
        if nearest(word, every):
            raise unknown("label, case, layer or application", word, every)
        raise unknown("label", word, classify.BY_NAME)
    if name in applications:
        yield from _application(name, known)
    else:
        failures = [r for r in known.values() if r.blocker == name]
        labels = sorted({r.label for r in failures if r.label})
        yield f"{name}: blocks {len(failures)} cases, {', '.join(labels)}"
        for label in labels:
            yield from _label(label)
        yield from _failures(failures, known)


def _application(name: str, known: Mapping[str, Record]) -> Iterator[str]:
    from harness.report import order
    from harness.runs.progress import outcome_text

    mine = order.cases(r for r in known.values() if r.application == name)
    yield f"{name}: {sum(r.passed for r in mine)} of {len(mine)} cases pass"
    for record in mine:
        blocker = f", {record.blocker_kind} {record.blocker}" if record.blocker else ""
        yield f"  {record.technique:<15} {record.variant:<6} {outcome_text(record)}{blocker}"
    yield from _failures([r for r in mine if not r.passed], known)


def _wrapped(name: str, text: str) -> str:
    """Return a text behind its name, in lines; no word, and so no path, is cut."""
    import textwrap

    return textwrap.fill(
        text,
        88,
        initial_indent=f"  {name:<8}",
        subsequent_indent=" " * 10,
        break_long_words=False,
        break_on_hyphens=False,
    )
